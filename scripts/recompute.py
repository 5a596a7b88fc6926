#!/usr/bin/env python
"""Every award once more, from the files an auditor holds: a second implementation of the rules, sharing no code with the bank.

    python scripts/recompute.py --policy POLICY.yaml --readings READINGS.csv --periods 2025-H1..2026-H1
        [--households FILE] [--tenures FILE] [--streaks FILE] [--awards FILE] [--out FILE]
    python scripts/recompute.py --package DIR [--out FILE]

Needs Python 3.11 and PyYAML, nothing of the bank. Writes what `carbon-bank simulate` writes, to the letter, or compares
with a file of awards (docs/recompute.md). --package names an unpacked export package in place of all files.
Exit code: 0 no difference, 1 a difference, 2 something that cannot be read.
Plain on purpose: one household after the other, days counted one by one, whole numbers and fractions throughout, so that
it can be read beside the rules and decision records 0002 and 0003. Their clauses, and where each is carried out:

    1  quantities and units             UNITS, Row.quantity
    2  readings to monthly usage        parts, Holding, usage_of_month
    3  settlement periods               Period, Recomputation.case
    4  baseline, newcomers, peers       Recomputation.baseline, compare
    5  reduction, tiers, maintenance    Recomputation.award, judge, combined, cap; standard use: compare
    6  findings; 7  emissions           FINDINGS (in their order), Recomputation.notice, judge
    8  the policy document              POLICY, read_policy
    9  files in and out                 read_rows and what follows it
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import re
import sys
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from fractions import Fraction
from functools import cache
from itertools import groupby, pairwise
from math import ceil, floor
from pathlib import Path
from typing import Any, NamedTuple

import yaml

Raw = dict[str, Any]
Id = int | str
Key = tuple[Id, str]  # a household, and a commodity or `combined`
Homes = dict[Id, tuple[str | None, int | None]]  # dwelling type and residents, None where unknown

ENERGY = {"Wh": Fraction(1), "kWh": Fraction(1000), "MWh": Fraction(10**6)}
ENERGY |= {"J": Fraction(1, 3600), "MJ": Fraction(10**6, 3600), "GJ": Fraction(10**9, 3600)}
VOLUME = {"L": Fraction(1), "dL": Fraction(1, 10), "m3": Fraction(1000), "ft3": Fraction("28.316846592")}
VOLUME |= {"ccf": Fraction("2831.6846592"), "gal": Fraction("3.785411784"), "gal_imp": Fraction("4.54609")}
UNITS = {"electricity": ENERGY, "gas": VOLUME, "water": VOLUME}
"""Base units (Wh, litres) in each unit that a commodity may come in."""
COMBINED = "combined"
BASE_UNITS_PER_UNIT = 1000
"""Factors, `points_per_unit` and `usage_per_day_below` are for a kWh or m3; of grams, for a kg."""
QUALITIES = ("actual", "estimated", "customer", "corrected")
FINDINGS = ("reduction.unusual", "usage.vacant", "usage.estimated", "usage.repeated", "usage.scaled", "baseline.spike",
            "baseline.peer", "meter.shared", "standard_use", "points.capped")  # fmt: skip
AWARD_COLUMNS = ("period", "household_id", "commodity", "outcome", "baseline", "usage", "reduction_percent", "points",
                 "avoided_g_co2e", "findings")  # fmt: skip
DIFFERENCE_COLUMNS = ("household_id", "commodity", "period", "column", "theirs", "ours")
QUANTITY_MAX, YEAR_MIN, YEAR_MAX = 10**12, 1970, 9998
PERIOD_LENGTHS = (1, 2, 3, 4, 6, 12)
OPEN = date(9999, 1, 1)  # the end of a tenure that has none


class UnreadableError(Exception):
    """A file or an argument that means nothing: what, where, and what to do."""


def half_up(value: Fraction) -> int:
    return floor(value + Fraction(1, 2))


def month(day: date) -> int:
    """A month is a number, so that months can be counted and subtracted."""
    return day.year * 12 + day.month - 1


def month_start(number: int) -> date:
    return date(number // 12, number % 12 + 1, 1)


@cache
def day_of(text: str) -> date | None:
    """Each day once, however many millions of readings name it."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if text == day.isoformat() and YEAR_MIN <= day.year <= YEAR_MAX else None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a meter took on the days from `start` up to, not including, `end`, in base units."""

    meter: Id
    start: date
    end: date
    quantity: int
    estimated: bool = False


@dataclass(frozen=True)
class Tenure:
    """A household holds a meter on the days from `start` up to, not including, `end`."""

    household: Id
    meter: Id
    commodity: str
    start: date
    end: date


