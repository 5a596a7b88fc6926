"""The rules of the bank once more, in plain Python: slow, day by day, with fractions, from rules.md alone.

Nothing here imports the programme or the readings room, so a misreading there cannot hide here. Where rules.md leaves
something open, decision records 0002 and 0003 say how it is read, and this follows them.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from math import ceil, floor
from typing import Any

Raw = dict[str, Any]
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Reading:
    meter: int
    start: date
    end: date
    quantity: int
    estimated: bool = False


@dataclass(frozen=True)
class Tenure:
    household: int
    meter: int
    commodity: str
    start: date
    end: date


@dataclass
class Case:
    """What is known of one household and commodity in one period."""

    usage: Fraction | None
    baseline: Fraction | None
    since: date
    codes: list[str]
    standard: bool = False
    newcomer: bool = False


@dataclass
class Award:
    outcome: str
    baseline: Fraction | None
    usage: int | None
    points: int
    avoided: int | None
    tier: int | None
    streak: int
    codes: list[str]


def month(day: date) -> int:
    return day.year * 12 + day.month - 1


def month_start(number: int) -> date:
    return date(number // 12, number % 12 + 1, 1)


def days(start: date, end: date) -> list[date]:
    return [start + ONE_DAY * step for step in range((end - start).days)]


def half_up(value: Fraction) -> int:
    return floor(value + Fraction(1, 2))


def parts(reading: Reading, start: date, end: date) -> dict[tuple[int, bool], int]:
    """The reading by (month, inside [start, end)), each part whole, together the reading."""
    counts: dict[tuple[int, int], int] = defaultdict(int)
    for day in days(reading.start, reading.end):
        counts[month(day), 0 if day < start else 1 if day < end else 2] += 1
    keys = sorted(counts)
    total = (reading.end - reading.start).days
    shares = {key: Fraction(reading.quantity * counts[key], total) for key in keys}
    whole = {key: floor(shares[key]) for key in keys}
    left = reading.quantity - sum(whole.values())
    for key in sorted(keys, key=lambda key: (-(shares[key] - whole[key]), key))[:left]:
        whole[key] += 1
    result: dict[tuple[int, bool], int] = defaultdict(int)
    for (number, place), quantity in whole.items():
        result[number, place == 1] += quantity
    return result


@dataclass
class Month:
    usage: int | None
    covered: int
    estimated: int
    days: int


def usage_of_month(
    holdings: list[tuple[int, date, date]], readings: list[Reading], number: int, least: Fraction
) -> Month:
    total = covered = estimated = 0
    for meter, start, end in holdings:
        for reading in readings:
            if reading.meter == meter and month(reading.start) <= number <= month(reading.end - ONE_DAY):
                total += parts(reading, start, end).get((number, True), 0)
    all_days = days(month_start(number), month_start(number + 1))
    for day in all_days:
        held = {meter for meter, start, end in holdings if start <= day < end}
        over = [r for r in readings if r.meter in held and r.start <= day < r.end]
        if held and {reading.meter for reading in over} == held:
            covered += 1
            estimated += any(reading.estimated for reading in over)
    complete = covered > 0 and Fraction(covered, len(all_days)) >= least
    usage = half_up(Fraction(total * len(all_days), covered)) if complete else None
    return Month(usage, covered, estimated, len(all_days))


class Oracle:
    """Settles periods in order. `policy` is the document as YAML reads it."""

    def __init__(
        self,
        policy: Raw,
        readings: list[Reading],
        tenures: list[Tenure],
        homes: dict[int, tuple[str | None, int | None]],
    ) -> None:
        self.policy, self.readings, self.tenures, self.homes = policy, readings, tenures, homes
        self.rule = {"lookback_years": 2, "min_years": 1, "history": "tenure", "newcomer": "wait", "peer_min": 30}
        self.rule |= policy["baseline"]
        self.streaks: dict[tuple[int, str], int] = {}

    def settle(self, first: int) -> dict[tuple[int, str], Award]:
        """The awards of the period that starts in a month; to be called for one period after the other."""
        self.months = list(range(first, first + self.policy["period_months"]))
        self.begin, self.end = month_start(first), month_start(self.months[-1] + 1)
        in_period = [
            t
            for t in self.tenures
            if t.start < self.end and t.end > self.begin and t.commodity in self.policy["commodities"]
        ]
        keys = sorted({(t.household, t.commodity) for t in in_period})
        cases = {key: self.case(key, [t for t in in_period if (t.household, t.commodity) == key]) for key in keys}
        self.compare(cases)
        if self.policy["reduction"]["basis"] == "combined_co2e":
            awards = self.combined(cases)
        else:
            awards = {key: self.award(key[0], key[1], case) for key, case in cases.items()}
        self.cap(awards)
        self.streaks = {key: award.streak for key, award in awards.items()}
        return awards

    def case(self, key: tuple[int, str], mine: list[Tenure]) -> Case:
        least = Fraction(self.policy.get("usage", {}).get("min_month_coverage", "1"))
        since = max(t.start for t in mine)
        anyone = self.rule["history"] == "dwelling"  # then a reading is not cut where an earlier tenure began
        own = [(t.meter, date.min if anyone and t.start <= self.begin else t.start, t.end) for t in mine]
        months = [usage_of_month(own, self.readings, number, least) for number in self.months]
        usages = [found.usage for found in months]
        usage = None if None in usages else Fraction(sum(usages))  # type: ignore[arg-type]
        case = Case(usage, None, since, [])
        spike = self.baseline(case, mine, least)
        if usage is not None:
            self.notice(case, key, mine, months, spike)
        return case

    def baseline(self, case: Case, mine: list[Tenure], least: Fraction) -> bool:
        """Sets baseline and newcomer; says whether a month of the baseline is a spike."""
        needed = self.rule.get("min_months") or ceil(Fraction(2 * len(self.months), 3))
        means, used, possible = [], [], 0
        for number in self.months:
            years = [number - 12 * back for back in range(1, self.rule["lookback_years"] + 1)]
            found = [usage for year in years if (usage := self.history(case, mine, year, least)) is not None]
            if len(found) >= self.rule["min_years"]:
                means.append(Fraction(sum(found), len(found)))
                used += found
            possible += len([year for year in years if case.since <= month_start(year)]) >= self.rule["min_years"]
        if len(means) < needed:
            case.newcomer = possible < needed
            return False
        baseline = sum(means) * len(self.months) / len(means)
        if baseline == 0:
            return False
        case.baseline = Fraction(baseline)
        ordered = sorted(used)
        middle = Fraction(ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2], 2)
        return ordered[-1] > 3 * middle

    def history(self, case: Case, mine: list[Tenure], number: int, least: Fraction) -> int | None:
        if self.rule["history"] == "dwelling":
            holdings = [(meter, date.min, self.begin) for meter in {t.meter for t in mine}]
        elif month_start(number) >= case.since:
            holdings = [(t.meter, t.start, t.end) for t in mine]
        else:
            return None
        return usage_of_month(holdings, self.readings, number, least).usage

    def notice(self, case: Case, key: tuple[int, str], mine: list[Tenure], months: list[Month], spike: bool) -> None:
        review = self.policy.get("review", {})
        floor_per_day = review.get("usage_per_day_below", {}).get(key[1])
        assert case.usage is not None
        if floor_per_day is not None and case.usage / (self.end - self.begin).days < Fraction(floor_per_day) * 1000:
            case.codes.append("usage.vacant")
        share = Fraction(sum(found.estimated for found in months), sum(found.covered for found in months))
        if share > Fraction(review.get("estimated_share_above", "1/2")):
            case.codes.append("usage.estimated")
        if len(months) > 1 and len({found.usage for found in months}) == 1:
            case.codes.append("usage.repeated")
        if any(found.covered < found.days for found in months):
            case.codes.append("usage.scaled")
        if spike:
            case.codes.append("baseline.spike")
        for t in mine:
            for other in self.tenures:
                latest_start = max(t.start, other.start, self.begin)
                overlaps = latest_start < min(t.end, other.end, self.end)
                is_other = other.meter == t.meter and other.household != t.household
                if is_other and overlaps and "meter.shared" not in case.codes:
                    case.codes.append("meter.shared")

    def compare(self, cases: dict[tuple[int, str], Case]) -> None:
        """Newcomers against their peers, everyone against the mean."""
        groups: dict[tuple[str, object], list[Fraction]] = defaultdict(list)
        for (household, commodity), case in cases.items():
            if case.usage is not None:
                groups[commodity, self.group(household)].append(case.usage)
        standard = self.policy.get("standard_use")
        for (household, commodity), case in cases.items():
            everyone = [usage for (name, _), usages in groups.items() if name == commodity for usage in usages]
            if standard and commodity in standard["points"] and case.usage is not None:
                case.standard = case.usage <= Fraction(standard["share"]) * sum(everyone) / len(everyone)
            peers = groups[commodity, self.group(household)]
            enough = self.group(household) is not None and len(peers) >= self.rule["peer_min"]
            if self.rule["newcomer"] == "peer_mean" and case.newcomer and enough and sum(peers) > 0:
                case.baseline = sum(peers) / Fraction(len(peers))
                if case.usage is not None:
                    place = case.codes.index("meter.shared") if "meter.shared" in case.codes else len(case.codes)
                    case.codes.insert(place, "baseline.peer")

    def group(self, household: int) -> tuple[str, int] | None:
        dwelling, residents = self.homes.get(household, (None, None))
        return None if dwelling is None or residents is None else (dwelling, min(residents, 4))

    def combined(self, cases: dict[tuple[int, str], Case]) -> dict[tuple[int, str], Award]:
        rule, awards = self.policy["reduction"], {}
        for household in sorted({household for household, _ in cases}):
            added = {
                commodity: case
                for (owner, commodity), case in cases.items()
                if owner == household and case.usage is not None and case.baseline is not None
            }
            sums = Case(None, None, date.min, [])
            if added:
                sums.since = max(case.since for case in added.values())
                for case in added.values():
                    sums.codes += case.codes
            if len(added) >= rule.get("min_commodities", 1) and set(rule.get("required", [])) <= set(added):
                factors = {name: Fraction(self.policy["commodities"][name]["factor"]) for name in added}
                baseline = sum(case.baseline * factors[name] for name, case in added.items())  # type: ignore[operator]
                if baseline > 0:
                    sums.baseline = Fraction(baseline)
                    sums.usage = sum((case.usage * factors[name] for name, case in added.items()), Fraction(0))  # type: ignore[operator]
            awards[household, "combined"] = self.award(household, "combined", sums)
        return awards

    def award(self, household: int, commodity: str, case: Case) -> Award:
        before = self.streaks.get((household, commodity), 0)
        if case.since > month_start(self.months[0] - len(self.months)):
            before = 0
        award = Award("not_evaluable", case.baseline, None, 0, None, None, 0, list(case.codes))
        if case.usage is not None:
            award.usage = half_up(case.usage)
        elif commodity != "combined":
            award.outcome = "incomplete"
        if case.usage is not None and case.baseline is not None:
            self.judge(award, commodity, case, before)
        if case.standard:
            award.points += self.policy["standard_use"]["points"][commodity]
            award.codes.append("standard_use")
        return award

    def judge(self, award: Award, commodity: str, case: Case, before: int) -> None:
        assert case.usage is not None and case.baseline is not None
        rule, reduction = self.policy["reduction"], case.baseline - case.usage
        rate = reduction / case.baseline
        tiers = rule["tiers"] if isinstance(rule["tiers"], list) else rule["tiers"][commodity]
        for number, tier in enumerate(tiers, start=1):
            if rate >= Fraction(tier["from"]) if "from" in tier else rate > Fraction(tier["above"]):
                award.tier, award.outcome, award.streak = number, "reduction", before + 1
                counted = reduction
                if rule.get("counted_max") is not None:
                    counted = min(reduction, Fraction(rule["counted_max"]) * case.baseline)
                award.points = tier.get("points", 0)
                if "points_per_unit" in tier:
                    award.points = floor(Fraction(tier["points_per_unit"]) * counted / 1000)
        maintenance = self.policy.get("maintenance")
        if award.tier is None and rate > 0:
            award.outcome = "below_threshold"
            if maintenance and before >= maintenance["after"] and commodity in maintenance["points"]:
                award.outcome, award.points, award.streak = "maintenance", maintenance["points"][commodity], before
        if rate <= 0:
            award.outcome = "no_reduction"
        factor = Fraction(1) if commodity == "combined" else Fraction(self.policy["commodities"][commodity]["factor"])
        award.avoided = half_up(reduction * factor)
        if rate > Fraction(self.policy.get("review", {}).get("reduction_above", "1/2")):
            award.codes.insert(0, "reduction.unusual")

    def cap(self, awards: dict[tuple[int, str], Award]) -> None:
        most = self.policy.get("household_points_max")
        if most is None:
            return
        left = defaultdict(lambda: most)
        for (household, _), award in sorted(awards.items()):
            allowed = min(award.points, left[household])
            if allowed < award.points:
                award.codes.append("points.capped")
            award.points = allowed
            left[household] -= allowed
