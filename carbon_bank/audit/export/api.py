"""The export package of a settlement, to take away."""

from __future__ import annotations

import asyncio
from pathlib import Path as FilePath
from tempfile import TemporaryDirectory
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from carbon_bank.audit.export import service
from carbon_bank.foundation.database import Database
from carbon_bank.foundation.web import Now
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Permission

router = APIRouter(prefix="/v1/audit/settlements", tags=["audit"])

Exporter = Annotated[Actor, Depends(allowed(Permission.AUDIT_EXPORT))]
PrivacyOfficer = Annotated[Actor, Depends(allowed(Permission.AUDIT_EXPORT_NUMBERS))]
SettlementId = Annotated[int, Path(ge=1, lt=2**63)]
Reason = Annotated[str, Query(min_length=3, max_length=500, description="Why; it stays on the trail.")]
ZIP = "application/zip"


@router.get("/{settlement_id}/export", summary="All of a settlement, in one file", response_class=FileResponse)
async def export(
    settlement_id: SettlementId, reason: Reason, request: Request, now: Now, actor: Exporter
) -> FileResponse:
    """A ZIP archive to recompute and verify a posted settlement without the bank (docs/export.md). Households and meters have
    pseudonyms. That it was taken, by whom and why is recorded before it is handed out.

    The answer begins once the package is whole: for a large city minutes later. 409 while the settlement is not posted, or not
    all of it in the log.
    """
    return await _handed_out(request, actor, now, settlement_id, reason, with_numbers=False)


@router.get(
    "/{settlement_id}/export/numbers",
    summary="The same, with the numbers of households and meters",
    response_class=FileResponse,
)
async def export_with_numbers(
    settlement_id: SettlementId, reason: Reason, request: Request, now: Now, actor: PrivacyOfficer
) -> FileResponse:
    """The package with one file more, `numbers.csv`: who is behind the pseudonyms. For a privacy officer alone."""
    return await _handed_out(request, actor, now, settlement_id, reason, with_numbers=True)


async def _handed_out(
    request: Request, actor: Actor, now: Now, settlement_id: int, reason: str, *, with_numbers: bool
) -> FileResponse:
    """Written whole, then recorded, then sent: who reads slowly holds no connection to the database."""
    database: Database = request.app.state.database
    folder = await asyncio.to_thread(TemporaryDirectory, prefix="carbon-bank-export-")
    path = FilePath(folder.name) / "package.zip"
    try:
        async with database.read() as session:
            exported = await service.write_package(
                session, actor, settlement_id, request.app.state.log_keys.signing, path, with_numbers=with_numbers
            )
        async with database.write() as session:
            await service.record_export(session, actor, now, settlement_id, reason, exported)
    except BaseException:
        folder.cleanup()
        raise
    return FileResponse(
        path, media_type=ZIP, filename=f"{exported.name}.zip", background=BackgroundTask(folder.cleanup)
    )