def parts(reading: Reading, start: date, end: date) -> dict[tuple[int, bool], int]:
    """The reading by (month, inside [start, end)), each part whole, together the reading. Source: section 2, decision 0002.

    What the division leaves over goes, one unit each, to the largest remainders, the earlier piece first where equal.
    """
    firsts = (month_start(number) for number in range(month(reading.start) + 1, month(reading.end) + 1))
    inside = {day for day in (*firsts, start, end) if reading.start < day < reading.end}
    cuts = sorted(inside | {reading.start, reading.end})
    days_of_all = (reading.end - reading.start).days
    pieces = []  # (start day, whole part, remainder)
    for first, after in pairwise(cuts):
        pieces.append((first, *divmod(reading.quantity * (after - first).days, days_of_all)))
    left = reading.quantity - sum(whole for _, whole, _ in pieces)
    lucky = {first for first, _, _ in sorted(pieces, key=lambda piece: (-piece[2], piece[0]))[:left]}
    result: dict[tuple[int, bool], int] = defaultdict(int)
    for first, whole, _ in pieces:
        result[month(first), start <= first < end] += whole + (first in lucky)
    return result


class Holding:
    """A meter on the days on which a household holds it, and what its readings say of these days.

    whole: month -> base units; read, estimated: the days that have a reading, and one that is estimated.
    """

    def __init__(self, start: date, end: date, readings: Iterable[Reading]) -> None:
        self.days = range(start.toordinal(), end.toordinal())
        self.whole: dict[int, int] = defaultdict(int)
        self.read: set[int] = set()
        self.estimated: set[int] = set()
        for reading in readings:
            for (number, inside), quantity in parts(reading, start, end).items():
                self.whole[number] += quantity if inside else 0
            days = range(max(reading.start, start).toordinal(), min(reading.end, end).toordinal())
            self.read.update(days)
            self.estimated.update(days if reading.estimated else ())


class Month(NamedTuple):
    usage: int | None
    covered: int
    estimated: int
    days: int


def usage_of_month(holdings: list[Holding], number: int, coverage_min: Fraction) -> Month:
    """What a household used in a month: missing, not zero, where too few days are covered. Source: section 2."""
    days = range(month_start(number).toordinal(), month_start(number + 1).toordinal())
    held, unread, estimated = set(), set(), set()
    for holding in holdings:
        own = set(range(max(days.start, holding.days.start), min(days.stop, holding.days.stop)))
        held |= own
        unread |= own - holding.read
        estimated |= own & holding.estimated
    covered = held - unread
    usage, total = None, sum(holding.whole.get(number, 0) for holding in holdings)
    if covered and Fraction(len(covered), len(days)) >= coverage_min:
        usage = half_up(Fraction(total * len(days), len(covered)))
    return Month(usage, len(covered), len(estimated & covered), len(days))


class Period(NamedTuple):
    """`length` months from `first` on. Source: section 3."""

    first: int
    length: int

    def __str__(self) -> str:
        year, place = divmod(self.first, 12)
        if self.length == 12 and place == 0:
            return f"{year}"
        if self.length in (3, 6) and place % self.length == 0:
            return f"{year}-{'Q' if self.length == 3 else 'H'}{place // self.length + 1}"
        return f"{year}-{place + 1:02d}" + ("" if self.length == 1 else f"/{self.length}")


def read_period(text: str) -> Period:
    year = int(text[:4]) if re.fullmatch("[0-9]{4}(-.*)?", text) else 0
    for length in PERIOD_LENGTHS if YEAR_MIN <= year <= YEAR_MAX else ():
        for place in range(12):
            if text in (str(Period(year * 12 + place, length)), f"{year}-{place + 1:02d}/{length}"):
                return Period(year * 12 + place, length)
    raise UnreadableError(f"--periods: '{text}' is no period. Write 2026-H1, 2026-Q3, 2026-05, 2026 or 2026-03/6.")


POLICY = yaml.safe_load("""
{policy: ignored, version: ignored, title: ignored, source: ignored, notes: ignored, points: ignored, effective_from: ignored,
 period_months: whole, anchor_month: whole, commodities: {any: {factor: rational, source: ignored}},
 usage: {min_month_coverage: rational = 1},
 baseline: {method: same_months_mean, lookback_years: whole = 2, min_years: whole = 1, min_months: whole = none,
            history: tenure or dwelling = tenure, newcomer: wait or peer_mean = wait, peer_min: whole = 30},
 reduction: {basis: per_commodity or combined_co2e, counted_max: rational = none, required: [text], min_commodities: whole = 1,
             tiers: {any: [{from: rational = none, above: rational = none,
                            points: whole = none, points_per_unit: rational = none}]}},
 maintenance: {after: whole, points: {any: whole}}, standard_use: {share: rational, points: {any: whole}},
 household_points_max: whole = none,
 review: {reduction_above: rational = 1/2, estimated_share_above: rational = 1/2, usage_per_day_below: {any: rational},
          hold: ignored}}
""")
"""What a policy may hold, and, after `=`, what it means to leave it out. Source: section 8."""
EITHER_OR = (("from", "above"), ("points", "points_per_unit"))
NOT_PAID = {"maintenance": {"after": 1, "points": {}}, "standard_use": {"share": 1, "points": {}}}


