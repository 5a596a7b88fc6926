"""Imports: a file is kept, then worked chunk by chunk, each chunk one transaction, and the same file is one import for good.

A run that is cut off goes on at the next chunk: formats give the same chunks of a file each time.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.errors import Conflict, NotFound, Refusal, TooBusy
from carbon_bank.foundation.jobs import enqueue
from carbon_bank.foundation.store import Store, Stored
from carbon_bank.identity.actor import Actor
from carbon_bank.readings import import_queries as queries
from carbon_bank.readings.formats.mapping import parse_mapping
from carbon_bank.readings.formats.normal import Chunk
from carbon_bank.readings.formats.options import Options, SumTo
from carbon_bank.readings.formats.source import Source
from carbon_bank.readings.import_states import OPEN, ImportState
from carbon_bank.readings.import_tables import ReadingImport as ReadingImport
from carbon_bank.readings.import_tables import ReadingRejection
from carbon_bank.readings.intake import Status
from carbon_bank.readings.service import record_readings
from carbon_bank.registry import service as registry
from carbon_bank.registry.service import UtilityPlace
from carbon_bank.trail.service import Act, record
from carbon_bank.webhooks.events import Event, OfUtility
from carbon_bank.webhooks.service import emit

IMPORT_TASK = "import_readings"
UNREADABLE, GIVEN_UP = "formats.unexpected", "readings.unexpected"
"""Failures that are mistakes of the bank. An import that ended by one goes on where its file is sent again."""
FINDINGS_MAX = 200
RETRY_SECONDS = 30


@dataclass(frozen=True)
class Asked:
    """How a file is to be read."""

    name: str
    format: str
    sum_to: SumTo = "day"
    strict: bool = False
    mapping: str | None = None

    @property
    def digest(self) -> str:
        how = [self.format, self.sum_to, self.strict, self.mapping]
        return hashlib.sha256(json.dumps(how).encode()).hexdigest()


@dataclass(frozen=True)
class Plan:
    """What a worker needs to work an import."""

    import_id: int
    actor: Actor
    place: UtilityPlace
    source: Source
    format: str
    options: Options
    chunks_done: int


def owner_of(utility_id: int) -> str:
    """The name under which a utility's files are kept."""
    return str(utility_id)


async def check_room(session: ReadSession, city_id: int, waiting_max: int) -> None:
    """Raises: TooBusy `readings.too_many_imports` (429) where so many imports of a city wait or run."""
    waiting = await queries.count_open(session, city_id)
    if waiting >= waiting_max:
        raise TooBusy(
            "readings.too_many_imports",
            f"{waiting} imports of this city are waiting or running, and at most {waiting_max} may. Send the file again in "
            f"{RETRY_SECONDS} seconds.",
            {"waiting": waiting, "waiting_max": waiting_max, "retry_seconds": RETRY_SECONDS},
        )


async def receive(
    session: WriteSession,
    actor: Actor,
    now: datetime,
    place: UtilityPlace,
    stored: Stored,
    asked: Asked,
    *,
    in_background: bool,
) -> tuple[ReadingImport, bool]:
    """Make an import of a file that is kept, or find that it was made before. Returns it, and whether there is work to do:
    it is new, or ended by a mistake of the bank and goes on now.

    Raises: InvalidInput `formats.mapping_invalid`, `formats.mapping_unused`.
    """
    if asked.mapping is not None:
        parse_mapping(asked.mapping)
    made, is_new = await queries.add_once(
        session,
        ReadingImport(
            city_id=place.city_id,
            utility_id=place.utility_id,
            digest=stored.digest,
            options_digest=asked.digest,
            bytes=stored.size,
            by=actor.subject,
            created_at=now,
            **asdict(asked),
        ),
    )
    taken_up = not is_new and await _take_up_again(session, actor, now, made)
    if is_new:
        facts = {"digest": stored.digest, "bytes": stored.size, "format": asked.format}
        _record(session, Act.READINGS_IMPORTED, actor, now, made, facts)
    if in_background and (is_new or taken_up):
        await enqueue(session, IMPORT_TASK, {"import_id": made.id}, lock=f"import:{place.utility_id}")
    return made, is_new or taken_up


