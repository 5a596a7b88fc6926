"""Notices a column of use that has turned into a register: from some row on it only grows.

Use goes up and down. So many intervals in a row without a fall and without a nought, on so many different values, are not use.
"""

from __future__ import annotations

import polars as pl

from carbon_bank.readings.formats.interval_codes import BECAME_REGISTER, SENTENCES
from carbon_bank.readings.formats.intervals import Sums
from carbon_bank.readings.formats.normal import METER, Finding

RUN = 24
VALUES = 8


class Growth:
    """Looks at intervals as they come; tells the sums where to stop."""

    def __init__(self, sums: Sums) -> None:
        self._sums = sums
        self._tail: pl.DataFrame | None = None
        self._told: set[tuple[str, str, str]] = set()
        self.findings: list[Finding] = []

    def look_at(self, intervals: pl.DataFrame) -> None:
        """Args: intervals: the next ones of the file (INTERVAL_SCHEMA), in its order."""
        columns = [*METER, "at", "start", "amount"]
        rows = intervals.select(columns)
        if self._tail is not None:
            rows = pl.concat([self._tail, rows])
        broken = (pl.col("amount") <= 0) | (pl.col("amount") < pl.col("amount").shift(1).over(METER))
        runs = rows.with_columns(run=broken.fill_null(True).cast(pl.Int32).cum_sum().over(METER))
        # A row that breaks a run begins the next one, unless it is nought.
        runs = runs.filter(pl.col("amount") > 0)
        found = runs.group_by(*METER, "run", maintain_order=True).agg(
            pl.col("start").min(), pl.col("at").min(), length=pl.len(), values=pl.col("amount").n_unique()
        )
        for row in found.filter((pl.col("length") >= RUN) & (pl.col("values") >= VALUES)).iter_rows(named=True):
            self._tell(row)
        self._tail = rows.group_by(METER, maintain_order=True).tail(RUN).select(columns)

    def _tell(self, row: dict[str, object]) -> None:
        commodity, customer, meter = (str(row[name]) for name in METER)
        if (commodity, customer, meter) in self._told:
            return
        self._told.add((commodity, customer, meter))
        start, at = row["start"], row["at"]
        assert isinstance(start, int) and isinstance(at, int)
        self._sums.refuse_from(commodity, customer, meter, start)
        self.findings.append(Finding(at, BECAME_REGISTER, SENTENCES[BECAME_REGISTER]))