def read_policy(document: object) -> Raw:
    """A policy as YAML reads it, with all that it leaves out filled in. Source: section 8, decision 0003 (null, `combined`)."""
    given = {key: value for key, value in document.items() if value is not None} if isinstance(document, dict) else {}
    change = given.get("reduction")
    if isinstance(change, dict) and isinstance(change.get("tiers"), list):  # without the key `combined` above them
        given["reduction"] = change | {"tiers": {COMBINED: change["tiers"]}}
    policy: Raw = read_part("policy", NOT_PAID | given, POLICY)
    months, tiers = policy["period_months"], policy["reduction"]["tiers"]
    if months not in PERIOD_LENGTHS:
        raise UnreadableError(f"policy.period_months is {months} and must be 1, 2, 3, 4, 6 or 12.")
    policy["baseline"]["min_months"] = policy["baseline"]["min_months"] or ceil(Fraction(2 * months, 3))
    paid = [COMBINED] if policy["reduction"]["basis"] == "combined_co2e" else sorted(policy["commodities"])
    choices = [(tier, *one_of) for ladder in tiers.values() for tier in ladder for one_of in EITHER_OR]
    if sorted(tiers) != paid or any((tier[one] is None) == (tier[other] is None) for tier, one, other in choices):
        needed = "each tier with from or above and with points or points_per_unit"
        raise UnreadableError(f"policy.reduction.tiers must be of {', '.join(paid)}, {needed}.")
    return policy


def read_part(where: str, value: Any, shape: Any) -> Any:
    """A part of the policy, which must be of that shape: rationals become fractions, no key may be unknown."""
    if isinstance(shape, list) and isinstance(value, list | None):
        return [read_part(f"{where}[{number}]", each, shape[0]) for number, each in enumerate(value or [])]
    if isinstance(shape, dict) and isinstance(value, dict | None):
        known, given = dict.fromkeys(value or {}, shape["any"]) if "any" in shape else shape, value or {}
        unknown = [str(key) for key in given if key not in known]
        if unknown:
            raise UnreadableError(f"{where}: {', '.join(unknown)} is not known here. Known are {', '.join(known)}.")
        return {key: read_part(f"{where}.{key}", given.get(key), known[key]) for key in known}
    kind, _, default = shape.partition(" = ") if isinstance(shape, str) else ("list or mapping", "", "")
    if kind == "ignored" or (value is None and default == "none"):
        return None
    text = default if value is None else str(value) if type(value) in (int, str) else ""
    if kind == "whole" and re.fullmatch("[0-9]+", text) and type(value) is not str:
        return int(text)
    if kind == "rational" and re.fullmatch(r"[0-9]+(\.[0-9]+|/0*[1-9][0-9]*)?", text):
        return Fraction(text)
    if text and (kind == "text" or text in kind.split(" or ")):
        return text
    raise UnreadableError(f'{where} is {value!r} and must be: {kind}. A rational is in quotes, as in "0.05" or "1/3".')


@dataclass
class Case:
    """What is known of one household and commodity in one period; `since`: where its tenure begins (decision 0002)."""

    usage: Fraction | None
    baseline: Fraction | None
    since: date
    codes: list[str] = field(default_factory=list)
    standard: bool = False
    newcomer: bool = False


@dataclass
class Award:
    """`streak`: the run of reductions after this period, for maintenance; `reduction_bp`: hundredths of a percent."""

    outcome: str
    baseline: Fraction | None
    usage: int | None
    points: int
    avoided: int | None
    tier: int | None
    streak: int
    codes: list[str]
    reduction_bp: int | None = None