async def _take_up_again(session: WriteSession, actor: Actor, now: datetime, row: ReadingImport) -> bool:
    """Let an import go on that ended by a mistake of the bank, from the chunk that it had come to. False: it ended otherwise."""
    if row.failure_code not in (UNREADABLE, GIVEN_UP):
        return False
    facts = {"failure_code": row.failure_code, "chunks_done": row.chunks_done}
    row.state, row.failure_code, row.failure, row.finished_at, row.is_kept = ImportState.WAITING, None, None, None, True
    session.add(row)
    _record(session, Act.READINGS_IMPORT_RESUMED, actor, now, row, facts)
    return True


async def begin(session: WriteSession, now: datetime, import_id: int, store: Store) -> Plan | None:
    """Take an import up, from the beginning or from where a run before stopped. Null: it has ended."""
    row = await queries.lock(session, import_id)
    if row is None or row.state not in OPEN:
        return None
    row.state, row.started_at = ImportState.RUNNING, row.started_at or now
    session.add(row)
    place = await registry.place_of_utility(session, row.utility_id)
    mapping = None if row.mapping is None else parse_mapping(row.mapping)
    path = store.path_of(owner_of(row.utility_id), row.digest)
    return Plan(
        import_id=import_id,
        actor=Actor(row.by, city_id=row.city_id, utility_id=row.utility_id),
        place=place,
        source=Source(Path(path), row.name),
        format=row.format,
        options=Options(place.time_zone, row.strict, row.sum_to, mapping),  # type: ignore[arg-type]
        chunks_done=row.chunks_done,
    )


async def record_chunk(session: WriteSession, now: datetime, plan: Plan, number: int, chunk: Chunk) -> bool:
    """Record the chunk with this number (from 0). False where the import was cancelled, or another run has recorded it."""
    row = await queries.lock(session, plan.import_id)
    if row is None or row.state != ImportState.RUNNING or row.chunks_done != number:
        return False
    if chunk.rows.height:
        await _record_rows(session, now, plan, row, chunk)
    row.chunks_done = number + 1
    row.bytes_done = max(row.bytes_done, chunk.position)
    row.passed_over += chunk.passed_over
    row.findings = [*row.findings, *(asdict(finding) for finding in chunk.findings)][:FINDINGS_MAX]
    session.add(row)
    return True


async def _record_rows(session: WriteSession, now: datetime, plan: Plan, row: ReadingImport, chunk: Chunk) -> None:
    result = await record_readings(
        session, plan.actor, now, plan.place, chunk.rows.drop("at"), source=f"import:{plan.import_id}", mode="partial"
    )
    counts = Counter(result.statuses)
    row.rows += chunk.rows.height
    for status in Status:
        setattr(row, status.value, getattr(row, status.value) + counts[status.value])
    if counts[Status.REFUSED.value]:
        kept = {
            line for line, status in zip(chunk.rows["line"], result.statuses, strict=True) if status == Status.REFUSED
        }
        told = [(each.line, each.code, each.column or None, each.value) for each in result.refused if each.line in kept]
        names = {"line": pl.Int32, **dict.fromkeys(("code", "column", "value"), pl.String)}
        frame = pl.DataFrame(told, schema=names, orient="row").join(
            chunk.rows.select("line", "at"), on="line", maintain_order="left"
        )
        await queries.add_rejections(session, plan.import_id, frame, chunk.sent)


