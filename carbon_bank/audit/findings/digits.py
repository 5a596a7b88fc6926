"""Digit tests: do the digits of a utility's readings look like read ones?

Chi-square over first digits against Benford's law and over last digits against evenness, as an exact fraction.

Source: Benford, The Law of Anomalous Numbers (1938); Nigrini, Benford's Law (2012), for its use in audits and its limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import polars as pl

from carbon_bank.audit.findings.kinds import (
    CRITICAL_FIRST,
    CRITICAL_LAST,
    DIGITS_MIN,
    FIRST_SPREAD_MIN,
    KINDS,
    LAST_LOW_MAX,
    RESOLUTION_DIGITS_MAX,
    RESOLUTION_SHARE_MIN,
    Case,
    Code,
    Found,
)

_LOGARITHMS = (
    "0",
    "0.301029995664",
    "0.477121254720",
    "0.602059991328",
    "0.698970004336",
    "0.778151250384",
    "0.845098040014",
    "0.903089986992",
    "0.954242509439",
    "1",
)
"""To the base of ten, of 1 to 10, to twelve places."""
BENFORD = tuple(Fraction(_LOGARITHMS[digit]) - Fraction(_LOGARITHMS[digit - 1]) for digit in range(1, 10))
"""How often 1 to 9 come first; together exactly 1."""
EVEN = (Fraction(1, 10),) * 10


@dataclass(frozen=True)
class DigitTest:
    """One test of one utility's commodity. why_not: null where it was made."""

    utility: str
    commodity: str
    values: int
    counts: tuple[int, ...] = ()
    chi_square: Fraction | None = None
    why_not: str | None = None


def resolution(histogram: pl.DataFrame) -> int:
    """The step in which quantities are read: a power of ten of the base unit.

    Args: histogram: `quantity` above zero, `readings`.
    """
    values = int(histogram["readings"].sum())
    step = 1
    for power in range(1, RESOLUTION_DIGITS_MAX + 1):
        divided = int(histogram.filter(pl.col("quantity") % 10**power == 0)["readings"].sum())
        if divided < RESOLUTION_SHARE_MIN * values:
            break
        step = 10**power
    return step


def chi_square(counts: Sequence[int], expected: Sequence[Fraction]) -> Fraction:
    """The sum of (seen - expected)^2 / expected, exact. Args: expected: shares that sum to 1."""
    values = sum(counts)
    seen = (Fraction(count) ** 2 / (values * share) for count, share in zip(counts, expected, strict=True))
    return sum(seen, Fraction(0)) - values


def first_digit_test(utility: str, commodity: str, histogram: pl.DataFrame) -> DigitTest:
    """Args: histogram: `quantity` above zero, `readings`, by quantity."""
    values = int(histogram["readings"].sum())
    if values < DIGITS_MIN:
        return DigitTest(utility, commodity, values, why_not=f"fewer than {DIGITS_MIN} values")
    low, high = _quantile(histogram, Fraction(5, 100)), _quantile(histogram, Fraction(95, 100))
    if high < FIRST_SPREAD_MIN * low:
        return DigitTest(utility, commodity, values, why_not="the values lie too close together for Benford's law")
    digits = histogram.select(digit=pl.col("quantity").cast(pl.String).str.slice(0, 1).cast(pl.Int64), count="readings")
    counts = _counts(digits, range(1, 10))
    return DigitTest(utility, commodity, values, counts, chi_square(counts, BENFORD))


def last_digit_test(utility: str, commodity: str, histogram: pl.DataFrame) -> DigitTest:
    """Args: histogram: `quantity` above zero, `readings`, by quantity."""
    steps = histogram.select(steps=pl.col("quantity") // resolution(histogram), count="readings")
    long = steps.filter(pl.col("steps") >= 10)
    values = int(long["count"].sum())
    if values < DIGITS_MIN:
        return DigitTest(utility, commodity, values, why_not=f"fewer than {DIGITS_MIN} values of two digits or more")
    low = int(long.filter(pl.col("steps") < 20)["count"].sum())
    if low > LAST_LOW_MAX * values:
        return DigitTest(
            utility, commodity, values, why_not="too many values are short, in the unit in which they are read"
        )
    counts = _counts(long.select(digit=pl.col("steps") % 10, count="count"), range(10))
    return DigitTest(utility, commodity, values, counts, chi_square(counts, EVEN))


def digit_findings(code: Code, tests: Sequence[DigitTest], critical: Fraction, months: str) -> Found:
    """The tests of a kind as a report: those above the critical value are found."""
    made = [test for test in tests if test.chi_square is not None]
    beyond = sorted(
        (test for test in made if test.chi_square is not None and test.chi_square > critical),
        key=lambda test: (-(test.chi_square or 0), test.utility, test.commodity),
    )
    first = 1 if code is Code.DIGITS_FIRST else 0
    cases = tuple(
        Case(
            link=f"/v1/coverage?months={months}&utility={test.utility}&commodity={test.commodity}",
            commodity=test.commodity,
            figures={
                "utility": test.utility,
                "values": test.values,
                "chi_square": shown(test.chi_square or Fraction(0)),
                "chi_square_exact": str(test.chi_square),
                **{f"digit_{digit}": count for digit, count in enumerate(test.counts, start=first)},
            },
        )
        for test in beyond
    )
    why = [f"{test.utility}/{test.commodity}: {test.why_not} ({test.values})." for test in tests if test.why_not]
    numbers: dict[str, int | str] = {
        f"chi_square {test.utility}/{test.commodity}": f"{shown(test.chi_square or Fraction(0))} of {test.values} values"
        for test in made
    }
    return Found(KINDS[code], len(made), len(beyond), cases, numbers, " ".join(why) or None)


def first_digits(histograms: Sequence[tuple[str, str, pl.DataFrame]], months: str) -> Found:
    """Args: histograms: utility, commodity, `quantity` above zero and `readings` by quantity."""
    tests = [first_digit_test(*each) for each in histograms]
    return digit_findings(Code.DIGITS_FIRST, tests, CRITICAL_FIRST, months)


def last_digits(histograms: Sequence[tuple[str, str, pl.DataFrame]], months: str) -> Found:
    tests = [last_digit_test(*each) for each in histograms]
    return digit_findings(Code.DIGITS_LAST, tests, CRITICAL_LAST, months)


def shown(value: Fraction) -> str:
    """To three places, cut off: for the eye only."""
    thousandths = value.numerator * 1000 // value.denominator
    return f"{thousandths // 1000}.{thousandths % 1000:03}"


def _quantile(histogram: pl.DataFrame, share: Fraction) -> int:
    """The smallest quantity that at least this share of the values does not exceed."""
    values = int(histogram["readings"].sum())
    upto = histogram.with_columns(pl.col("readings").cum_sum().alias("upto"))
    needed = -(-share.numerator * values // share.denominator)
    return int(upto.filter(pl.col("upto") >= needed)["quantity"][0])


def _counts(digits: pl.DataFrame, wanted: range) -> tuple[int, ...]:
    found = dict(digits.group_by("digit").agg(pl.col("count").sum()).rows())
    return tuple(int(found.get(digit, 0)) for digit in wanted)