class Recomputation:
    """Settles one period after the other: what maintenance needs to know of a period is kept for the next."""

    def __init__(self, policy: Raw, readings: Iterable[Reading], tenures: Iterable[Tenure], homes: Homes) -> None:
        self.points_max, self.length = policy["household_points_max"], policy["period_months"]
        self.rule, self.reduction, self.review = policy["baseline"], policy["reduction"], policy["review"]
        self.maintenance, self.standard_use = policy["maintenance"], policy["standard_use"]
        self.coverage_min: Fraction = policy["usage"]["min_month_coverage"]
        self.factors: dict[str, Fraction] = {name: each["factor"] for name, each in policy["commodities"].items()}
        self.groups = {each: (kind, min(people, 4)) for each, (kind, people) in homes.items() if kind and people}
        self.readings: dict[Id, list[Reading]] = defaultdict(list)
        for reading in readings:
            self.readings[reading.meter].append(reading)
        self.tenures: dict[Key, list[Tenure]] = defaultdict(list)
        self.claims: dict[Id, list[Tenure]] = defaultdict(list)
        for tenure in tenures:
            self.claims[tenure.meter].append(tenure)
            if tenure.commodity in self.factors:
                self.tenures[tenure.household, tenure.commodity].append(tenure)
        self.streaks: dict[Key, int] = {}  # of the period before the first one: none, where they are not put here

    def settle(self, first: int) -> dict[Key, Award]:
        """The awards of the period that starts in a month, of all who have a tenure in it (decision 0002)."""
        self.months = range(first, first + self.length)
        self.begin, self.end = month_start(first), month_start(self.months.stop)
        self.window_begin = month_start(first - 12 * self.rule["lookback_years"])
        cases = {}
        for key, tenures in sorted(self.tenures.items()):
            mine = [tenure for tenure in tenures if tenure.start < self.end and tenure.end > self.begin]
            if mine:
                cases[key] = self.case(key[1], mine)
        self.compare(cases)
        if self.reduction["basis"] == "combined_co2e":
            cases = self.combined(cases)
        awards = {key: self.award(key, case) for key, case in cases.items()}
        self.cap(awards)
        for award in awards.values():
            award.codes = [code for code in FINDINGS if code in award.codes]
        self.streaks = {key: award.streak for key, award in awards.items()}
        return awards

    def holding(self, meter: Id, start: date, end: date) -> Holding:
        """Of the readings of the meter, those that reach into the period or the years it is compared with."""
        near = (each for each in self.readings[meter] if each.end > self.window_begin and each.start < self.end)
        return Holding(start, end, near)

    def case(self, commodity: str, mine: list[Tenure]) -> Case:
        """Usage of the period, baseline and what is odd about them. Source: sections 2 to 4, 6; decision 0002."""
        if self.rule["history"] == "dwelling":
            now = [self.holding(t.meter, date.min if t.start <= self.begin else t.start, t.end) for t in mine]
            before = [self.holding(meter, date.min, self.begin) for meter in sorted({t.meter for t in mine})]
        else:
            now = before = [self.holding(t.meter, t.start, t.end) for t in mine]
        months = [usage_of_month(now, number, self.coverage_min) for number in self.months]
        usages = [found.usage for found in months if found.usage is not None]
        usage = Fraction(sum(usages)) if len(usages) == len(months) else None
        case = Case(usage, None, since=max(t.start for t in mine))
        spike = self.baseline(case, before)
        if usage is not None:
            self.notice(case, commodity, mine, months, spike)
        return case

    def baseline(self, case: Case, holdings: list[Holding]) -> bool:
        """Sets baseline and newcomer; says whether a month of the baseline is a spike. Source: sections 4 and 6."""
        means, used, possible = [], [], 0
        for number in self.months:
            years = [number - 12 * back for back in range(1, self.rule["lookback_years"] + 1)]
            inside = [year for year in years if case.since <= month_start(year)]
            counted = years if self.rule["history"] == "dwelling" else inside
            months = [usage_of_month(holdings, year, self.coverage_min) for year in counted]
            found = [each.usage for each in months if each.usage is not None]
            if len(found) >= self.rule["min_years"]:
                means.append(Fraction(sum(found), len(found)))
                used += found
            possible += len(inside) >= self.rule["min_years"]
        if len(means) < self.rule["min_months"]:
            case.newcomer = possible < self.rule["min_months"]
            return False
        baseline = sum(means, Fraction(0)) * len(self.months) / len(means)
        if baseline == 0:
            return False
        case.baseline = baseline
        ordered = sorted(used)
        median = Fraction(ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2], 2)
        return ordered[-1] > 3 * median

    def notice(self, case: Case, commodity: str, mine: list[Tenure], months: list[Month], spike: bool) -> None:
        """What is odd about a usage. Source: section 6, decision 0003."""
        assert case.usage is not None
        least = self.review["usage_per_day_below"].get(commodity)
        if least is not None and case.usage / (self.end - self.begin).days < least * BASE_UNITS_PER_UNIT:
            case.codes.append("usage.vacant")
        estimated_share = Fraction(sum(found.estimated for found in months), sum(found.covered for found in months))
        if estimated_share > self.review["estimated_share_above"]:
            case.codes.append("usage.estimated")
        if len(months) > 1 and len({found.usage for found in months}) == 1:
            case.codes.append("usage.repeated")
        if any(found.covered < found.days for found in months):
            case.codes.append("usage.scaled")
        if spike:
            case.codes.append("baseline.spike")
        for own in mine:
            for other in self.claims[own.meter]:
                is_together = max(own.start, other.start, self.begin) < min(own.end, other.end, self.end)
                if other.household != own.household and is_together:
                    case.codes.append("meter.shared")

    def compare(self, cases: dict[Key, Case]) -> None:
        """Newcomers against their peers, everyone against the mean. Source: sections 4 (peers) and 5 (standard use)."""
        used: dict[tuple[str, object], list[Fraction]] = defaultdict(list)
        for (household, commodity), case in cases.items():
            if case.usage is not None:
                used[commodity, "everyone"].append(case.usage)
                used[commodity, self.groups.get(household)].append(case.usage)
        mean = {group: sum(usages, Fraction(0)) / len(usages) for group, usages in used.items()}
        for (household, commodity), case in cases.items():
            if commodity in self.standard_use["points"] and case.usage is not None:
                case.standard = case.usage <= self.standard_use["share"] * mean[commodity, "everyone"]
            group = commodity, self.groups.get(household)
            enough = group[1] is not None and len(used.get(group, ())) >= self.rule["peer_min"]
            if self.rule["newcomer"] == "peer_mean" and case.newcomer and enough and mean[group] > 0:
                case.baseline = mean[group]
                if case.usage is not None:
                    case.codes.append("baseline.peer")

    def combined(self, cases: dict[Key, Case]) -> dict[Key, Case]:
        """The emissions of a household's commodities, added, in grams: a kg for a kWh is a gram for a Wh. Source: section 5."""
        homes = {}
        for household, mine in groupby(cases.items(), key=lambda item: item[0][0]):
            sums, added = Case(None, None, date.min), set()
            usage = baseline = Fraction(0)
            for (_, commodity), case in mine:
                if case.usage is not None and case.baseline is not None:
                    added.add(commodity)
                    sums.since = max(sums.since, case.since)
                    sums.codes += case.codes
                    usage += case.usage * self.factors[commodity]
                    baseline += case.baseline * self.factors[commodity]
            enough = len(added) >= self.reduction["min_commodities"] and added.issuperset(self.reduction["required"])
            if enough and baseline > 0:
                sums.usage, sums.baseline = usage, baseline
            homes[household, COMBINED] = sums
        return homes

    def award(self, key: Key, case: Case) -> Award:
        """Source: section 5; decision 0003 for the run of reductions, standard use and `combined`."""
        streak = 0 if case.since > month_start(self.months[0] - len(self.months)) else self.streaks.get(key, 0)
        award = Award("not_evaluable", case.baseline, None, 0, None, None, 0, list(case.codes))
        if case.usage is not None:
            award.usage = half_up(case.usage)
        elif key[1] != COMBINED:
            award.outcome = "incomplete"
        if case.usage is not None and case.baseline is not None:
            self.judge(award, key[1], case.usage, case.baseline, streak)
        if case.standard:
            award.points += self.standard_use["points"][key[1]]
            award.codes.append("standard_use")
        return award

    def judge(self, award: Award, commodity: str, usage: Fraction, baseline: Fraction, streak: int) -> None:
        """Rate, tier, maintenance, emissions. Source: sections 5 to 7."""
        reduction = baseline - usage
        rate = reduction / baseline
        award.reduction_bp = floor(rate * 10_000)
        most = self.reduction["counted_max"]
        counted = reduction if most is None else min(reduction, most * baseline)
        for number, tier in enumerate(self.reduction["tiers"][commodity], start=1):
            if rate > tier["above"] if tier["from"] is None else rate >= tier["from"]:
                award.tier, award.outcome, award.streak = number, "reduction", streak + 1
                per_unit = tier["points_per_unit"]
                award.points = tier["points"] if per_unit is None else floor(per_unit * counted / BASE_UNITS_PER_UNIT)
        if award.tier is None:
            award.outcome = "below_threshold" if rate > 0 else "no_reduction"
            if rate > 0 and streak >= self.maintenance["after"] and commodity in self.maintenance["points"]:
                points = self.maintenance["points"][commodity]
                award.outcome, award.points, award.streak = "maintenance", points, streak
        award.avoided = half_up(reduction * self.factors.get(commodity, Fraction(1)))  # combined: grams already
        if rate > self.review["reduction_above"]:
            award.codes.append("reduction.unusual")

    def cap(self, awards: dict[Key, Award]) -> None:
        """`household_points_max`: the last commodity of the alphabet is cut first. Source: section 5, decision 0003."""
        if self.points_max is None:
            return
        given: dict[Id, int] = defaultdict(int)
        for household, commodity in sorted(awards):
            award = awards[household, commodity]
            allowed = min(award.points, self.points_max - given[household])
            if allowed < award.points:
                award.codes.append("points.capped")
            award.points = allowed
            given[household] += allowed


