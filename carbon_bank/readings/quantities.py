"""Quantities as they are sent (decimal text in a unit) to base units (whole Wh or litres), on columns, exactly.

Source: rules.md section 1. The one place where text becomes a quantity: imports and `simulate` share it.
"""

from __future__ import annotations

import polars as pl

from carbon_bank.foundation.units import BASE_UNIT, QUANTITY_MAX, UNITS, Commodity, units_of

INTEGER_DIGITS_MAX = 15
FRACTION_DIGITS_MAX = 9
CALORIFIC_VALUE_MAX = 10**6
"""The largest calorific value, in Wh per m3: a hundred times that of natural gas (about 11,000)."""

_ENERGY = BASE_UNIT[Commodity.ELECTRICITY]

NOT_A_NUMBER = "readings.not_a_number"
NEGATIVE = "readings.negative"
UNIT = "readings.unit"
TOO_LARGE = "readings.too_large"

QUANTITY_REASONS: dict[str, str] = {
    NOT_A_NUMBER: (
        "The quantity is no plain decimal number. Write digits with a point, as in 12.345: at most "
        f"{INTEGER_DIGITS_MAX} digits before it and {FRACTION_DIGITS_MAX} after, no exponent, no thousands separator."
    ),
    NEGATIVE: "The quantity is negative. A reading holds what was used; what was fed in is not sent to the bank.",
    UNIT: (
        "The unit is not one of the commodity: "
        + "; ".join(f"{commodity.value} in {', '.join(units_of(commodity))}" for commodity in Commodity)
        + f". Gas in a unit of energy ({', '.join(unit.name for unit in UNITS.values() if unit.base == _ENERGY)}) needs the meter's "
        "calorific value."
    ),
    TOO_LARGE: f"The quantity is above {QUANTITY_MAX} base units (Wh or L), the largest that is accepted.",
}
"""What each code of `quantity_error` means, and what to do: a sentence for each."""

_PLAIN_DECIMAL = r"^[+-]?(?:[0-9]+(?:\.[0-9]{0,9})?|\.[0-9]{1,9})$"
_SCALE = 10**FRACTION_DIGITS_MAX
_SCALED_END = 10 ** (INTEGER_DIGITS_MAX + FRACTION_DIGITS_MAX)
_LITRES_PER_M3 = 1000


def base_quantities(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with what each row's quantity is in base units, or the code that says why it is none.

    Args:    frame: rows in any order, with `commodity` (text or COMMODITY_DTYPE), `quantity` (text as sent) and `unit`
             (text); where it has `calorific_value` (Int64, Wh per m3, null where unknown) gas may come in energy units.
    Units:   `quantity_base` in Wh (electricity) or litres (gas, water), rounded half up from the exact product.
    Returns: the same rows in the same order with `quantity_base` Int64 and `quantity_error` String, one of them null.
             The codes are the keys of QUANTITY_REASONS; the number is judged before the unit.
    Source:  rules.md section 1.
    """
    text = frame["quantity"].cast(pl.String).str.strip_chars()
    plain = text.str.contains(_PLAIN_DECIMAL).fill_null(False)
    # The guard admits only what Decimal(38, 9) holds exactly, or is too long for it and becomes null; the physical
    # value of a decimal is the number times 10^9.
    number = text.set(~plain, None).str.strip_prefix("+").cast(pl.Decimal(38, FRACTION_DIGITS_MAX), strict=False)
    parts = _factors(frame).with_columns(
        scaled=number.to_physical(), plain=plain, negative=text.str.starts_with("-").fill_null(False)
    )
    numerator, denominator = pl.col("numerator"), pl.col("denominator") * _SCALE
    fits = (pl.col("scaled") < _SCALED_END).fill_null(False)
    parts = parts.with_columns(
        base=pl.when(fits).then((2 * pl.col("scaled") * numerator + denominator) // (2 * denominator))
    )
    error = (
        pl.when(~pl.col("plain"))
        .then(pl.lit(NOT_A_NUMBER))
        .when(pl.col("negative"))
        .then(pl.lit(NEGATIVE))
        .when(numerator.is_null())
        .then(pl.lit(UNIT))
        .when(~fits | (pl.col("base") > QUANTITY_MAX))
        .then(pl.lit(TOO_LARGE))
    )
    judged = parts.select(error.alias("quantity_error"), "base").select(
        pl.when(pl.col("quantity_error").is_null()).then(pl.col("base")).cast(pl.Int64).alias("quantity_base"),
        "quantity_error",
    )
    return frame.with_columns(judged.get_columns())


def _factors(frame: pl.DataFrame) -> pl.DataFrame:
    """Base units in one unit of each row, as `numerator` and `denominator` (Int128): null where the unit does not fit."""
    asked = frame.select(pl.col("commodity").cast(pl.String), unit=pl.col("unit").cast(pl.String).str.strip_chars())
    factors = asked.join(_FACTORS, on=["commodity", "unit"], how="left", maintain_order="left")
    if "calorific_value" in frame.columns:
        value = frame["calorific_value"].cast(pl.Int128)
        calorific = value.set(~value.is_between(1, CALORIFIC_VALUE_MAX), None)
    else:
        calorific = pl.Series("calorific_value", [None], dtype=pl.Int128).new_from_index(0, frame.height)
    divisor = pl.when("from_energy").then(calorific).otherwise(pl.lit(1, dtype=pl.Int128))
    return factors.select(
        numerator=pl.when(divisor.is_not_null()).then(pl.col("numerator")),
        denominator=pl.col("denominator") * divisor,
    )


def _factor_table() -> pl.DataFrame:
    rows = [
        (commodity.value, name, UNITS[name].numerator, UNITS[name].denominator, False)
        for commodity in Commodity
        for name in units_of(commodity)
    ]
    rows += [
        (Commodity.GAS.value, unit.name, unit.numerator * _LITRES_PER_M3, unit.denominator, True)
        for unit in UNITS.values()
        if unit.base == _ENERGY
    ]
    names = {"commodity": pl.String, "unit": pl.String, "numerator": pl.Int128, "denominator": pl.Int128}
    return pl.DataFrame(rows, schema={**names, "from_energy": pl.Boolean}, orient="row")


_FACTORS = _factor_table()
