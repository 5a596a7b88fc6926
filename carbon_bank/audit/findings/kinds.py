"""What an audit looks for, beyond what the rules hold back by themselves: kinds of findings, thresholds, and what was found.

A finding is a place to look at, no verdict. Of some kinds an honest city has none (`Expect.NONE`), of others it always has some
(`Expect.SOME`): there the largest come first. Whatever decides is whole numbers and fractions.

Source: design of the audit, section 1 (findings report); docs/findings.md has each kind in a table, which a test compares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import Any

import polars as pl

from carbon_bank.settlement.award_id import AwardId

CASES_MAX = 100
"""Of one kind in a report. What was found beyond them is counted: whoever clears up a hundred has learnt why there are more."""

COPIED_READINGS_MIN = 6
"""Readings one after the other: a half-year of months, the period that a settlement usually has."""
COPIED_WINDOW_DIGITS_MIN = 12
COPIED_DIGITS_MIN = 15
"""Digits beyond the first of all quantities that agree, in the unit in which the utility reads. Two meters agree in one reading of
three digits by chance in 1 of 50 to 300 pairs; in 15 digits, in fewer than 1 of 10**12: among 200,000 meters not once."""
SAME_METERS_MIN = 2
"""Meters that two households hold for the same days. One may serve a building; electricity *and* water are nobody's by accident."""
PEERS_MIN = 30
"""Households of a group whose median is compared with. In smaller ones half the spread is chance."""
OUTLIER_SCORE_MIN = Fraction("3.5")
OUTLIER_SCALE = Fraction("0.6745")
"""A modified z-score above 3.5, `0.6745 * |x - median| / MAD`. Source: Iglewicz and Hoaglin, How to Detect and Handle Outliers
(1993), section 3.3; 0.6745 is the upper quartile of the standard normal distribution."""
NIGHT_FROM_HOUR, NIGHT_TO_HOUR = 22, 6
"""Source: night work in the Labor Standards Act of the Republic of Korea, article 56 (3): from 22:00 to 06:00."""
WEEKEND_FROM_WEEKDAY = 6
"""Saturday and Sunday, by ISO 8601. Public holidays are not known to the bank."""
DIGITS_MIN = 1000
"""Values of a digit test. Each digit is expected five times long before that (Cochran's rule, for first digits from 110 on); below
a thousand a tenth of invented values would not be seen."""
CRITICAL_FIRST = Fraction("26.124")
CRITICAL_LAST = Fraction("27.877")
"""Chi-square of 8 and of 9 degrees of freedom that chance exceeds once in 1,000 tests. Source: any table of its upper quantiles."""
FIRST_SPREAD_MIN = 100
"""How many times the value that 95 in 100 stay below exceeds the value that 5 in 100 stay below. First digits follow Benford's
law in numbers that span orders of magnitude, not in those of one kind of home, of which most begin alike."""
LAST_LOW_MAX = Fraction(1, 200)
"""Share of values from 10 to 19. Last digits are even where values are many digits long and spread widely; below, a digit is
the number itself. Values of one digit are left out, and the cut shows as long as many lie just above it."""
RESOLUTION_SHARE_MIN = Fraction(9, 10)
RESOLUTION_DIGITS_MAX = 6
"""A utility reads in the largest power of ten of the base unit that divides nine in ten of its values."""


class Expect(StrEnum):
    NONE = "none"
    SOME = "some"


class Code(StrEnum):
    """In the order of a report."""

    READING_COPIED = "reading.copied"
    METER_TWICE = "meter.twice"
    METER_SHARED = "meter.shared"
    HOUSEHOLD_TWICE = "household.twice"
    ACCOUNT_SHARED = "account.shared"
    POINTS_WITHOUT_READINGS = "points.without_readings"
    READINGS_WITHOUT_AWARD = "readings.without_award"
    POINTS_ON_ESTIMATES = "points.on_estimates"
    POINTS_TAKEN_AFTER_PAYOUT = "points.taken_after_payout"
    AWARD_OUTLIER = "award.outlier"
    READINGS_REVISED_AFTER = "readings.revised_after"
    ACT_ODD_HOURS = "act.odd_hours"
    DIGITS_FIRST = "digits.first"
    DIGITS_LAST = "digits.last"


@dataclass(frozen=True)
class Kind:
    """looks_for: one sentence. then: what to do with a case. thresholds: by name, as text."""

    code: Code
    expect: Expect
    looks_for: str
    then: str
    thresholds: Mapping[str, str] = field(default_factory=dict)