class Row(NamedTuple):
    """A line of a CSV file; asking for a value that is not as it must be tells where it stands and what to do."""

    path: Path
    line: int
    values: dict[str, str]

    def fail(self, column: str, what: str) -> UnreadableError:
        value = self.values[column][:80]
        return UnreadableError(f"{self.path} line {self.line}, column {column} '{value}': {what}")

    def text(self, column: str, allowed: Iterable[str] = ()) -> str:
        if not self.values[column] or (allowed and self.values[column] not in allowed):
            raise self.fail(column, f"Write one of {', '.join(allowed)}." if allowed else "It is missing. Fill it in.")
        return self.values[column]

    def day(self, column: str) -> date:
        day = day_of(self.text(column))
        if day is None:
            raise self.fail(column, f"No day of {YEAR_MIN} to {YEAR_MAX}. Write it as 2026-03-01.")
        return day

    def span(self, start: str, end: str) -> tuple[date, date]:
        begin = self.day(start)
        after = OPEN if end == "ends_on" and not self.values[end] else self.day(end)
        if after <= begin:
            raise self.fail(end, f"It is not after {start}; the end day does not count. Mend one of them.")
        return begin, after

    def meter(self, commodities: dict[Id, str]) -> tuple[str, str]:
        meter, commodity = sys.intern(self.text("meter_id")), self.text("commodity", UNITS)
        if commodities.setdefault(meter, commodity) != commodity:
            raise self.fail("commodity", f"This meter has {commodities[meter]} elsewhere. A meter has one. Mend one.")
        return meter, commodity

    def number(self, column: str) -> int:
        """A whole number of 0 or more; 0 where it is left out."""
        if not re.fullmatch("([0-9]{1,9})?", self.values[column]):
            raise self.fail(column, "No whole number. Write it in digits.")
        return int(self.values[column] or 0)

    def fraction(self, column: str) -> str:
        """What stands in two columns, as one number."""
        num, den = self.values[f"{column}_num"], self.values[f"{column}_den"]
        if not re.fullmatch("([0-9]+/0*[1-9][0-9]*|/)", f"{num}/{den}"):
            raise self.fail(
                f"{column}_den", f"{num}/{den} is no fraction. Write whole numbers, or nothing in both columns."
            )
        return str(Fraction(f"{num}/{den}")) if num else ""

    def quantity(self, commodity: str) -> int:
        text, factor = self.text("quantity"), UNITS[commodity][self.text("unit", UNITS[commodity])]
        if not re.fullmatch(r"\+?([0-9]+\.?[0-9]*|\.[0-9]+)", text):
            raise self.fail("quantity", "No plain decimal number of 0 or more. Write it as 12.345.")
        base = half_up(Fraction(text) * factor)  # section 1
        if base > QUANTITY_MAX:
            raise self.fail("quantity", f"Above {QUANTITY_MAX} Wh or litres, the most that a reading may be. Mend it.")
        return base


