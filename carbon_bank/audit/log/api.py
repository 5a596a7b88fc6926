"""The log as everybody reads it, in the paths that tools for such logs know. Source: C2SP tlog-tiles."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from carbon_bank.audit.log import service as log_service
from carbon_bank.foundation.web import Reading
from carbon_bank.identity.access import open_to_all

router = APIRouter(prefix="/log/{city}", tags=["log"])

City = Annotated[str, Path(description="Code of the city.", pattern=r"^[a-z][a-z0-9-]{1,30}$")]
FOR_GOOD = "public, max-age=31536000, immutable"
"""A tile of one name never changes, also one that is not full: it is named with its width."""


@router.head("/checkpoint", include_in_schema=False)
@router.get("/checkpoint", summary="The log's size and root, signed", response_class=Response)
@open_to_all
async def checkpoint(city: City, session: Reading) -> Response:
    """The latest checkpoint, as a signed note with what witnesses signed under it. The one file of a log that changes."""
    note = await log_service.served_checkpoint(session, city)
    return Response(note, media_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-cache"})


@router.head("/tile/{path:path}", include_in_schema=False)
@router.get("/tile/{path:path}", summary="Hashes or entries of the log", response_class=Response)
@open_to_all
async def tile(
    city: City,
    path: Annotated[str, Path(description="As `0/x001/234` or, for entries, `entries/x001/234.p/8`.", max_length=80)],
    session: Reading,
) -> Response:
    """A tile of up to 256 hashes, or a bundle of as many entries."""
    data, _ = await log_service.tile(session, city, f"tile/{path}")
    return Response(data, media_type="application/octet-stream", headers={"Cache-Control": FOR_GOOD})
