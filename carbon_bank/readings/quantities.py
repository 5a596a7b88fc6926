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

_ENERGY_UNITS = [unit.name for unit in UNITS.values() if unit.base == BASE_UNIT[Commodity.ELECTRICITY]]

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
        + f". Gas in a unit of energy ({', '.join(_ENERGY_UNITS)}) needs the meter's "
        "calorific value."
    ),
    TOO_LARGE: f"The quantity is above {QUANTITY_MAX} base units (Wh or L), the largest that is accepted.",
}
"""What each code of `quantity_error` means, and what to do: a sentence for each."""

_PLAIN_DECIMAL = r"^[+-]?(?:[0-9]+(?:\.[0-9]{0,9})?|\.[0-9]{1,9})$"
_SCALE = 10**FRACTION_DIGITS_MAX
_SCALED_END = 10 ** (INTEGER_DIGITS_MAX + FRACTION_DIGITS_MAX)
_LITRES_PER_M3 = 1000
_UNKNOWN = pl.lit(None, pl.Int64)
_ONE = pl.lit(1, pl.Int128)


def any_from_energy(frame: pl.DataFrame) -> bool:
    """Whether some row's quantity depends on a calorific value: gas in a unit of energy."""
    gas = frame["commodity"] == Commodity.GAS.value
    return gas.any() and bool((gas & frame["unit"].is_in(_ENERGY_UNITS)).any())


def base_quantities(frame: pl.DataFrame, calorific_value: pl.Expr = _UNKNOWN) -> pl.DataFrame:
    """The frame with what each row's quantity is in base units, or the code that says why it is none.

    Args:    frame: rows in any order, with `commodity` (text or COMMODITY_DTYPE), `quantity` (text as sent) and `unit`
             (text). calorific_value: Int64, Wh per m3, null where unknown: with it gas may come in energy units.
    Units:   `quantity_base` in Wh (electricity) or litres (gas, water), rounded half up from the exact product.
    Returns: the same rows in the same order with `quantity_base` Int64 and `quantity_error` String, one of them null.
             The codes are the keys of QUANTITY_REASONS; the number is judged before the unit.
    Source:  rules.md section 1.
    """
    value = calorific_value.cast(pl.Int128)
    calorific = pl.when(value.is_between(1, CALORIFIC_VALUE_MAX)).then(value)
    divisor = pl.when("_from_energy").then(calorific).otherwise(_ONE).alias("_divisor")
    given = frame.columns
    for step in (_TEXTS, [_PLAIN], [_SCALED, *_FACTOR], [divisor], [_BASE], [_ERROR]):
        frame = frame.with_columns_seq(step)
    return frame.select_seq(*given, "quantity_error", _SOUND_BASE)


def _base() -> pl.Expr:
    """Null where the number is too long, or the unit does not fit."""
    denominator = pl.col("_denominator") * pl.col("_divisor") * _SCALE
    return pl.when(pl.col("_scaled") < _SCALED_END).then(
        (2 * pl.col("_scaled") * pl.col("_numerator") + denominator) // (2 * denominator)
    )


def _error() -> pl.Expr:
    return (
        pl.when(~pl.col("_plain"))
        .then(pl.lit(NOT_A_NUMBER))
        .when(pl.col("_text").str.starts_with("-"))
        .then(pl.lit(NEGATIVE))
        .when(pl.col("_numerator").is_null() | pl.col("_divisor").is_null())
        .then(pl.lit(UNIT))
        .when(pl.col("_base").is_null() | (pl.col("_base") > QUANTITY_MAX))
        .then(pl.lit(TOO_LARGE))
    )


def _factor_table() -> pl.DataFrame:
    rows = [
        (commodity.value, name, UNITS[name].numerator, UNITS[name].denominator, False)
        for commodity in Commodity
        for name in units_of(commodity)
    ]
    rows += [
        (Commodity.GAS.value, name, UNITS[name].numerator * _LITRES_PER_M3, UNITS[name].denominator, True)
        for name in _ENERGY_UNITS
    ]
    names = {"commodity": pl.String, "unit": pl.String, "numerator": pl.Int128, "denominator": pl.Int128}
    return pl.DataFrame(rows, schema={**names, "from_energy": pl.Boolean}, orient="row")


_FACTORS = _factor_table()
_PLACES = pl.Enum(_FACTORS["commodity"] + " " + _FACTORS["unit"])

# The steps, put together once: for a thousand rows that takes as long as to work them out. One after the other, because Polars
# works out an expression anew wherever it stands; at once and in this thread, because a plan, and to wake others, takes longer.
_TEXTS = [
    pl.col("quantity").cast(pl.String).str.strip_chars().alias("_text"),
    (pl.col("commodity").cast(pl.String) + " " + pl.col("unit").cast(pl.String).str.strip_chars())
    .cast(_PLACES, strict=False)
    .to_physical()
    .alias("_place"),
]
_PLAIN = pl.col("_text").str.contains(_PLAIN_DECIMAL).fill_null(False).alias("_plain")
# The guard admits only what Decimal(38, 9) holds exactly, or is too long for it and becomes null; the physical value of a
# decimal is the number times 10^9.
_SCALED = (
    pl.when("_plain")
    .then(pl.col("_text").str.strip_prefix("+"))
    .cast(pl.Decimal(38, FRACTION_DIGITS_MAX), strict=False)
    .to_physical()
    .alias("_scaled")
)
_FACTOR = [
    pl.lit(_FACTORS[name]).gather(pl.col("_place")).alias(f"_{name}")
    for name in ("numerator", "denominator", "from_energy")
]
_BASE = _base().alias("_base")
_ERROR = _error().alias("quantity_error")
_SOUND_BASE = pl.when(pl.col("quantity_error").is_null()).then("_base").cast(pl.Int64).alias("quantity_base")
