"""The findings report: a look at each kind, all as of one moment.

Each kind is one small function in `LOOKS`. Readings of the whole city are read once, some meters at a time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import polars as pl

from carbon_bank.audit.findings import award_queries as finding_award_queries
from carbon_bank.audit.findings import cases as finding_cases
from carbon_bank.audit.findings import copies as finding_copies
from carbon_bank.audit.findings import digits as finding_digits
from carbon_bank.audit.findings import queries as finding_queries
from carbon_bank.audit.findings.account_service import fingerprints
from carbon_bank.audit.findings.award_queries import Settled
from carbon_bank.audit.findings.kinds import Code, Found, added, nothing
from carbon_bank.audit.findings.outliers import outliers
from carbon_bank.audit.findings.scope_service import Scope
from carbon_bank.foundation.calendar import MONTHS_PER_YEAR, first_day
from carbon_bank.foundation.database import ReadSession
from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.foundation.sealed import Sealer
from carbon_bank.trail.service import Act

CHUNK_METERS = 50_000
APPROVALS = (
    Act.ADJUSTMENT_APPROVED,
    Act.BUDGET_APPROVED,
    Act.PAYOUT_APPROVED,
    Act.POLICY_APPROVED,
    Act.RESTATEMENT_APPROVED,
    Act.REWARD_TERMS_APPROVED,
    Act.SETTLEMENT_APPROVED,
)


@dataclass
class Look:
    """A report being made. The city's readings and the awards' cover are read once, by the first kind that needs them."""

    session: ReadSession
    scope: Scope
    sealer: Sealer | None
    meters: pl.DataFrame | None = None
    marks: list[pl.DataFrame] = field(default_factory=list)
    histogram: pl.DataFrame | None = None
    covers: dict[int, pl.DataFrame] = field(default_factory=dict)


async def begin(session: ReadSession) -> None:
    """See everything as of one moment. To be called before the session reads anything."""
    await finding_queries.as_of_one_moment(session)


async def report(
    session: ReadSession, scope: Scope, codes: Collection[Code] = tuple(Code), sealer: Sealer | None = None
) -> AsyncIterator[Found]:
    """What was found of each kind, in their order.

    Args: codes: the kinds that are wanted. sealer: opens payout accounts to compare them; null: they are passed over.
    """
    look = Look(session, scope, sealer)
    for code in Code:
        if code in codes:
            yield await LOOKS[code](look)


async def _meters(look: Look) -> pl.DataFrame:
    if look.meters is None:
        look.meters = await finding_queries.meters(look.session, look.scope.city_id)
    return look.meters


async def _read(look: Look) -> pl.DataFrame:
    """Look at all readings of the city, once. Returns `utility_id, commodity, quantity, readings` of those of the scope's months
    that were read, not estimated."""
    if look.histogram is not None:
        return look.histogram
    meters, parts = await _meters(look), []
    for chunk in meters.iter_slices(CHUNK_METERS):
        ids = chunk["meter_id"]
        stands = await finding_queries.standing(look.session, ids[0], ids[-1], _since(look.scope), look.scope.end_day)
        own = stands.join(chunk, on="meter_id", maintain_order="left")
        look.marks.append(finding_copies.marks(own))
        read = own.filter((pl.col("period_start") >= look.scope.first_day) & ~pl.col("is_estimated"))
        parts.append(read.group_by("utility_id", "commodity", "quantity").agg(readings=pl.len().cast(pl.Int64)))
    empty = pl.DataFrame(
        schema={**meters.select("utility_id", "commodity").schema, "quantity": pl.Int64, "readings": pl.Int64}
    )
    joined = pl.concat([empty, *parts]).filter(pl.col("quantity") > 0)
    look.histogram = (
        joined.group_by("utility_id", "commodity", "quantity").agg(pl.col("readings").sum()).sort("quantity")
    )
    return look.histogram


def _since(scope: Scope) -> date:
    """Copies are looked for over a year at least: a half-year has three two-monthly readings."""
    return min(scope.first_day, first_day(scope.end_month - MONTHS_PER_YEAR))


async def _histograms(look: Look) -> list[tuple[str, str, pl.DataFrame]]:
    histogram, codes = await _read(look), await finding_queries.utilities(look.session, look.scope.city_id)
    parts = histogram.partition_by("utility_id", "commodity", as_dict=True)
    named = [(codes[key[0]], str(key[1]), part) for key, part in parts.items()]
    return sorted(named, key=lambda each: each[:2])


async def _cover(look: Look, settled: Settled) -> pl.DataFrame:
    if settled.id not in look.covers:
        seen = await finding_award_queries.cover(look.session, settled, settled.as_of)
        look.covers[settled.id] = seen.rename({"readings": "seen"})
    return look.covers[settled.id]


async def _copied(look: Look) -> Found:
    histogram, meters = await _read(look), await _meters(look)
    by_kind = histogram.partition_by("utility_id", "commodity", as_dict=True)
    steps = [(*key, finding_digits.resolution(part)) for key, part in by_kind.items()]
    kinds = pl.DataFrame(
        steps, schema={**meters.select("utility_id", "commodity").schema, "step": pl.Int64}, orient="row"
    )
    with_step = meters.join(kinds, on=["utility_id", "commodity"]).select("meter_id", "step")
    none = pl.DataFrame(schema={"mark": pl.UInt64, "meter_id": pl.Int64, "digits": pl.Int64})
    pairs = finding_copies.pairs(pl.concat([none, *look.marks]), with_step)
    ids = pl.concat([pairs["meter_id"], pairs["other_id"]]).unique().sort().to_list()
    days = (_since(look.scope), look.scope.end_day)
    readings = await finding_queries.standing_of(look.session, ids, *days)
    agreed = finding_copies.agreements(pairs, readings.join(meters, on="meter_id"), with_step)
    holders = await finding_queries.holders(look.session, ids, *days)
    return finding_copies.copied(agreed, holders, meters.height, f"/v1/coverage/meters?months={look.scope.months}")


async def _meters_twice(look: Look) -> Found:
    _, meters, _ = await finding_queries.counts(look.session, look.scope.city_id)
    return finding_cases.meters_twice(meters, await finding_queries.meter_variants(look.session, look.scope.city_id))


async def _shared(look: Look) -> pl.DataFrame:
    scope = look.scope
    return await finding_queries.held_twice(look.session, scope.city_id, scope.first_day, scope.end_day)


async def _meters_shared(look: Look) -> Found:
    _, _, tenures = await finding_queries.counts(look.session, look.scope.city_id)
    return finding_cases.shared_meters(tenures, await _shared(look))


async def _households_twice(look: Look) -> Found:
    households, _, _ = await finding_queries.counts(look.session, look.scope.city_id)
    variants = await finding_queries.household_variants(look.session, look.scope.city_id)
    return finding_cases.households_twice(households, await _shared(look), variants)


async def _accounts_shared(look: Look) -> Found:
    if look.sealer is None:
        why = "Bank accounts are sealed: `carbon-bank audit findings`, on a machine that has the key, opens and compares them."
        return nothing(Code.ACCOUNT_SHARED, why)
    scope = look.scope
    sealed = await finding_queries.sealed_accounts(look.session, scope.city_id, scope.acts_from, scope.acts_to)
    return finding_cases.shared_accounts(fingerprints(look.sealer, sealed))


async def _points_without_readings(look: Look, settled: Settled) -> Found:
    seen = await _cover(look, settled)
    later = settled.as_of + timedelta(days=36_500)  # whatever was recorded since
    now = (await finding_award_queries.cover(look.session, settled, later)).select(
        "household_id", "commodity", now="readings"
    )
    return finding_cases.points_without_readings(settled.id, seen.join(now, on=["household_id", "commodity"]))


async def _points_on_estimates(look: Look, settled: Settled) -> Found:
    return finding_cases.points_on_estimates(settled.id, await _cover(look, settled))


async def _readings_without_award(look: Look, settled: Settled) -> Found:
    held = await finding_award_queries.held(look.session, look.scope.city_id, settled)
    rows = await finding_award_queries.without_award(look.session, settled, held)
    return finding_cases.readings_without_award(settled.id, held.height, rows)


async def _taken_after_payout(look: Look) -> Found:
    scope = look.scope
    ids = [settled.id for settled in scope.settlements]
    rows = await finding_queries.takings(look.session, scope.city_id, ids, scope.acts_from, scope.acts_to)
    return finding_cases.taken_after_payout(rows)


async def _outliers(look: Look, settled: Settled) -> Found:
    return outliers(settled.id, await finding_award_queries.measured(look.session, look.scope.city_id, settled))


async def _revised_after(look: Look, settled: Settled) -> Found:
    since = await finding_award_queries.restated_up_to(look.session, settled.id) or settled.as_of
    awards = await finding_award_queries.count_awards(look.session, settled.id)
    rows = await finding_award_queries.recorded_after(look.session, look.scope.city_id, settled, since)
    return finding_cases.revised_after(settled.id, awards, rows)


async def _odd_hours(look: Look) -> Found:
    scope = look.scope
    rows = await finding_queries.approvals(look.session, scope.city_id, APPROVALS, scope.acts_from, scope.acts_to)
    return finding_cases.odd_hours([finding_cases.Approval(*row) for row in rows], scope.time_zone)


async def _digits_first(look: Look) -> Found:
    return finding_digits.first_digits(await _histograms(look), look.scope.months)


async def _digits_last(look: Look) -> Found:
    return finding_digits.last_digits(await _histograms(look), look.scope.months)


OfSettlement = Callable[[Look, Settled], Awaitable[Found]]


def _each(code: Code, of_settlement: OfSettlement) -> Callable[[Look], Awaitable[Found]]:
    """A look at each settlement of the scope."""

    async def look_at_each(look: Look) -> Found:
        if not look.scope.settlements:
            return nothing(code, f"No settlement of {look.scope.months} is computed.")
        return added(code, [await of_settlement(look, settled) for settled in look.scope.settlements])

    return look_at_each


LOOKS: Mapping[Code, Callable[[Look], Awaitable[Found]]] = {
    Code.READING_COPIED: _copied,
    Code.METER_TWICE: _meters_twice,
    Code.METER_SHARED: _meters_shared,
    Code.HOUSEHOLD_TWICE: _households_twice,
    Code.ACCOUNT_SHARED: _accounts_shared,
    Code.POINTS_WITHOUT_READINGS: _each(Code.POINTS_WITHOUT_READINGS, _points_without_readings),
    Code.READINGS_WITHOUT_AWARD: _each(Code.READINGS_WITHOUT_AWARD, _readings_without_award),
    Code.POINTS_ON_ESTIMATES: _each(Code.POINTS_ON_ESTIMATES, _points_on_estimates),
    Code.POINTS_TAKEN_AFTER_PAYOUT: _taken_after_payout,
    Code.AWARD_OUTLIER: _each(Code.AWARD_OUTLIER, _outliers),
    Code.READINGS_REVISED_AFTER: _each(Code.READINGS_REVISED_AFTER, _revised_after),
    Code.ACT_ODD_HOURS: _odd_hours,
    Code.DIGITS_FIRST: _digits_first,
    Code.DIGITS_LAST: _digits_last,
}


def codes_of(names: Sequence[str] | None) -> tuple[Code, ...]:
    """Kinds by their codes; none named: all of them.

    Raises: InvalidInput `audit.kind` (422).
    """
    unknown = [name for name in names or () if name not in set(Code)]
    if unknown:
        raise InvalidInput("audit.kind", f"'{unknown[0][:80]}' is no kind of finding. There are {', '.join(Code)}.")
    return tuple(code for code in Code if not names or code in names)
