"""Refused rows as a CSV file: as they were sent, with two more columns, `code` and `message`, to be mended and sent again."""

from __future__ import annotations

import csv
from pathlib import Path

import polars as pl

from carbon_bank.readings.service import sentence

VALUE_SHOWN = 80


def cut(value: str) -> str:
    return value if len(value) <= VALUE_SHOWN else value[: VALUE_SHOWN - 1] + "…"


class Rejections:
    """Written beside its place and put there at the end: it may be the file that is being read, with some rows mended."""

    def __init__(self, path: Path) -> None:
        self._path, self._part = path, path.with_name(path.name + ".part")
        self._file = self._part.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._columns: list[str] = []

    def add(self, sent: pl.DataFrame, refused: pl.DataFrame) -> None:
        """Args: sent: `line` and the columns of rows as they came. refused: `line, code` of those that were refused."""
        theirs = sent.join(refused.select("line", _why="code"), on="line", how="inner", maintain_order="left")
        if not theirs.height:
            return
        columns = [name for name in theirs.columns if name not in {"line", "_why"}]
        for *values, code in theirs.select(*columns, "_why").iter_rows():
            self.add_row(columns, values, code)

    def add_row(self, columns: list[str], values: list[str | None], code: str) -> None:
        if columns != self._columns:
            self._columns = columns
            self._writer.writerow([*columns, "code", "message"])
        self._writer.writerow([*values, code, sentence(code)])

    def close(self) -> None:
        self._file.close()
        self._part.replace(self._path)
