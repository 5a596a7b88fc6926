"""Kinds of findings that a query has all but found: which rows count, in which order, and where each is explained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from carbon_bank.audit.findings.kinds import (
    NIGHT_FROM_HOUR,
    NIGHT_TO_HOUR,
    SAME_METERS_MIN,
    WEEKEND_FROM_WEEKDAY,
    Case,
    Code,
    Found,
    explanation,
    found,
)


@dataclass(frozen=True)
class Approval:
    """An act of the trail by which somebody approved something."""

    act: str
    subject: str
    by: str
    at: datetime


def shared_meters(tenures: int, pairs: pl.DataFrame) -> Found:
    """Args: pairs: `meter_id, commodity, household_id, other_id, days` of meters held by two households for the same days."""
    rows = pairs.sort("days", "meter_id", "household_id", "other_id", descending=[True, False, False, False])
    return found(Code.METER_SHARED, tenures, rows, _shared_meter)


def _shared_meter(row: dict[str, Any]) -> Case:
    return Case(
        link=f"/v1/households/{row['household_id']}",
        households=(row["household_id"], row["other_id"]),
        commodity=row["commodity"],
        figures={"meter_id": row["meter_id"], "days": row["days"]},
    )


def meters_twice(meters: int, pairs: pl.DataFrame) -> Found:
    """Args: pairs: `meter_id, other_id, commodity` of meters with variants of one number."""
    rows = pairs.sort("meter_id", "other_id")
    return found(
        Code.METER_TWICE,
        meters,
        rows,
        lambda row: Case(
            link=f"/v1/households/{row['household_id']}" if row["household_id"] else "/v1/meters",
            households=(row["household_id"],) if row["household_id"] else (),
            commodity=row["commodity"],
            figures={"meter_id": row["meter_id"], "other_meter_id": row["other_id"]},
        ),
    )


def households_twice(households: int, shared: pl.DataFrame, variants: pl.DataFrame) -> Found:
    """Args: shared: as `shared_meters` takes it. variants: `household_id, other_id` whose numbers are variants of one."""
    by_meters = (
        shared.group_by("household_id", "other_id")
        .agg(meters=pl.col("meter_id").n_unique(), days=pl.col("days").max())
        .filter(pl.col("meters") >= SAME_METERS_MIN)
        .with_columns(by=pl.lit("meters"))
    )
    by_number = variants.with_columns(meters=pl.lit(0, pl.UInt32), days=pl.lit(0, pl.Int64), by=pl.lit("number"))
    rows = pl.concat([by_meters, by_number.select(by_meters.columns)], how="vertical_relaxed")
    rows = rows.sort("by", "meters", "household_id", "other_id", descending=[False, True, False, False])
    return found(
        Code.HOUSEHOLD_TWICE,
        households,
        rows,
        lambda row: Case(
            link=f"/v1/households/{row['household_id']}",
            households=(row["household_id"], row["other_id"]),
            figures={"by": row["by"], "meters": row["meters"], "days": row["days"]},
        ),
    )


def shared_accounts(accounts: Sequence[tuple[int, bytes]]) -> Found:
    """Args: accounts: household, and a fingerprint of an account to which it is or was paid."""
    of_account: dict[bytes, set[int]] = {}
    for household_id, fingerprint in accounts:
        of_account.setdefault(fingerprint, set()).add(household_id)
    groups = sorted(
        (sorted(each) for each in of_account.values() if len(each) > 1), key=lambda each: (-len(each), each)
    )
    rows = pl.DataFrame({"households": groups}, schema={"households": pl.List(pl.Int64)})
    return found(
        Code.ACCOUNT_SHARED,
        len(of_account),
        rows,
        lambda row: Case(
            link=f"/v1/households/{row['households'][0]}/postings",
            households=tuple(row["households"]),
            figures={"households": len(row["households"])},
        ),
    )


def points_without_readings(settlement_id: int, cover: pl.DataFrame) -> Found:
    """Args: cover: of each award with points `household_id, commodity, points, seen` and `now` (readings that stand, as the
    settlement saw them and at present)."""
    bare = cover.filter((pl.col("seen") == 0) | (pl.col("now") == 0))
    rows = bare.sort("points", "household_id", "commodity", descending=[True, False, False])
    return found(
        Code.POINTS_WITHOUT_READINGS,
        cover.height,
        rows,
        lambda row: _award(settlement_id, row, {"points": row["points"], "seen": row["seen"], "now": row["now"]}),
    )


def points_on_estimates(settlement_id: int, cover: pl.DataFrame) -> Found:
    """Args: cover: of each award with points `household_id, commodity, points, days_estimated, days_covered`."""
    rested = cover.filter(pl.col("days_estimated") > 0)
    # a/b > c/d, without dividing: by what is estimated of the days that are covered, in hundredths of a percent for the order
    rows = rested.with_columns(share=pl.col("days_estimated") * 10_000 // pl.col("days_covered")).sort(
        "share", "points", "household_id", "commodity", descending=[True, True, False, False]
    )
    return found(
        Code.POINTS_ON_ESTIMATES,
        cover.height,
        rows,
        lambda row: _award(
            settlement_id,
            row,
            {
                "points": row["points"],
                "days_estimated": row["days_estimated"],
                "days_covered": row["days_covered"],
            },
        ),
        numbers={"points": int(rows["points"].sum()), "points_of_all": int(cover["points"].sum())},
    )


def readings_without_award(settlement_id: int, held: int, rows: pl.DataFrame) -> Found:
    """Args: rows: `household_id, commodity, meter_id, readings` of held meters with readings and no award."""
    return found(
        Code.READINGS_WITHOUT_AWARD,
        held,
        rows.sort("household_id", "commodity", "meter_id"),
        lambda row: Case(
            link=f"/v1/households/{row['household_id']}",
            households=(row["household_id"],),
            settlement_id=settlement_id,
            commodity=row["commodity"],
            figures={"meter_id": row["meter_id"], "readings": row["readings"]},
        ),
    )


def taken_after_payout(rows: pl.DataFrame) -> Found:
    """Args: rows: `household_id, seq, kind, taken, spent, debt_after, forgiven` and `settlement_id, commodity` (0 and text where
    there is none) of postings that took points, `spent` being what the household had redeemed since it got them."""
    spent = rows.filter(pl.col("spent") > 0).sort("taken", "household_id", "seq", descending=[True, False, False])

    def case(row: dict[str, Any]) -> Case:
        names = ("seq", "kind", "taken", "spent", "debt_after", "forgiven")
        return Case(
            link=f"/v1/households/{row['household_id']}/postings",
            households=(row["household_id"],),
            settlement_id=row["settlement_id"] or None,
            commodity=row["commodity"] or None,
            figures={name: row[name] for name in names},
        )

    numbers = {name: int(spent[name].sum()) for name in ("taken", "forgiven")}
    return found(Code.POINTS_TAKEN_AFTER_PAYOUT, rows.height, spent, case, numbers=numbers)


def revised_after(settlement_id: int, awards: int, rows: pl.DataFrame) -> Found:
    """Args: rows: `household_id, commodity, points, readings, revised, more` (what the readings add to the usage, in base units)."""
    order = rows.with_columns(size=pl.col("more").abs()).sort(
        "size", "household_id", "commodity", descending=[True, False, False]
    )
    names = ("points", "readings", "revised", "more")
    return found(
        Code.READINGS_REVISED_AFTER,
        awards,
        order,
        lambda row: _award(settlement_id, row, {name: row[name] for name in names}),
        numbers={"awards_with_points": order.filter(pl.col("points") > 0).height},
    )


def odd_hours(approvals: Sequence[Approval], time_zone: str) -> Found:
    """Approvals at night or on a weekend, by the clock of the city."""
    when = [(each, each.at.astimezone(ZoneInfo(time_zone))) for each in approvals]
    odd = [(each, local, reason) for each, local in when if (reason := odd_hour(local)) is not None]
    rows = pl.DataFrame(
        [
            (each.act, each.subject, each.by, local.strftime("%Y-%m-%d %H:%M %A"), reason)
            for each, local, reason in sorted(odd, key=lambda row: (row[0].at, row[0].subject))
        ],
        schema=dict.fromkeys(("act", "subject", "by", "local", "when"), pl.String),
        orient="row",
    )
    return found(
        Code.ACT_ODD_HOURS,
        len(approvals),
        rows,
        lambda row: Case(link=f"/v1/audit/trail?subject={row['subject']}", figures=row),
    )


def odd_hour(local: datetime) -> str | None:
    """`night`, `weekend`, both, or null. Args: local: by the city's clock."""
    night = local.hour >= NIGHT_FROM_HOUR or local.hour < NIGHT_TO_HOUR
    weekend = local.isoweekday() >= WEEKEND_FROM_WEEKDAY
    words = [word for word, holds in (("night", night), ("weekend", weekend)) if holds]
    return ", ".join(words) or None


def _award(settlement_id: int, row: Mapping[str, Any], figures: Mapping[str, int | str]) -> Case:
    return Case(
        link=explanation(settlement_id, row["household_id"], row["commodity"]),
        households=(row["household_id"],),
        settlement_id=settlement_id,
        commodity=row["commodity"],
        figures=figures,
    )
