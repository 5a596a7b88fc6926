"""The files of an export package: tables as CSV and Parquet, their sums, and the archive around them.

The same rows give the same bytes: no time, no order of a dictionary, no name of a machine, no version of a library goes in.
"""

from __future__ import annotations

from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import IO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from carbon_bank.audit.export.form import Column, Table, Type
from carbon_bank.foundation.sheet import safe_cell

SUMS = "SHA256SUMS"
CHUNK_BYTES = 2**20
DAWN = (1980, 1, 1, 0, 0, 0)
"""The first moment that a ZIP archive can tell: every file is of that day."""
_UNIX, _PLAIN_FILE = 3, 0o100644 << 16
_MOMENT_FORM = "%Y-%m-%dT%H:%M:%S%.6fZ"
_ARROW = {
    Type.TEXT: pa.string(),
    Type.WHOLE: pa.int64(),
    Type.EXACT: pa.decimal128(38, 0),
    Type.DAY: pa.date32(),
    Type.MOMENT: pa.timestamp("us", "UTC"),
    Type.TRUTH: pa.bool_(),
}
_WRITER = b"parquet-cpp-arrow version "
_CREATED_BY = b"carbon-bank version 1 (build 0)"
_TAIL_BYTES = 8


class TableFile:
    """A table on its way into a package: written frame by frame, so that it may be larger than memory."""

    def __init__(self, table: Table, folder: Path) -> None:
        self.table, self.rows = table, 0
        name = table.name.replace("/", "-")
        self.csv, self.parquet = folder / f"{name}.csv", folder / f"{name}.parquet"
        self._csv: IO[bytes] = self.csv.open("wb")
        self._csv.write(",".join(table.schema).encode() + b"\n")
        schema = pa.schema([(column.name, _ARROW[column.type]) for column in table.columns])
        self._parquet = (
            pq.ParquetWriter(self.parquet, schema, compression="zstd", store_schema=False)
            if table.with_parquet
            else None
        )

    def write(self, frame: pl.DataFrame) -> None:
        """Add rows. Args: frame: has the table's columns, in any order, among others."""
        if frame.is_empty():
            return
        # In one piece: how Polars cut it up is no one's business, and would show in the pages of a Parquet file.
        rows = frame.select(*self.table.schema).cast(dict(self.table.schema)).rechunk()  # type: ignore[arg-type]
        self.rows += rows.height
        rows.select(*map(_cell, self.table.columns)).write_csv(
            self._csv, include_header=False, datetime_format=_MOMENT_FORM
        )
        if self._parquet is not None:
            self._parquet.write_table(rows.to_arrow().cast(self._parquet.schema).combine_chunks())

    def close(self) -> None:
        """End the files. Once more, it does nothing."""
        self._csv.close()
        if self._parquet is not None:
            self._parquet.close()
            self._parquet = None
            name_no_version(self.parquet)

    def __enter__(self) -> TableFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _cell(column: Column) -> pl.Expr:
    cell = pl.col(column.name)
    if column.is_written:
        return cell.map_elements(safe_cell, return_dtype=pl.String)
    return cell


def name_no_version(path: Path) -> None:
    """Put a name without a version where a Parquet file tells which version of which library wrote it.

    Source: Parquet, FileMetaData.created_by (field 6, a string of Thrift's compact protocol: its length in one byte, then it).
    """
    with path.open("r+b") as file:
        end = file.seek(-_TAIL_BYTES, 2)
        length = int.from_bytes(file.read(4), "little")
        file.seek(end - length)
        footer = file.read(length)
        begin = footer.index(_WRITER)
        named = footer[begin - 1]
        footer = footer[: begin - 1] + bytes([len(_CREATED_BY)]) + _CREATED_BY + footer[begin + named :]
        file.seek(end - length)
        file.truncate()
        file.write(footer + len(footer).to_bytes(4, "little") + b"PAR1")


class Package:
    """An archive that is being written, all its files below one folder, and their sums."""

    def __init__(self, path: Path, top: str) -> None:
        self._zip, self._top = ZipFile(path, "w", ZIP_DEFLATED), top
        self._sums: dict[str, str] = {}

    def __enter__(self) -> Package:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def add(self, name: str, data: bytes) -> None:
        self._copy(name, BytesIO(data), ZIP_DEFLATED)

    def add_table(self, file: TableFile) -> None:
        """Take in a table that is written, and remove its own files."""
        file.close()
        paths = [(f"{file.table.name}.csv", file.csv, ZIP_DEFLATED)]
        if file.table.with_parquet:
            paths.append((f"parquet/{file.table.name}.parquet", file.parquet, ZIP_STORED))
        for name, path, method in paths:
            with path.open("rb") as source:
                self._copy(name, source, method)
            path.unlink()

    def sums(self) -> bytes:
        """The sums of the files until now, as `sha256sum` writes and reads them."""
        return "".join(f"{digest}  {name}\n" for name, digest in sorted(self._sums.items())).encode()

    def _copy(self, name: str, source: IO[bytes], method: int) -> None:
        assert name not in self._sums, f"{name} is in the package already"
        entry = ZipInfo(f"{self._top}/{name}", DAWN)
        entry.compress_type, entry.create_system, entry.external_attr = method, _UNIX, _PLAIN_FILE
        digest = sha256()
        with self._zip.open(entry, "w", force_zip64=True) as target:
            while part := source.read(CHUNK_BYTES):
                digest.update(part)
                target.write(part)
        self._sums[name] = digest.hexdigest()
