"""Taking a whole file into the registry, or none of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from carbon_bank.foundation.database import WriteSession
from carbon_bank.foundation.errors import Fault, InvalidInput
from carbon_bank.foundation.moments import recording_moment
from carbon_bank.identity.actor import Actor
from carbon_bank.ledger import service as ledger
from carbon_bank.registry import import_queries as queries
from carbon_bank.registry.import_rows import COLUMNS, Kind, faults_of, told
from carbon_bank.registry.queries import import_alone
from carbon_bank.registry.service import find_city
from carbon_bank.trail.service import Act, record

FAULTS_MAX = 100

_DIFFERS = "It is there already with other values. Leave the row out, or change what is there by the API."
_STRANGER = "There is none with this code or number in the city (or the utility does not supply it). Add it first."
_TWICE = "The same stands in an earlier line of this file. Leave one of them out."
_KEYS: dict[Kind, list[str]] = {
    Kind.DISTRICTS: ["code"],
    Kind.UTILITIES: ["code"],
    Kind.HOUSEHOLDS: ["household_number"],
    Kind.METERS: ["utility", "commodity", "customer_number", "meter_number"],
    Kind.TENURES: ["household_number", "utility", "commodity", "customer_number", "meter_number"],
}


@dataclass(frozen=True)
class Imported:
    rows: int
    added: int


async def import_rows(
    session: WriteSession, actor: Actor, now: datetime, city_code: str, kind: Kind, chunks: Iterable[pl.DataFrame]
) -> Imported:
    """Take the rows of a file. What is there with the same values already is left as it is.

    Args:   chunks: frames of `line` and the columns of the kind as text, null where empty.
    Raises: NotFound `registry.unknown_city`; InvalidInput `registry.import` with every fault found, up to FAULTS_MAX;
            then nothing is taken.
    """
    city = await find_city(session, city_code)
    assert city.id is not None
    frames = list(chunks)
    rows = (
        pl.concat(frames)
        if frames
        else pl.DataFrame(schema={"line": pl.Int32, **dict.fromkeys(COLUMNS[kind], pl.String)})
    )
    _refuse(kind, faults_of(kind, rows) or _repeated(kind, rows))
    await import_alone(session, city.id)
    _refuse(kind, await _in_the_way(session, kind, rows, city.id))
    moment = await recording_moment(session, city.id)
    added, ids = await queries.insert(session, kind, rows, city.id, moment=moment)
    if kind is Kind.HOUSEHOLDS:
        await ledger.open_accounts(session, ids)
    if kind is Kind.DISTRICTS:
        await queries.join_parents(session, rows, city.id)
    facts = {"kind": kind.value, "rows": rows.height, "added": added}
    record(
        session,
        Act.REGISTRY_IMPORTED,
        by=actor.subject,
        at=now,
        subject=f"city:{city.id}",
        city_id=city.id,
        facts=facts,
    )
    return Imported(rows.height, added)


def _repeated(kind: Kind, rows: pl.DataFrame) -> list[Fault]:
    """Rows that name the same thing as one before; of tenures, those that share a day with one before."""
    key = [pl.col(name).fill_null("") for name in _KEYS[kind]]
    if kind is not Kind.TENURES:
        later = rows.filter(pl.concat_str(key, separator="\x1f").is_first_distinct().not_())
        return told(later, _KEYS[kind][-1 if kind is not Kind.METERS else 2], "registry.twice", _TWICE)
    claims = rows.with_columns(
        claim=pl.concat_str(key, separator="\x1f"), until=pl.col("ends_on").fill_null("9999-12-31")
    )
    ordered = claims.sort("claim", "starts_on")
    touching = pl.col("starts_on") < pl.col("until").cum_max().shift(1).over("claim")
    return told(ordered.filter(touching), "starts_on", "registry.tenure_overlap", _TWICE)


async def _in_the_way(session: WriteSession, kind: Kind, rows: pl.DataFrame, city_id: int) -> list[Fault]:
    statements = queries.STATEMENTS[kind]
    faults: list[Fault] = []
    for column, condition in statements.strangers.items():
        found = await queries.lines(session, kind, condition, rows, city_id)
        faults += told(rows.filter(pl.col("line").is_in(found)), column, "registry.unknown", _STRANGER)
    if not faults:
        found = await queries.lines(session, kind, statements.differing, rows, city_id)
        faults += told(rows.filter(pl.col("line").is_in(found)), _KEYS[kind][0], "registry.differs", _DIFFERS)
    return faults


def _refuse(kind: Kind, faults: list[Fault]) -> None:
    if not faults:
        return
    shown = faults[:FAULTS_MAX]
    more = f" (the first {FAULTS_MAX} are told)" if len(faults) > FAULTS_MAX else ""
    raise InvalidInput(
        "registry.import",
        f"The file of {kind.value} has {len(faults)} faults{more}, and nothing of it was taken. Mend them and send it again.",
        {"kind": kind.value, "faults": len(faults)},
        shown,
    )
