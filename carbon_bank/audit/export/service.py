"""The export package of a settlement: all that it takes to recompute it and to see that it stands in the log, in one file.

Read as of one moment, some households at a time, so that memory does not grow with the city. The same settlement gives the
same bytes, whatever has happened since (docs/decisions/0022-export.md).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from carbon_bank.audit.export import columns, queries
from carbon_bank.audit.export import log_service as export_log_service
from carbon_bank.audit.export import tables_service as export_tables_service
from carbon_bank.audit.export.dictionary import Cover, dictionary_text, readme_text
from carbon_bank.audit.export.files import SUMS, Package, TableFile
from carbon_bank.audit.export.form import Table
from carbon_bank.audit.export.scope_service import Scope, scope_of
from carbon_bank.audit.export.scripts import auditors_scripts
from carbon_bank.audit.export.tables_service import Writer
from carbon_bank.audit.formats.note import SigningKey, sign_note
from carbon_bank.audit.log.entries import moment_text
from carbon_bank.foundation.calendar import month_text
from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.identity.actor import Actor
from carbon_bank.trail.service import Act, record

FORMAT = "carbon-bank/export/v1"
"""First line of what is signed: no checkpoint, whose first line is the log's name, can be taken for it."""
SIGNATURE = f"{SUMS}.note"


@dataclass(frozen=True)
class Exported:
    """A package that was written: its name, the digest of its SHA256SUMS, and how many rows each table has."""

    name: str
    sums_sha256: str
    rows: dict[str, int]
    with_numbers: bool


async def write_package(
    session: ReadSession,
    actor: Actor,
    settlement_id: int,
    keys_of: Callable[[str], Sequence[SigningKey]],
    path: Path,
    *,
    with_numbers: bool = False,
) -> Exported:
    """Write the package of a posted settlement.

    Args:   session: nothing was read in it yet. keys_of: the keys of a city's log, which sign. path: the file to write;
            tables on their way into it stand beside it for a while.
    Raises: as `scope_of`.
    """
    await queries.as_of_one_moment(session)
    scope = await scope_of(session, actor, settlement_id)
    keys, name = keys_of(scope.city_code), f"export-{scope.city_code}-{settlement_id}"
    tables = [table for table in columns.TABLES if with_numbers or table is not columns.NUMBERS]
    with ExitStack() as opened:
        writer = Writer(scope, {table.name: opened.enter_context(TableFile(table, path.parent)) for table in tables})
        package = opened.enter_context(Package(path, name))
        await export_tables_service.write_households(session, writer)
        await export_tables_service.write_readings(session, writer)
        await export_tables_service.write_small(session, writer)
        await export_tables_service.write_ids(session, writer, with_numbers)
        places = await export_log_service.write_postings(session, writer)
        await export_log_service.write_acts(session, writer, package)
        await export_log_service.write_tiles(session, scope, package, places)
        rows = {table.name: writer.files[table.name].rows for table in tables}
        for each in writer.files.values():
            await asyncio.to_thread(package.add_table, each)
        _add_words(package, scope, rows, tables, with_numbers)
        sums = package.sums()
        digest = sha256(sums).hexdigest()
        package.add(SUMS, sums)
        package.add(SIGNATURE, bytes(sign_note(f"{FORMAT}\n{keys[0].name}\n{digest}\n", *keys)))
    return Exported(name, digest, rows, with_numbers)


def _add_words(
    package: Package, scope: Scope, rows: dict[str, int], tables: Sequence[Table], with_numbers: bool
) -> None:
    """What is no table: the policy, the settlement, the first page, the dictionary, the auditor's programs."""
    policy = scope.plan.policy
    cover = Cover(
        city=scope.city_code,
        settlement_id=scope.plan.settlement_id,
        period=str(scope.plan.period),
        policy=policy.reference,
        origin=scope.log.origin,
        size=scope.checkpoint.size,
        leaf=scope.last_leaf,
        with_numbers=with_numbers,
    )
    package.add("README.md", readme_text(cover).encode())
    package.add("dictionary.md", dictionary_text(tables, rows).encode())
    package.add("policy.yaml", policy.text.encode())
    told = json.dumps(_settlement(scope, rows), indent=1, ensure_ascii=False, sort_keys=True)
    package.add("settlement.json", f"{told}\n".encode())
    for name, content in auditors_scripts().items():
        package.add(name, content)


def _settlement(scope: Scope, rows: dict[str, int]) -> dict[str, Any]:
    row, policy = scope.settlement, scope.plan.policy
    moments = ("requested_at", "as_of", "computed_at", "approved_at", "posted_at")
    names = ("id", "period", "months", "state", "households", "prepared_by", "approved_by")
    return {
        "format": FORMAT,
        "city": scope.city_code,
        "settlement": {name: getattr(row, name) for name in names}
        | {name: moment_text(getattr(row, name)) for name in moments}
        | {"first_month": month_text(row.first_month)},
        "preceding_settlement": scope.plan.preceding_id,
        "policy": {"reference": policy.reference, "digest": policy.digest},
        "log": {"origin": scope.log.origin, "size": scope.checkpoint.size, "last_leaf": scope.last_leaf},
        "rows": rows,
    }


async def record_export(
    session: WriteSession, actor: Actor, now: datetime, settlement_id: int, reason: str, exported: Exported
) -> None:
    """Put on the trail who takes which package and why. To be done before it is handed out."""
    facts = {"sums_sha256": exported.sums_sha256, "with_numbers": exported.with_numbers}
    record(
        session,
        Act.AUDIT_EXPORTED,
        by=actor.subject,
        at=now,
        subject=f"settlement:{settlement_id}",
        city_id=actor.of_city(),
        reason=reason,
        facts=facts,
    )