async def finish(session: WriteSession, now: datetime, import_id: int, failure: Refusal | None = None) -> None:
    """End a running import: done, or failed where the file itself was refused. What was recorded stays."""
    row = await queries.lock(session, import_id)
    if row is None or row.state != ImportState.RUNNING:
        return
    row.state = ImportState.DONE if failure is None else ImportState.FAILED
    row.finished_at = now
    if failure is None:
        row.bytes_done = max(row.bytes_done, row.bytes)
    else:
        row.failure_code, row.failure = failure.code, failure.message
    session.add(row)
    counts = {name: getattr(row, name) for name in ("rows", *(status.value for status in Status), "passed_over")}
    await emit(
        session,
        now,
        city_id=row.city_id,
        event=Event.IMPORT_FINISHED,
        audience=OfUtility(row.utility_id),
        facts={"import_id": import_id, "state": row.state, "failure_code": row.failure_code} | counts,
    )


async def give_up(session: WriteSession, actor: Actor, now: datetime, import_id: int) -> None:
    """End an import that the bank cannot bring to its end, by no fault of the file."""
    row = await queries.lock(session, import_id)
    if row is None or row.state not in OPEN:
        return
    row.state, row.finished_at, row.failure_code = ImportState.FAILED, now, GIVEN_UP
    row.failure = (
        f"The bank made a mistake in recording {row.name}. Tell the operator the number of the import, {import_id}; when the "
        "mistake is mended, send the file again, and it goes on. What was recorded stays."
    )
    session.add(row)
    _record(session, Act.READINGS_IMPORT_GIVEN_UP, actor, now, row, {"chunks_done": row.chunks_done, "rows": row.rows})


async def cancel(session: WriteSession, actor: Actor, now: datetime, import_id: int) -> ReadingImport:
    """Stop an import at its next chunk. What was recorded before stays recorded.

    Raises: NotFound `readings.unknown_import` (404); Conflict `readings.import_ended` (409).
    """
    await get(session, actor, import_id)
    row = await queries.lock(session, import_id)
    assert row is not None
    if row.state not in OPEN:
        raise Conflict(
            "readings.import_ended",
            f"Import {import_id} has ended ({row.state}): there is nothing to cancel. Restate readings with a reason.",
            {"id": import_id, "state": row.state},
        )
    row.state, row.finished_at = ImportState.CANCELLED, now
    session.add(row)
    _record(session, Act.READINGS_IMPORT_CANCELLED, actor, now, row, {"rows": row.rows})
    return row


async def get(session: ReadSession, actor: Actor, import_id: int) -> ReadingImport:
    """A utility sees its own imports, city staff and auditors those of their city.

    Raises: NotFound `readings.unknown_import` (404).
    """
    row = await queries.find(session, actor.of_city(), actor.utility_id, import_id)
    if row is None:
        raise NotFound("readings.unknown_import", f"There is no import {import_id}.")
    return row


async def listed(
    session: ReadSession, actor: Actor, utility: str | None, before: int | None, limit: int
) -> Sequence[ReadingImport]:
    """The newest first. Raises: NotFound `registry.unknown_utility` (404)."""
    utility_id = await registry.utility_asked_for(session, actor, utility)
    return await queries.listed(session, actor.of_city(), utility_id, before, limit)


async def rejections(session: ReadSession, import_id: int, after: int, limit: int) -> Sequence[ReadingRejection]:
    """The next refused rows of an import, in the order of the file. Args: after: `line` of the last one before."""
    return await queries.rejections(session, import_id, after, limit)


async def let_go(session: WriteSession, now: datetime, keep_days: int) -> None:
    """Let go of the originals of imports that ended so many days ago."""
    await queries.let_go(session, now - timedelta(days=keep_days))


async def kept_files(session: ReadSession) -> set[tuple[str, str]]:
    """Owner and digest of every original that an import keeps."""
    return {(owner_of(utility_id), digest) for utility_id, digest in await queries.kept(session)}


def _record(
    session: WriteSession, act: Act, actor: Actor, now: datetime, row: ReadingImport, facts: dict[str, object]
) -> None:
    subject = f"reading_import:{row.id}"
    record(session, act, by=actor.subject, at=now, subject=subject, city_id=row.city_id, facts=facts)