def read_rows(path: Path, needed: tuple[str, ...], optional: tuple[str, ...] = ()) -> Iterator[Row]:
    """The rows of a CSV file, plain or gzip; values without the space around them."""
    line = 1
    try:
        with path.open("rb") as file:
            packed = file.peek(2)[:2] == b"\x1f\x8b"
            text = io.TextIOWrapper(gzip.GzipFile(fileobj=file) if packed else file, "utf-8-sig", newline="")
            reader = csv.reader(text, strict=True)
            header = [name.strip() for name in next(reader, [])]
            if not set(needed) <= set(header) or len(set(header)) < len(header):
                raise UnreadableError(f"{path} line 1: the columns must be {', '.join(needed + optional)}, each once.")
            line = reader.line_num + 1
            for values in reader:
                if values and len(values) != len(header):
                    wrong = f"{path} line {line}: {len(values)} values for {len(header)} columns. Mend it."
                    raise UnreadableError(wrong)
                if values:
                    texts = dict(zip(header, map(str.strip, values), strict=True))
                    yield Row(path, line, dict.fromkeys(optional, "") | texts)
                line = reader.line_num + 1
    except (OSError, EOFError, ValueError, csv.Error, zlib.error) as error:
        raise UnreadableError(f"{path} line {line}: {error}. It must be a CSV file in UTF-8, plain or gzip.") from None


def refuse_overlaps(path: Path, spans: Iterable[tuple[Id, Id, date, date, int]]) -> None:
    """Lines of one household and meter, or of a meter, for one day: nothing in a file says which is right."""
    for (*one, _, end, line), (*other, start, _, later) in pairwise(sorted(spans)):
        if one == other and start < end:
            what = f"It covers a day that line {line} covers too, {start}. Leave out one of them."
            raise UnreadableError(f"{path} line {later}: {what}")


def read_readings(path: Path, has_households: bool) -> tuple[list[Reading], list[Tenure], dict[Id, str]]:
    """The readings, each once; a tenure from the first to the last of a household and meter; the commodity of each meter.

    Where the file has revisions, the highest one of a meter and period counts, and one without a quantity takes it back.
    """
    columns = ("meter_id", "commodity", "period_start", "period_end", "quantity", "unit", "quality")
    found: dict[tuple[Any, ...], tuple[int, Reading | None, int]] = {}
    tenures: dict[tuple[Id, Id], Tenure] = {}
    commodities: dict[Id, str] = {}
    for row in read_rows(path, ("household_id", *columns) if has_households else columns, ("revision",)):
        meter, commodity = row.meter(commodities)
        start, end = row.span("period_start", "period_end")
        quality, revision = row.text("quality", QUALITIES), row.number("revision")
        is_back = revision > 0 and not row.values["quantity"]
        reading = None if is_back else Reading(meter, start, end, row.quantity(commodity), quality == "estimated")
        key = (meter, start, end) if revision else (reading, quality)
        known, other, *_ = found.get(key, (-1, None))
        if known == revision and other != reading:
            raise row.fail("revision", "An earlier line says something else of this revision. Leave out one of them.")
        if known < revision:
            found[key] = revision, reading, row.line
        if has_households:
            household = row.text("household_id")
            known = tenures.get((household, meter), Tenure(household, meter, commodity, start, end))
            tenures[household, meter] = replace(known, start=min(start, known.start), end=max(end, known.end))
    standing = [(reading, line) for _, reading, line in found.values() if reading is not None]
    refuse_overlaps(path, (("", each.meter, each.start, each.end, line) for each, line in standing))
    return [reading for reading, _ in standing], list(tenures.values()), commodities


