"""What a meter's register showed at the start and at the end of a period, to what was used between. Pure, on columns.

A register that shows less at the end than at the start has rolled over, where the meter's digits are known: it went through
its highest figure once. Whether that is plausible is asked separately (`implausible`): a wrong digit looks the same.

Source: readings.md, "What must hold".
"""

from __future__ import annotations

import polars as pl

from carbon_bank.readings.quantities import FRACTION_DIGITS_MAX, INTEGER_DIGITS_MAX, NEGATIVE, NOT_A_NUMBER

USUAL_TIMES_MAX = 3
"""A rollover is plausible below this many times the meter's usual use a day."""

BACKWARDS = "readings.register_backwards"
HELD = "readings.rollover_held"
REGISTER_REASONS: dict[str, str] = {
    "readings.quantity_missing": "The row has neither a quantity nor both of register_start and register_end. Give one of the two.",
    "readings.quantity_twice": "The row has a quantity and a register. Give one of the two: they could contradict each other.",
    BACKWARDS: (
        "The register shows less at the end than at the start, and how many digits this meter has is not known. Check both "
        "figures; after an exchange send two readings, the old meter's up to that day and the new one's from it; for a meter "
        "that rolled over, ask the operator to enter its digits."
    ),
    "readings.register_digits": "The register shows more digits than this meter has. Check the figure, or the meter's digits.",
    HELD: (
        "The register shows less at the end than at the start. If it rolled over, the use would be "
        f"{USUAL_TIMES_MAX} times the meter's usual or more (or nothing is known of its usual use). It is kept until the "
        "operator releases or drops it. Send other figures if these are wrong."
    ),
}
"""What each code means, and what to do: a sentence for each."""

_PLAIN = rf"^[+-]?[0-9]{{1,{INTEGER_DIGITS_MAX}}}(?:\.[0-9]{{0,{FRACTION_DIGITS_MAX}}})?$"
_SCALE = 10**FRACTION_DIGITS_MAX
DIGITS_MAX = 12


def any_registers(rows: pl.DataFrame) -> bool:
    return any((rows[name] != "").any() for name in _REGISTERS)


def from_registers(rows: pl.DataFrame) -> pl.DataFrame:
    """Give rows with registers their quantity.

    Args:    rows: `quantity, register_start, register_end, cancel` as text without blanks around it, empty where nothing is
             given, in any order; `digits` Int16, before the decimal point, null where unknown.
    Returns: the same rows, `quantity` (text) filled in for those with registers, and with `rolled` Boolean (went through its
             highest figure), `register_code` and `register_column` (what is wrong, null where nothing is).
    Units:   those of the row: the quantity has the unit of the registers.
    """
    if not any_registers(rows):
        return rows.with_columns_seq(_NO_REGISTERS)
    given = {name: pl.col(name) != "" for name in ("quantity", *_REGISTERS)}
    cancels = pl.col("cancel") != ""
    by_register = given["register_start"] | given["register_end"]
    read = rows.with_columns(billionths(name).alias(f"_{name}") for name in _REGISTERS)
    start, end = (pl.col(f"_{name}") for name in _REGISTERS)
    full = pl.lit(10, pl.Int128).pow(pl.col("digits").clip(1, DIGITS_MAX)).cast(pl.Int128) * _SCALE
    backwards = end < start
    checks: list[tuple[pl.Expr, str, str]] = [
        (given["quantity"] & by_register, "readings.quantity_twice", "register_start"),
        (
            ~cancels & ~given["quantity"] & ~(given["register_start"] & given["register_end"]),
            "readings.quantity_missing",
            "quantity",
        ),
        *((given[name] & pl.col(f"_{name}").is_null(), NOT_A_NUMBER, name) for name in _REGISTERS),
        *((pl.col(f"_{name}") < 0, NEGATIVE, name) for name in _REGISTERS),
        *((pl.col(f"_{name}") >= full, "readings.register_digits", name) for name in _REGISTERS),
        (backwards & pl.col("digits").is_null(), BACKWARDS, "register_end"),
    ]
    used = pl.when(backwards).then(end + full - start).otherwise(end - start)
    return read.with_columns(
        quantity=pl.when(by_register & ~given["quantity"]).then(_text(used)).otherwise("quantity"),
        rolled=backwards.fill_null(False),
        register_code=pl.coalesce(pl.when(wrong).then(pl.lit(code)) for wrong, code, _ in checks),
        register_column=pl.coalesce(pl.when(wrong).then(pl.lit(column)) for wrong, _, column in checks),
    ).drop(f"_{name}" for name in _REGISTERS)


def implausible(rolled: pl.DataFrame, usual: pl.DataFrame) -> pl.Series:
    """The lines whose rollover is not plausible.

    Args: rolled: `line, meter_id, period_start, period_end, quantity` in base units. usual: `meter_id`, and of its other
          readings `quantity` (base units) and `days`, both Int64, added up. A meter that is not there has no usual use.
    """
    days = (pl.col("period_end") - pl.col("period_start")).dt.total_days().cast(pl.Int128)
    compared = rolled.join(usual.rename({"quantity": "usual_quantity"}), on="meter_id", how="left")
    below = (
        pl.col("quantity").cast(pl.Int128) * pl.col("days").cast(pl.Int128)
        < USUAL_TIMES_MAX * pl.col("usual_quantity").cast(pl.Int128) * days
    )
    return compared.filter(~below.fill_null(False))["line"].sort()


_REGISTERS = ("register_start", "register_end")
_MISSING = (pl.col("quantity") == "") & (pl.col("cancel") == "")
_NO_REGISTERS = [
    pl.lit(False).alias("rolled"),
    pl.when(_MISSING).then(pl.lit("readings.quantity_missing")).alias("register_code"),
    pl.when(_MISSING).then(pl.lit("quantity")).alias("register_column"),
]


def billionths(given: str | pl.Expr) -> pl.Expr:
    """A column (or text) of plain decimal numbers as whole billionths (Int128); null where it is none."""
    text = (pl.col(given) if isinstance(given, str) else given).str.strip_chars()
    plain = pl.when(text.str.contains(_PLAIN)).then(text.str.strip_prefix("+"))
    return plain.cast(pl.Decimal(38, FRACTION_DIGITS_MAX), strict=False).to_physical()


def _text(billionths: pl.Expr) -> pl.Expr:
    fraction = (billionths % _SCALE).cast(pl.String).str.zfill(FRACTION_DIGITS_MAX)
    return pl.format("{}.{}", (billionths // _SCALE).cast(pl.String), fraction)
