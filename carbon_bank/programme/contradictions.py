"""What is wrong in a policy between its keys: each value may be well formed and the whole still make no sense.

These checks read the document as it was written, take only what is well formed and leave the rest to the checks of
single values, so that one answer names all faults.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from fractions import Fraction
from math import lcm
from typing import Any

from carbon_bank.foundation.calendar import MONTHS_PER_YEAR, PERIOD_LENGTHS, Period, month_of
from carbon_bank.foundation.errors import Fault
from carbon_bank.foundation.units import COMBINED, Commodity
from carbon_bank.programme.limits import DENOMINATOR_MAX
from carbon_bank.programme.rationals import parse_rational, rational_text

_DEFAULT_LOOKBACK_YEARS = 2


def contradictions(raw: dict[str, Any]) -> list[Fault]:
    """Every contradiction in a document read from YAML. Source: rules.md sections 3 to 5 and 8."""
    return [*_calendar(raw), *_baseline(raw), *_reduction(raw), *_extras(raw)]


def _fault(where: str, message: str) -> Fault:
    return Fault(where, "programme.contradiction", message)


def _calendar(raw: dict[str, Any]) -> Iterator[Fault]:
    months, anchor, start = _int(raw, "period_months"), _int(raw, "anchor_month"), raw.get("effective_from")
    if months not in PERIOD_LENGTHS or anchor is None or not 1 <= anchor <= MONTHS_PER_YEAR:
        return
    if type(start) is not date:
        return
    if start.day != 1 or not Period(month_of(start), months).is_aligned(anchor):
        yield _fault(
            "effective_from",
            f"{start} is not the first day of a period: periods are {months} months long and one starts in month {anchor}.",
        )


def _baseline(raw: dict[str, Any]) -> Iterator[Fault]:
    baseline, months = _map(raw, "baseline"), _int(raw, "period_months")
    min_months, min_years = _int(baseline, "min_months"), _int(baseline, "min_years")
    years = _int(baseline, "lookback_years") or _DEFAULT_LOOKBACK_YEARS
    if min_months is not None and months in PERIOD_LENGTHS and min_months > months:
        yield _fault("baseline.min_months", f"{min_months} months cannot be had: the period has {months}.")
    if min_years is not None and min_years > years:
        yield _fault("baseline.min_years", f"{min_years} years cannot be had: baseline.lookback_years is {years}.")


def _reduction(raw: dict[str, Any]) -> Iterator[Fault]:
    reduction, commodities = _map(raw, "reduction"), _commodities(raw)
    basis, tiers = reduction.get("basis"), reduction.get("tiers")
    if basis == "combined_co2e":
        yield from _combined(reduction, commodities, raw)
        expected = [COMBINED]
    elif basis == "per_commodity":
        for key in ("required", "min_commodities"):
            if key in reduction:
                yield _fault(f"reduction.{key}", "It belongs to the basis combined_co2e only.")
        expected = commodities
    else:
        return
    if isinstance(tiers, list):
        if basis == "per_commodity":
            yield _fault("reduction.tiers", "With the basis per_commodity, tiers stand under their commodity.")
        yield from _tiers("reduction.tiers", tiers)
    elif isinstance(tiers, dict):
        yield from _same_keys("reduction.tiers", tiers, expected)
        for name in expected:
            if isinstance(tiers.get(name), list):
                yield from _tiers(f"reduction.tiers.{name}", tiers[name])


def _combined(reduction: dict[str, Any], commodities: list[str], raw: dict[str, Any]) -> Iterator[Fault]:
    required, at_least = reduction.get("required"), _int(reduction, "min_commodities")
    if isinstance(required, list):
        for index, name in enumerate(required):
            if name in list(Commodity) and name not in commodities:
                yield _fault(f"reduction.required[{index}]", f"{name} is not among the commodities of the policy.")
    if at_least is not None and at_least > len(commodities) > 0:
        yield _fault("reduction.min_commodities", f"{at_least} cannot be had: the policy has {len(commodities)}.")
    factors = [_rational(_map(_map(raw, "commodities"), name).get("factor")) for name in commodities]
    if lcm(*(factor.denominator for factor in factors if factor is not None)) > DENOMINATOR_MAX:
        yield _fault(
            "commodities", f"The factors' common denominator is above {DENOMINATOR_MAX}. Round them to decimals."
        )


def _tiers(where: str, tiers: list[Any]) -> Iterator[Fault]:
    last: tuple[Fraction, bool] | None = None
    for index, tier in enumerate(tiers):
        here = f"{where}[{index}]"
        if not isinstance(tier, dict):
            continue
        for one, other in (("from", "above"), ("points", "points_per_unit")):
            given = [key for key in (one, other) if tier.get(key) is not None]
            if len(given) != 1:
                found = "both" if given else "neither"
                yield _fault(here, f"A tier has either '{one}' or '{other}'; this one has {found}.")
        is_above = tier.get("above") is not None
        bound = _rational(tier.get("above" if is_above else "from"))
        if bound is None:
            continue
        if last is not None and (bound, is_above) <= last:
            told = f"{'above' if last[1] else 'from'} {rational_text(last[0])}"
            yield _fault(
                f"{here}.{'above' if is_above else 'from'}",
                f"It does not come after the tier before it ({told}): tiers stand in ascending order, each bound once.",
            )
        last = (bound, is_above)


def _extras(raw: dict[str, Any]) -> Iterator[Fault]:
    """Maintenance, standard use and review: their keys are those of the awards or the commodities."""
    commodities = _commodities(raw)
    is_combined = _map(raw, "reduction").get("basis") == "combined_co2e"
    awards = [COMBINED] if is_combined else commodities
    yield from _among("maintenance.points", _map(_map(raw, "maintenance"), "points"), awards)
    yield from _among("standard_use.points", _map(_map(raw, "standard_use"), "points"), commodities)
    yield from _among("review.usage_per_day_below", _map(_map(raw, "review"), "usage_per_day_below"), commodities)
    if is_combined and raw.get("standard_use") is not None:
        yield _fault(
            "standard_use", "The rule of standard use is for each commodity; combined_co2e has one award for all."
        )


def _same_keys(where: str, found: dict[str, Any], expected: list[str]) -> Iterator[Fault]:
    yield from _among(where, found, expected)
    for name in expected:
        if name not in found:
            yield _fault(f"{where}.{name}", f"Tiers for {name} are missing, which the policy pays for.")


def _among(where: str, found: dict[str, Any], expected: list[str]) -> Iterator[Fault]:
    for name in found:
        if name in [*Commodity, COMBINED] and name not in expected:
            yield _fault(
                f"{where}.{name}", f"It is not expected here: this policy has {', '.join(expected) or 'none'}."
            )


def _commodities(raw: dict[str, Any]) -> list[str]:
    return [name for name in _map(raw, "commodities") if name in list(Commodity)]


def _map(raw: dict[str, Any], key: str) -> dict[str, Any]:
    found = raw.get(key)
    return found if isinstance(found, dict) else {}


def _int(raw: dict[str, Any], key: str) -> int | None:
    found = raw.get(key)
    return found if type(found) is int else None


def _rational(value: object) -> Fraction | None:
    return parse_rational(str(value)) if isinstance(value, str) or type(value) is int else None