def read_tenures(path: Path, commodities: dict[Id, str]) -> list[Tenure]:
    found = []
    for row in read_rows(path, ("household_id", "meter_id", "commodity", "starts_on", "ends_on")):
        mine = row.text("household_id"), *row.meter(commodities), *row.span("starts_on", "ends_on")
        found.append((Tenure(*mine), row.line))
    refuse_overlaps(path, ((each.household, each.meter, each.start, each.end, line) for each, line in found))
    return [tenure for tenure, _ in found]


def read_households(path: Path) -> tuple[Homes, dict[Id, date]]:
    homes: Homes = {}
    moved: dict[Id, date] = {}
    for row in read_rows(path, ("household_id",), ("dwelling_type", "residents", "moved_in")):
        household, residents = row.text("household_id"), row.values["residents"]
        if household in homes:
            raise row.fail("household_id", "An earlier line has this household too. Leave out one of them.")
        if not re.fullmatch("([1-9][0-9]{0,2})?", residents):
            raise row.fail("residents", "No whole number from 1 to 999. Leave it empty where it is unknown.")
        homes[household] = row.values["dwelling_type"] or None, int(residents) if residents else None
        if row.values["moved_in"]:
            moved[household] = row.day("moved_in")
    return homes, moved


def read_streaks(path: Path) -> dict[Key, int]:
    """The runs of reductions that the period before left."""
    rows = read_rows(path, ("household_id", "commodity", "streak"))
    return {(row.text("household_id"), row.text("commodity", (*UNITS, COMBINED))): row.number("streak") for row in rows}


def periods_to_settle(policy: Raw, asked: str | None, readings: list[Reading]) -> list[Period]:
    """The periods asked for, or all that the readings reach into."""
    length, offset = policy["period_months"], policy["anchor_month"] - 1
    if asked is not None:
        first, _, last = asked.partition("..")
        ends = [read_period(first), read_period(last or first)]
    else:
        numbers = sorted(month(day) for each in readings for day in (each.start, each.end - timedelta(days=1)))
        ends = [Period(number - (number - offset) % length, length) for number in numbers[:1] + numbers[-1:]]
    if any(each.length != length or (each.first - offset) % length for each in ends) or ends != sorted(ends):
        rule = f"the policy settles {length} months at a time, one period starting in month {offset + 1}"
        raise UnreadableError(f"--periods: {rule}; '{asked}' is no such period, or no such range in order.")
    return [Period(start, length) for start in range(ends[0].first, ends[1].first + 1, length)] if ends else []


def settle_all(
    recomputation: Recomputation, periods: list[Period], with_absent: bool, form: Form
) -> list[tuple[str, ...]]:
    """The awards as text, in the order of section 9; with_absent: those too who are gone in a period."""
    is_combined, rows = recomputation.reduction["basis"] == "combined_co2e", []
    known = {(household, COMBINED if is_combined else commodity) for household, commodity in recomputation.tenures}
    absent = Award("not_evaluable" if is_combined else "incomplete", None, None, 0, None, None, 0, [])
    for period in periods:
        awards = recomputation.settle(period.first)
        for key in sorted(known if with_absent else awards):
            values = (period, *key, *form.told(awards.get(key, absent)))
            rows.append(tuple("" if value is None else str(value) for value in values))
    return rows


class Form(NamedTuple):
    """How awards are told: the columns, what an award has in them, and the columns of the file to compare with."""

    columns: tuple[str, ...]
    told: Callable[[Award], tuple[Any, ...]]
    in_file: tuple[str, ...]


def simulated(award: Award) -> tuple[Any, ...]:
    bp, baseline = award.reduction_bp, award.baseline
    percent = None if bp is None else f"{'-' if bp < 0 else ''}{abs(bp) // 100}.{abs(bp) % 100:02d}"
    rounded = None if baseline is None else half_up(baseline)
    return award.outcome, rounded, award.usage, percent, award.points, award.avoided, ";".join(award.codes)


def exported(award: Award) -> tuple[Any, ...]:
    exact = award.outcome, award.usage, award.baseline, award.tier, award.streak
    return *exact, award.points, award.avoided, ";".join(award.codes)


SIMULATED = Form(AWARD_COLUMNS, simulated, AWARD_COLUMNS)  # section 9
_KEY = ("period", "household_id", "commodity")
EXPORTED = Form(
    (*_KEY, "outcome", "usage", "baseline", "tier", "streak", "points", "avoided_g", "findings"),
    exported,  # the baseline as a fraction, which the file has in two columns
    (*_KEY, "outcome", "usage", "baseline_num", "baseline_den", "tier", "streak", "points", "avoided_g", "findings"),
)


