"""The formats that there are, and telling them apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath

from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.readings.formats import csv_format, csv_values, espi, interval_codes, ndjson, parquet
from carbon_bank.readings.formats.normal import Chunks
from carbon_bank.readings.formats.options import Options
from carbon_bank.readings.formats.source import Source


@dataclass(frozen=True)
class Format:
    """Args: media_types: the first is the one to send. suffixes: of file names, `.gz` aside."""

    name: str
    title: str
    media_types: tuple[str, ...]
    suffixes: tuple[str, ...]
    read: Callable[[Source, Options], Chunks]


FORMATS: dict[str, Format] = {
    each.name: each
    for each in (
        Format("csv", "CSV", ("text/csv", "application/csv"), (".csv", ".txt", ".tsv"), csv_format.read),
        Format(
            "espi", "Green Button (ESPI)", ("application/atom+xml", "application/xml", "text/xml"), (".xml",), espi.read
        ),
        Format(
            "ndjson", "NDJSON", ("application/x-ndjson", "application/jsonl"), (".ndjson", ".jsonl"), ndjson.read
        ),
        Format(
            "parquet",
            "Parquet",
            ("application/vnd.apache.parquet", "application/x-parquet"),
            (".parquet",),
            parquet.read,
        ),
    )
}  # fmt: skip
SENTENCES: dict[str, str] = {
    code: sentence
    for each in (csv_format, csv_values, espi, interval_codes, ndjson, parquet)
    for code, sentence in each.SENTENCES.items()
}
"""What each code means that a format gives to a row, and what to do."""


def recognise(name: str | None, media_type: str | None, file_name: str, first_bytes: bytes) -> str:
    """The name of a file's format: as it was named, by its media type, by its file's name, or by how it begins.

    Raises: InvalidInput `formats.unknown`.
    """
    if name is not None:
        if name not in FORMATS:
            raise _unknown(f"There is no format '{name[:40]}'.")
        return name
    kind = (media_type or "").partition(";")[0].strip().lower()
    suffixes = [each for each in PurePath(file_name.lower()).suffixes if each != ".gz"]
    for each in FORMATS.values():
        if kind in each.media_types:
            return each.name
    for each in FORMATS.values():
        if suffixes and suffixes[-1] in each.suffixes:
            return each.name
    begins = first_bytes.lstrip(b"\xef\xbb\xbf \t\r\n")
    for start, found in ((b"PAR1", "parquet"), (b"<", "espi"), (b"{", "ndjson")):
        if begins.startswith(start):
            return found
    raise _unknown(f"Neither its media type nor its name '{file_name[:80]}' tells the format.")


def read(source: Source, name: str, options: Options) -> Chunks:
    """The readings of a file. Raises: what its format raises, from here on or while it is read."""
    if options.mapping is not None and name != "csv":
        raise InvalidInput(
            "formats.mapping_unused",
            f"A mapping says what the columns of a CSV mean, and {source.name} is {FORMATS[name].title}. Leave it out.",
            {"file": source.name, "format": name},
        )
    return FORMATS[name].read(source, options)


def _unknown(what: str) -> InvalidInput:
    listed = "; ".join(f"{each.name} ({each.media_types[0]}, {', '.join(each.suffixes)})" for each in FORMATS.values())
    return InvalidInput("formats.unknown", f"{what} There are {listed}. Name one.", {"formats": list(FORMATS)})
