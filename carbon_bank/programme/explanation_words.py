"""An explanation in words: one sentence for each step, made of its numbers.

Only for reading: quantities have three decimals, rounded half up and marked where that is not exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from carbon_bank.foundation.calendar import month_text
from carbon_bank.foundation.units import BASE_UNITS_PER_DISPLAY_UNIT, COMBINED, DISPLAY_UNIT, Commodity
from carbon_bank.programme.award import Outcome
from carbon_bank.programme.explanation_steps import (
    CommodityStep,
    Explanation,
    FindingStep,
    MonthBaseline,
    MonthStep,
    NoBaseline,
)
from carbon_bank.programme.explanation_texts import TEXTS
from carbon_bank.programme.rationals import half_up, hundredths_text, rational_text

Language = Literal["en", "ko"]
LANGUAGES: tuple[Language, ...] = ("en", "ko")
Topic = Literal[
    "award", "tenure", "usage", "baseline", "combined", "reduction", "points", "finding", "avoided", "outcome"
]
DECIMALS = 3


@dataclass(frozen=True)
class Sentence:
    """`about`: the step that it tells."""

    about: Topic
    text: str


def sentences(told: Explanation, language: Language) -> tuple[Sentence, ...]:
    """The steps of an explanation, from its meters to its points."""
    words = Words(language)
    return tuple(_all(words, told))


class Words:
    """The texts of one language, and how it writes numbers."""

    def __init__(self, language: Language) -> None:
        self._texts = TEXTS[language]

    def __call__(self, key: str, **values: object) -> str:
        return self._texts[key].format(**values)

    def number(self, value: Fraction | int) -> str:
        """`1,740` or `about 1,742.857`."""
        exact = Fraction(value)
        scaled = half_up(exact * 10**DECIMALS)
        whole, rest = divmod(abs(scaled), 10**DECIMALS)
        decimals = f".{rest:0{DECIMALS}d}".rstrip("0").rstrip(".")
        text = f"{'-' if scaled < 0 else ''}{whole:,}{decimals}"
        return text if exact * 10**DECIMALS == scaled else self("about", number=text)

    def amount(self, value: Fraction | int, commodity: str) -> str:
        """Base units in kWh or m³; grams of a combined case in kg CO2e."""
        return f"{self.number(Fraction(value) * Fraction(1, BASE_UNITS_PER_DISPLAY_UNIT))} {unit(commodity)}"

    def percent(self, share: Fraction) -> str:
        return self.number(share * 100)

    def commodity(self, commodity: str) -> str:
        return self("combined_name" if commodity == COMBINED else commodity)

    def outcome(self, outcome: Outcome) -> str:
        return self(f"{outcome}_name")


def unit(commodity: str) -> str:
    """In what people read quantities of a commodity."""
    if commodity == COMBINED:
        return "kg CO2e"
    return DISPLAY_UNIT[Commodity(commodity)].name.replace("m3", "m³")


def _all(words: Words, told: Explanation) -> Iterator[Sentence]:
    name = words.commodity(told.commodity)
    yield Sentence("award", words("award", commodity=name, period=told.period, policy=told.policy))
    for step in told.commodities:
        yield from _tenures(words, step)
        yield from (Sentence("usage", _month(words, month, step.commodity)) for month in step.months)
        yield Sentence("usage", _usage(words, step))
        yield from (Sentence("baseline", _past(words, each, step.commodity)) for each in step.baseline.months)
        yield Sentence("baseline", _baseline(words, step))
    yield from _combined(words, told)
    yield from _reduction(words, told)
    yield from _points(words, told)
    yield from (Sentence("finding", _finding(words, each, told)) for each in told.findings)
    yield from _avoided(words, told)
    outcome, points = words.outcome(told.outcome), words.number(told.points.points)
    yield Sentence("outcome", words("outcome", outcome=outcome, points=points))


def _tenures(words: Words, step: CommodityStep) -> Iterator[Sentence]:
    for tenure in step.tenures:
        key = "tenure" if tenure.ends_on is None else "tenure_ended"
        days = {"starts_on": tenure.starts_on, "ends_on": tenure.ends_on}
        yield Sentence("tenure", words(key, meter=tenure.meter_id, **days))
        if tenure.shared:
            yield Sentence("tenure", words("tenure_shared", meter=tenure.meter_id))


def _month(words: Words, month: MonthStep, commodity: str) -> str:
    key = "month_missing" if month.usage is None else "month_scaled" if month.scaled else "month"
    text = words(
        key,
        month=month_text(month.month),
        usage=words.amount(month.usage or 0, commodity),
        quantity=words.amount(month.quantity, commodity),
        covered=month.days_covered,
        days=month.days,
    )
    return text + (words("estimated", estimated=month.days_estimated) if month.days_estimated else "")


def _usage(words: Words, step: CommodityStep) -> str:
    name = words.commodity(step.commodity)
    if step.usage is None:
        missing = sum(month.usage is None for month in step.months)
        return words("usage_missing", commodity=name, missing=missing, months=len(step.months))
    per_unit = Fraction(1, BASE_UNITS_PER_DISPLAY_UNIT)
    terms = " + ".join(words.number((month.usage or 0) * per_unit) for month in step.months)
    terms = f"{terms} = " if len(step.months) > 1 else ""
    return words("usage", commodity=name, terms=terms, usage=words.amount(step.usage, step.commodity))


def _past(words: Words, each: MonthBaseline, commodity: str) -> str:
    terms = ", ".join(
        f"{month_text(past.step.month)} {words.amount(past.step.usage or 0, commodity)}"
        for past in each.years
        if past.left_out is None
    )
    left_out = ", ".join(
        words(past.left_out, month=month_text(past.step.month)) for past in each.years if past.left_out is not None
    )
    month = month_text(each.month)
    if each.baseline is None:
        text = words("month_no_baseline", month=month)
    else:
        text = words("month_baseline", month=month, terms=terms, baseline=words.amount(each.baseline, commodity))
    return text + (words("left_out", months=left_out) if left_out else "")


def _baseline(words: Words, step: CommodityStep) -> str:
    own, peers = step.baseline, step.baseline.peers
    values: dict[str, object] = {
        "counted": own.months_counted,
        "months": len(own.months),
        "needed": own.months_min,
        "since": step.history_since,
        "total": words.amount(own.months_total, step.commodity),
        "baseline": words.amount(own.baseline or 0, step.commodity),
    }
    if peers is not None:
        values |= {
            "households": words.number(peers.households),
            "households_min": peers.households_min,
            "dwelling": peers.dwelling_type,
            "residents": peers.residents_band,
            "total": words.amount(peers.usage_total, step.commodity),
        }
    if own.baseline is None:
        return words(f"none_{own.none or NoBaseline.HISTORY}", **values)
    if peers is not None:
        return words("baseline_peers", **values)
    return words("baseline" if own.months_counted == len(own.months) else "baseline_filled", **values)


def _combined(words: Words, told: Explanation) -> Iterator[Sentence]:
    if told.combined is None:
        return
    for part in told.combined.parts:
        key = "part" if part.not_added is None else f"part_{part.not_added}"
        yield Sentence(
            "combined",
            words(
                key,
                commodity=words.commodity(part.commodity),
                factor=rational_text(part.factor),
                unit=unit(part.commodity),
                usage=words.amount(part.usage or 0, COMBINED),
                baseline=words.amount(part.baseline or 0, COMBINED),
            ),
        )
    if told.reduction is not None:
        usage, baseline = (words.amount(each, COMBINED) for each in (told.reduction.usage, told.reduction.baseline))
        yield Sentence("combined", words("combined", usage=usage, baseline=baseline))
    else:
        names = ", ".join(words.commodity(each) for each in told.combined.required)
        required = words("required", names=names) if names else ""
        added, needed = told.combined.commodities_added, told.combined.commodities_min
        yield Sentence("combined", words("combined_none", added=added, needed=needed, required=required))


def _reduction(words: Words, told: Explanation) -> Iterator[Sentence]:
    step = told.reduction
    if step is None:
        return
    amounts = {
        "baseline": words.amount(step.baseline, told.commodity),
        "usage": words.amount(step.usage, told.commodity),
        "reduction": words.amount(step.reduction, told.commodity),
    }
    yield Sentence("reduction", words("reduction", percent=hundredths_text(step.rate_bp), **amounts))
    for tier in step.tiers:
        bound = words("from" if tier.bound_itself else "above", percent=words.percent(tier.bound))
        key = "reached" if tier.holds else "not_reached"
        yield Sentence("reduction", words(key, tier=tier.tier, bound=bound))
    for tier in step.tiers:
        if tier.tier == step.applied:
            each = None if tier.points_per_unit is None else rational_text(tier.points_per_unit)
            counted = words.amount(step.counted, told.commodity)
            values = {"each": each, "counted": counted, "unit": unit(told.commodity)}
            key = "tier" if each is None else "tier_per_unit"
            yield Sentence("points", words(key, tier=tier.tier, points=words.number(told.points.tier), **values))


def _points(words: Words, told: Explanation) -> Iterator[Sentence]:
    if told.maintenance is not None and told.outcome in (Outcome.MAINTENANCE, Outcome.BELOW_THRESHOLD):
        key = "maintenance" if told.maintenance.holds else "no_maintenance"
        points = words.number(told.maintenance.points)
        values = {"before": told.streak.before, "after": told.maintenance.after, "points": points}
        yield Sentence("points", words(key, **values))
    standard, [*steps] = told.standard_use, told.commodities
    if standard is not None and standard.most is not None and steps[0].usage is not None:
        yield Sentence(
            "points",
            words(
                "standard_use" if standard.holds else "no_standard_use",
                households=words.number(standard.households),
                mean=words.amount(Fraction(standard.usage_total, standard.households), told.commodity),
                share=words.percent(standard.share),
                most=words.amount(standard.most, told.commodity),
                usage=words.amount(steps[0].usage, told.commodity),
                points=words.number(standard.points),
            ),
        )
    if told.points.points < told.points.uncapped:
        sums = {"most": told.points.household_points_max or 0, "earlier": told.points.earlier}
        sums |= {"points": told.points.points, "uncapped": told.points.uncapped}
        yield Sentence("points", words("capped", **{name: words.number(each) for name, each in sums.items()}))


_QUANTITIES = {"usage", "usage_each_month", "median"}
_SHARES = {"above", "share_above"}


def _finding(words: Words, finding: FindingStep, told: Explanation) -> str:
    """A finding's numbers stand as the rules told them: quantities in base units, shares as rationals."""
    one = told.commodities[0].commodity if told.combined is None else None
    values: dict[str, object] = {"unit": unit(one) if one else "kWh / m³"}
    for name, number in finding.numbers.items():
        if name in _QUANTITIES:
            amount = Fraction(number) * Fraction(1, BASE_UNITS_PER_DISPLAY_UNIT)
            values[name] = f"{words.number(amount)} {values['unit']}"
        elif name in _SHARES:
            values[name] = words.percent(Fraction(number))
        elif name == "reduction_bp":
            values["percent"] = hundredths_text(number)
        else:
            values[name] = words.number(number) if isinstance(number, int) and name != "meter_id" else number
    return words(finding.severity, told=words(f"finding.{finding.code}", **values))


def _avoided(words: Words, told: Explanation) -> Iterator[Sentence]:
    if told.avoided is None or told.reduction is None:
        return
    grams = words.number(told.avoided.grams)
    if told.avoided.factor is None:
        yield Sentence("avoided", words("avoided_combined", grams=grams))
        return
    reduction, factor = words.amount(told.reduction.reduction, told.commodity), rational_text(told.avoided.factor)
    yield Sentence(
        "avoided", words("avoided", reduction=reduction, factor=factor, unit=unit(told.commodity), grams=grams)
    )