def csv_text(rows: Iterable[Iterable[str]]) -> bytes:
    def quoted(value: str) -> str:
        return '"' + value.replace('"', '""') + '"' if any(sign in value for sign in ',"\r\n') else value

    return "".join(",".join(map(quoted, row)) + "\n" for row in rows).encode()


def differences(
    path: Path, form: Form, ours: list[tuple[str, ...]], periods: list[Period]
) -> tuple[list[tuple[str, ...]], int]:
    """(household, commodity, period, column, theirs, ours) for each that differs; and how many rows of other periods."""
    theirs: dict[tuple[str, ...], tuple[str, ...]] = {}
    for row in read_rows(path, form.in_file):
        values = tuple(row.values[column] if column in row.values else row.fraction(column) for column in form.columns)
        if theirs.setdefault(values[:3], values) is not values:
            raise row.fail("household_id", "An earlier line has this household, commodity and period too. Mend one.")
    expected, asked = {row[:3]: row for row in ours}, {str(period) for period in periods}
    found: list[tuple[str, ...]] = []
    for period, *of_whom in sorted(expected.keys() | {key for key in theirs if key[0] in asked}):
        one, two = (each.get((period, *of_whom)) for each in (theirs, expected))
        if one and two:
            pairs = zip(form.columns, one, two, strict=True)
            found += [(*of_whom, period, *pair) for pair in pairs if pair[1] != pair[2]]
        else:
            found.append((*of_whom, period, "row", "there" if one else "missing", "there" if two else "missing"))
    return found, len([key for key in theirs if key[0] not in asked])


def of_package(folder: Path, out: Path | None) -> argparse.Namespace:
    """The files of an unpacked export package, and its settlement's period. Source: its dictionary.md."""
    try:
        period = json.loads((folder / "settlement.json").read_text("utf-8"))["settlement"]["period"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnreadableError(f"{folder}: {error}. It must be the folder of an unpacked export package.") from None
    tables = {name: folder / f"{name}.csv" for name in ("readings", "households", "tenures", "streaks", "awards")}
    return argparse.Namespace(**tables, policy=folder / "policy.yaml", periods=period, out=out)


def run(files: argparse.Namespace, form: Form) -> int:
    try:
        policy = read_policy(yaml.safe_load(files.policy.read_text("utf-8")))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UnreadableError(f"{files.policy}: {error}. It must be a policy in YAML.") from None
    readings, tenures, commodities = read_readings(files.readings, has_households=files.tenures is None)
    homes, moved = read_households(files.households) if files.households else ({}, {})
    if files.tenures is not None:
        tenures = read_tenures(files.tenures, commodities)
    else:  # from the first reading, or the day they moved in, to the last
        tenures = [replace(each, start=moved.get(each.household, each.start)) for each in tenures]
    recomputation = Recomputation(policy, readings, [each for each in tenures if each.start < each.end], homes)
    periods = periods_to_settle(policy, files.periods, readings)
    recomputation.streaks = read_streaks(files.streaks) if files.streaks else {}
    rows = settle_all(recomputation, periods, files.tenures is None, form)
    if files.out is not None:
        files.out.write_bytes(csv_text([form.columns, *rows]))
    elif files.awards is None:
        sys.stdout.buffer.write(csv_text([form.columns, *rows]))
    points = sum(int(row[form.columns.index("points")]) for row in rows)
    sys.stderr.write(f"{len(rows)} awards of {len(periods)} periods, {points} points\n")
    if files.awards is None:
        return 0
    differing, elsewhere = differences(files.awards, form, rows, periods)
    if differing:
        sys.stdout.buffer.write(csv_text([DIFFERENCE_COLUMNS, *differing]))
    sys.stderr.write(f"{len(differing)} differences; {elsewhere} rows of periods that were not asked for\n")
    return 1 if differing else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--package", type=Path, help="an unpacked export package, in place of all other files")
    parser.add_argument("--policy", type=Path, help="the policy document, YAML")
    parser.add_argument("--readings", type=Path, help="CSV, as for carbon-bank simulate")
    parser.add_argument("--households", type=Path, help="CSV: household_id, dwelling_type, residents, moved_in")
    parser.add_argument("--tenures", type=Path, help="CSV: household_id, meter_id, commodity, starts_on, ends_on")
    parser.add_argument(
        "--streaks", type=Path, help="CSV: household_id, commodity, streak of the period before the first"
    )
    parser.add_argument("--periods", help="one, or a range as in 2025-H1..2026-H1; left out: all that readings reach")
    parser.add_argument("--awards", type=Path, help="CSV of awards to compare with")
    parser.add_argument("--out", type=Path, help="where to write; left out: standard output")
    given = parser.parse_args()
    if (given.package is None) == (given.policy is None or given.readings is None):
        parser.error("name --package DIR, or --policy and --readings")
    try:
        if given.package is not None:
            return run(of_package(given.package, given.out), EXPORTED)
        return run(given, SIMULATED)
    except (UnreadableError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