KINDS: Mapping[Code, Kind] = {
    kind.code: kind
    for kind in (
        Kind(
            Code.READING_COPIED,
            Expect.NONE,
            "Two meters of a commodity with the same quantities for the same days, several readings in a row.",
            "Ask the utility which of the two was read: one may be a copy, or both the same meter.",
            {"readings_min": str(COPIED_READINGS_MIN), "digits_min": str(COPIED_DIGITS_MIN)},
        ),
        Kind(
            Code.METER_TWICE,
            Expect.NONE,
            "Two meters of a utility and commodity whose numbers differ only in case, spaces, separators or leading zeros.",
            "Ask the utility whether it is one meter; end the tenures on the one that is not there.",
        ),
        Kind(
            Code.METER_SHARED,
            Expect.SOME,
            "A meter that two households hold for the same days.",
            "Look at both households' explanations: the rules hold such awards back, a person may have released them.",
        ),
        Kind(
            Code.HOUSEHOLD_TWICE,
            Expect.NONE,
            "Two households with the same meters for the same days, or whose member numbers differ only in how they are written.",
            "Ask the operator who they are. If it is one household, close one account and take back what it was awarded.",
            {"meters_min": str(SAME_METERS_MIN)},
        ),
        Kind(
            Code.ACCOUNT_SHARED,
            Expect.NONE,
            "One bank account to which several households are paid, by what they named now or what was paid.",
            "Ask each household: it said that the account is its own. Stop the next payout run until it is cleared up.",
        ),
        Kind(
            Code.POINTS_WITHOUT_READINGS,
            Expect.NONE,
            "An award with points for whose period no reading stands, as the settlement saw it or now.",
            "Look at its explanation and at who cancelled the readings; restate it.",
        ),
        Kind(
            Code.READINGS_WITHOUT_AWARD,
            Expect.NONE,
            "A household whose held meter has readings in the period, and which has no award of it, not even one without points.",
            "Compare with `carbon-bank audit replay`: the household was left out of the settlement.",
        ),
        Kind(
            Code.POINTS_ON_ESTIMATES,
            Expect.SOME,
            "An award with points that rests on estimated readings.",
            "Look at those with the most estimated days: does the reading that followed bear the estimate out?",
        ),
        Kind(
            Code.POINTS_TAKEN_AFTER_PAYOUT,
            Expect.SOME,
            "Points taken back, by a reversal or a restatement, that the household had spent since it got them.",
            "Look at the postings: was it told, does it owe, and who made the reading that was wrong?",
        ),
        Kind(
            Code.AWARD_OUTLIER,
            Expect.SOME,
            "An award with points whose usage or reduction lies far from the median of like households.",
            "Look at its explanation from the largest score down: moved out, misread, or two homes on one meter?",
            {"peers_min": str(PEERS_MIN), "score_min": "3.5"},
        ),
        Kind(
            Code.READINGS_REVISED_AFTER,
            Expect.SOME,
            "Readings of the period that came or were revised after the settlement, and after its last posted restatement, read them.",
            "Have the settlement restated if the difference matters: GET /v1/settlements/{id}/due lists whom.",
        ),
        Kind(
            Code.ACT_ODD_HOURS,
            Expect.SOME,
            "An approval of points or money at night or on a weekend, by the city's clock.",
            "Ask the one who approved whether it was them, and from where.",
            {"night": f"{NIGHT_FROM_HOUR}:00 to {NIGHT_TO_HOUR:02}:00", "weekend": "Saturday, Sunday"},
        ),
        Kind(
            Code.DIGITS_FIRST,
            Expect.NONE,
            "First digits of a utility's readings that do not follow Benford's law, by commodity.",
            "Look at the digit that is too frequent: a default value, a limit just passed, or invented numbers?",
            {"values_min": str(DIGITS_MIN), "critical": "26.124", "spread_min": str(FIRST_SPREAD_MIN)},
        ),
        Kind(
            Code.DIGITS_LAST,
            Expect.NONE,
            "Last digits of a utility's readings that are not evenly spread, by commodity.",
            "Zeros and fives: rounded by hand. A multiplying meter steps by its factor. Else ask how the values were made.",
            {"values_min": str(DIGITS_MIN), "critical": "27.877", "low_share_max": "1/200"},
        ),
    )
}


@dataclass(frozen=True)
class Case:
    """One thing to look at. figures: whole numbers, or words of the bank's own. link: where the API explains it."""

    link: str
    households: tuple[int, ...] = ()
    settlement_id: int | None = None
    commodity: str | None = None
    figures: Mapping[str, int | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """What a look at one kind came to. found: all of them, of which `cases` has the first. passed_over: why nothing, or not all,
    was looked at."""

    kind: Kind
    looked_at: int
    found: int
    cases: tuple[Case, ...] = ()
    numbers: Mapping[str, int | str] = field(default_factory=dict)
    passed_over: str | None = None

    @property
    def is_alarm(self) -> bool:
        return self.found > 0 and self.kind.expect is Expect.NONE


def found(
    code: Code,
    looked_at: int,
    rows: pl.DataFrame,
    case: Callable[[dict[str, Any]], Case],
    *,
    numbers: Mapping[str, int | str] | None = None,
    passed_over: str | None = None,
) -> Found:
    """A finding of each row, the first ones as cases. Args: rows: in the order in which they are to be looked at."""
    cases = tuple(case(row) for row in rows.head(CASES_MAX).iter_rows(named=True))
    return Found(KINDS[code], looked_at, rows.height, cases, numbers or {}, passed_over)


def added(code: Code, parts: Iterable[Found]) -> Found:
    """What several settlements came to, as one."""
    together = list(parts)
    numbers: dict[str, int | str] = {}
    for name, value in (pair for part in together for pair in part.numbers.items()):
        before = numbers.get(name, 0)
        numbers[name] = before + value if isinstance(before, int) and isinstance(value, int) else value
    why = dict.fromkeys(part.passed_over for part in together if part.passed_over)
    return Found(
        KINDS[code],
        sum(part.looked_at for part in together),
        sum(part.found for part in together),
        tuple(case for part in together for case in part.cases)[:CASES_MAX],
        numbers,
        " ".join(why) or None,
    )


def nothing(code: Code, why: str) -> Found:
    return Found(KINDS[code], 0, 0, passed_over=why)


def explanation(settlement_id: int, household_id: int, commodity: str) -> str:
    """Where the API explains an award."""
    return f"/v1/awards/{AwardId(settlement_id, household_id, commodity)}/explanation"
