"""A file read by its format, and its rows as the intake judges them."""

from __future__ import annotations

from datetime import date

import polars as pl

from carbon_bank.readings.formats import known
from carbon_bank.readings.formats.normal import Finding
from carbon_bank.readings.formats.options import Options
from carbon_bank.readings.formats.source import Source
from carbon_bank.readings.intake import parse, tidied

TODAY = date(2026, 11, 24)
CALORIFIC_VALUE = 11_000
"""Wh in a m3 of every gas meter."""


class Read:
    """`rows` as the intake judges them, `sent` as they came, `findings` by their code."""

    def __init__(self, file: Source, form: str, options: Options) -> None:
        chunks = list(known.read(file, form, options))
        rows = pl.concat([chunk.rows for chunk in chunks])
        assert rows["line"].to_list() == list(range(1, rows.height + 1))
        self.rows = parse(tidied(rows).with_columns(calorific_value=pl.lit(CALORIFIC_VALUE, pl.Int64)), TODAY)
        self.sent = pl.concat([chunk.sent for chunk in chunks], how="diagonal")
        self.findings: dict[str, Finding] = {each.code: each for chunk in chunks for each in chunk.findings}
        assert len(self.findings) == sum(len(chunk.findings) for chunk in chunks), "each code is told once"
        self.passed_over = sum(chunk.passed_over for chunk in chunks)

    @property
    def codes(self) -> dict[str | None, int]:
        return dict(self.rows["code"].value_counts().iter_rows())

    @property
    def sound(self) -> pl.DataFrame:
        return self.rows.filter(pl.col("code").is_null())
