"""The drawings of an award's page: each with its numbers written out in the reader's language."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from carbon_bank.foundation.calendar import month_text
from carbon_bank.foundation.units import BASE_UNITS_PER_DISPLAY_UNIT
from carbon_bank.programme.explanation_steps import CommodityStep, Explanation, MonthBaseline, PastMonth
from carbon_bank.programme.explanation_words import Words, unit
from carbon_bank.programme.rationals import hundredths_text
from carbon_bank.web.chart import Bars, Scale, bars, scale
from carbon_bank.web.words import PageWords


@dataclass(frozen=True)
class MonthRow:
    month: str
    usage: str
    days: str
    earlier: list[str]
    baseline: str


@dataclass(frozen=True)
class UsageChart:
    """One commodity: its drawing, and the same as a table."""

    title: str
    bars: Bars
    ticks: list[str]
    months: list[MonthRow]
    usage: str
    baseline: str
    has_baseline: bool


@dataclass(frozen=True)
class TierMark:
    at: int
    label: str
    told: str
    holds: bool


@dataclass(frozen=True)
class RateScale:
    scale: Scale
    rate: str
    tiers: list[TierMark]


def usage_chart(step: CommodityStep, numbers: Words, words: PageWords) -> UsageChart:
    own = {each.month: each for each in step.baseline.months}
    rows, pairs = [], []
    for month in step.months:
        before = own.get(month.month)
        baseline = before.baseline if before else None
        pairs.append((_shown(month.usage), _shown(baseline)))
        rows.append(
            MonthRow(
                month=month_text(month.month),
                usage=_amount(month.usage, step.commodity, numbers, words),
                days=f"{month.days_covered} / {month.days}",
                earlier=_earlier(before, step.commodity, numbers, words),
                baseline=_amount(baseline, step.commodity, numbers, words),
            )
        )
    drawn = bars(pairs)
    return UsageChart(
        title=words("chart_of", commodity=numbers.commodity(step.commodity), unit=unit(step.commodity)),
        bars=drawn,
        ticks=[numbers.number(tick.value) for tick in drawn.ticks],
        months=rows,
        usage=_amount(step.usage, step.commodity, numbers, words),
        baseline=_amount(step.baseline.baseline, step.commodity, numbers, words),
        has_baseline=any(baseline is not None for _, baseline in pairs),
    )


def _earlier(before: MonthBaseline | None, commodity: str, numbers: Words, words: PageWords) -> list[str]:
    def told(past: PastMonth) -> str:
        value = f"{month_text(past.step.month)}: {_amount(past.step.usage, commodity, numbers, words)}"
        return value if past.left_out is None else words("left_out", value=value)

    return [told(past) for past in before.years] if before else []


def rate_scale(told: Explanation, numbers: Words, words: PageWords) -> RateScale | None:
    step = told.reduction
    if step is None or not step.tiers:
        return None
    drawn = scale(step.rate, [tier.bound for tier in step.tiers])
    at = {tick.value: tick.at for tick in drawn.ticks}
    marks = [
        TierMark(
            at=at[tier.bound],
            label=f"{numbers.percent(tier.bound)} %",
            told=words(
                "tier_at",
                tier=tier.tier,
                bound=numbers("from" if tier.bound_itself else "above", percent=numbers.percent(tier.bound)),
            ),
            holds=tier.holds,
        )
        for tier in step.tiers
    ]
    return RateScale(drawn, f"{hundredths_text(step.rate_bp)} %", marks)


def _shown(value: Fraction | int | None) -> Fraction | None:
    return None if value is None else Fraction(value) / BASE_UNITS_PER_DISPLAY_UNIT


def _amount(value: Fraction | int | None, commodity: str, numbers: Words, words: PageWords) -> str:
    return words("unknown") if value is None else numbers.amount(value, commodity)
