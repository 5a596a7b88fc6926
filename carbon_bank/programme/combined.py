"""Combined CO2e: the commodities of a household turned into emissions and added, for one award.

Source: rules.md section 5 (`basis: combined_co2e`); decision record 0003.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import lcm, prod

import polars as pl

from carbon_bank.foundation.errors import TooLarge
from carbon_bank.foundation.units import AWARD_COMMODITY_DTYPE, COMBINED, Commodity
from carbon_bank.programme.limits import COMBINED_DENOMINATOR_MAX, NUMERATOR_MAX
from carbon_bank.programme.policy import Policy
from carbon_bank.programme.rationals import round_half_up_of


def combine(policy: Policy, cases: pl.DataFrame) -> pl.DataFrame:
    """One case for each household, in grams of CO2e.

    Args:    cases: one row per household and commodity, with `usage` (base units), `baseline_num`, `baseline_den` and
             `tenure_since`; only those that have both usage and baseline are added.
    Units:   grams CO2e, exact: `usage_num`, `baseline_num` over `baseline_den`; `usage` rounded half up.
    Returns: `household_id`, `commodity` (`combined`), the above (null where the household is not evaluable), and
             `tenure_since`: the latest over the commodities added.
    Raises:  TooLarge `programme.beyond_bounds`, where three groups of peers would need more than 128 bits.
    Source:  rules.md section 5; limits.py for the bounds.
    """
    rule = policy.reduction
    wide = _sums(policy, _side_by_side(policy, cases))
    present = {commodity: pl.col(f"usage_{commodity}").is_not_null() for commodity in policy.commodities}
    evaluable = pl.sum_horizontal(each.cast(pl.Int8) for each in present.values()) >= rule.min_commodities
    evaluable &= pl.all_horizontal(present[commodity] for commodity in rule.required) if rule.required else True
    evaluable &= pl.col("baseline_num") > 0
    exact = [
        pl.when(evaluable).then(pl.col(name)).alias(name) for name in ("usage_num", "baseline_num", "baseline_den")
    ]
    return wide.select(
        "household_id",
        *exact,
        commodity=pl.lit(COMBINED, dtype=AWARD_COMMODITY_DTYPE),
        usage=pl.when(evaluable).then(round_half_up_of(pl.col("usage_num"), pl.col("baseline_den"))).cast(pl.Int64),
        tenure_since=pl.max_horizontal(f"tenure_since_{commodity}" for commodity in policy.commodities),
    )


def emission_parts(policy: Policy, cases: pl.DataFrame) -> pl.DataFrame:
    """What each commodity adds to a combined case, for few households.

    Args:    cases: as of `combine`.
    Units:   grams CO2e over `den`.
    Returns: `household_id, commodity, usage_part, baseline_part, den`; a row for each commodity that is added.
    """
    wide = _side_by_side(policy, cases)
    usage, baseline, den = _parts(policy, wide)
    return pl.concat(
        wide.filter(pl.col(f"usage_{commodity}").is_not_null()).select(
            "household_id",
            commodity=pl.lit(commodity.value, dtype=AWARD_COMMODITY_DTYPE),
            usage_part=usage[commodity],
            baseline_part=baseline[commodity],
            den=den,
        )
        for commodity in policy.commodities
    )


def _side_by_side(policy: Policy, cases: pl.DataFrame) -> pl.DataFrame:
    """One row per household: `usage_gas`, `baseline_num_gas`, ... of the commodities that have both usage and baseline."""
    usable = cases.filter(pl.col("usage").is_not_null() & pl.col("baseline_num").is_not_null())
    wide = cases.select("household_id").unique().sort("household_id")
    for commodity in policy.commodities:
        theirs = usable.filter(pl.col("commodity") == commodity.value)
        columns = {f"{name}_{commodity}": name for name in ("usage", "baseline_num", "baseline_den", "tenure_since")}
        wide = wide.join(theirs.select("household_id", **columns), on="household_id", how="left", maintain_order="left")
    return wide


def _sums(policy: Policy, wide: pl.DataFrame) -> pl.DataFrame:
    """`usage_num` and `baseline_num` over the product of the denominators, `baseline_den`."""
    usage, baseline, den = _parts(policy, wide)
    return wide.with_columns(
        usage_num=_sum(list(usage.values())), baseline_num=_sum(list(baseline.values())), baseline_den=den
    )


def _parts(policy: Policy, wide: pl.DataFrame) -> tuple[dict[Commodity, pl.Expr], dict[Commodity, pl.Expr], pl.Expr]:
    """Usage and baseline of each commodity in grams, over the product of the denominators, which is the third.

    A factor in kg for each 1000 base units is grams for one.
    """
    rules = policy.commodities
    common = lcm(*(rules[commodity].factor.denominator for commodity in policy.commodities))
    weights = {commodity: int(rules[commodity].factor * common) for commodity in policy.commodities}
    _refuse_beyond_bounds(weights, common, wide)
    dens = {name: pl.col(f"baseline_den_{name}").fill_null(1) for name in policy.commodities}
    all_dens = _product(list(dens.values()))
    usage, baseline = {}, {}
    for commodity, weight in weights.items():
        others = _product([den for name, den in dens.items() if name != commodity])
        heavy = pl.lit(weight, dtype=pl.Int128)
        baseline[commodity] = pl.col(f"baseline_num_{commodity}").fill_null(0) * heavy * others
        usage[commodity] = pl.col(f"usage_{commodity}").fill_null(0).cast(pl.Int128) * heavy * all_dens
    return usage, baseline, all_dens * pl.lit(common, dtype=pl.Int128)


def _refuse_beyond_bounds(weights: Mapping[Commodity, int], common: int, wide: pl.DataFrame) -> None:
    def largest(name: str) -> int:
        found = wide[name].max()
        return found if isinstance(found, int) else 0

    dens = {name: max(largest(f"baseline_den_{name}"), 1) for name in weights}
    baseline = sum(
        largest(f"baseline_num_{name}") * weight * prod(dens.values()) // dens[name] for name, weight in weights.items()
    )
    usage = sum(largest(f"usage_{name}") * weight * prod(dens.values()) for name, weight in weights.items())
    found, den = max(baseline, usage), prod(dens.values()) * common
    if found > NUMERATOR_MAX or den > COMBINED_DENOMINATOR_MAX:
        raise TooLarge(
            "programme.beyond_bounds",
            f"A combined baseline needs a fraction of up to {found} / {den}; the rules are proved exact up to "
            f"{NUMERATOR_MAX} / {COMBINED_DENOMINATOR_MAX}. Use rounder factors, or let newcomers wait.",
            {"numerator": str(found), "denominator": str(den)},
        )


def _product(factors: list[pl.Expr]) -> pl.Expr:
    result = pl.lit(1, dtype=pl.Int128)
    for factor in factors:
        result = result * factor
    return result


def _sum(terms: list[pl.Expr]) -> pl.Expr:
    result = pl.lit(0, dtype=pl.Int128)
    for term in terms:
        result = result + term
    return result
