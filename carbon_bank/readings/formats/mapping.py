"""What a utility's own columns mean: a document that is saved once and read with each of its files.

YAML or JSON. `dates`, `readings` and the rest say how the text is written; exactly one of `period`, `intervals`, `registers`
and `bills` says what the days of a row are. docs/formats.md shows each.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from carbon_bank.foundation.errors import Fault, InvalidInput

MAPPING_CHARACTERS_MAX = 100_000
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
ENCODINGS = ("utf-8", "utf-16", "latin-1", "windows-1252", "cp949", "shift_jis", "gb18030")
_TOKENS = {"YYYY": "%Y", "YY": "%y", "MM": "%m", "DD": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
_PATTERN = re.compile("|".join(_TOKENS))


_DATES = {frozenset({*year, "MM", "DD"}) for year in (("YYYY",), ("YY",))}
_TIMES = {frozenset({"HH", "mm"}), frozenset({"HH", "mm", "ss"})}


def _pattern_of(wanted: set[frozenset[str]]) -> Callable[[str], str]:
    """A pattern with each of the wanted parts once, and no other: a part that lacks would be guessed."""

    def checked(pattern: str) -> str:
        found = _PATTERN.findall(pattern)
        if (
            re.search(r"[A-Za-z%]", _PATTERN.sub("", pattern))
            or len(found) != len(set(found))
            or set(found) not in wanted
        ):
            raise ValueError(
                "write it with each of DD, MM and YYYY (or YY) once, and hours as HH:mm or HH:mm:ss, as in DD-MM-YYYY or "
                "YYYY-MM-DD HH:mm"
            )
        return pattern

    return checked


def _zone(name: str | None) -> str | None:
    try:
        if name is not None:
            ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("it is no time zone that is known; write one as in Europe/Brussels") from None
    return name


def _value(given: object) -> object:
    """A bare text is a constant: `commodity: gas`."""
    return {"value": given} if isinstance(given, str) else given


def _several(given: object) -> object:
    return [given] if isinstance(given, str) else given


Column = Annotated[str, Field(min_length=1, max_length=200)]
Columns = Annotated[list[Column], BeforeValidator(_several), Field(min_length=1, max_length=20)]
_Text = Field(min_length=2, max_length=40)
Dates = Annotated[
    str, _Text, AfterValidator(_pattern_of(_DATES | {dates | times for dates in _DATES for times in _TIMES}))
]
Times = Annotated[str, _Text, AfterValidator(_pattern_of(_TIMES))]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Value(_Part):
    """Either a constant, or what stands in a column: as it stands, or translated."""

    value: str | None = None
    column: Column | None = None
    values: dict[str, str] | None = Field(
        None, description="What stands there -> what it means. Others refuse the row."
    )

    @model_validator(mode="after")
    def _one(self) -> Value:
        if (self.value is None) == (self.column is None):
            raise ValueError("give one of value and column")
        if self.values is not None and self.column is None:
            raise ValueError("values translate what stands in a column; name it")
        return self


Given = Annotated[Value, BeforeValidator(_value)]


class Amount(_Part):
    """A number in a column; of several columns, their sum."""

    column: Columns


class MappedReading(_Part):
    """One reading of a row. `quantity` what was used; with `registers` what the meter showed."""

    commodity: Given
    customer_number: Given
    meter_number: Given | None = None
    unit: Given
    quality: Given | None = None
    reason: Given | None = None
    reason_text: Given | None = None
    quantity: Amount


class Period(_Part):
    """Each row has its own first and last day."""

    start: Column
    end: Column
    end_counts: bool = Field(False, description="Whether the end is the last day itself, not the day after it.")


class Intervals(_Part):
    """Each row is a stretch of time finer than a day: from a moment, for so many minutes or until another."""

    date: Column
    time: Column | None = None
    end_date: Column | None = None
    end_time: Column | None = None
    minutes: int | None = Field(None, ge=1, le=1440)

    @model_validator(mode="after")
    def _one_end(self) -> Intervals:
        if (self.minutes is None) == (self.end_date is None):
            raise ValueError("give one of minutes and end_date")
        return self


class Moments(_Part):
    """Each row is a moment: when a register was read, or a bill was written. Of several on one day the first counts."""

    date: Column
    time: Column | None = None


class Mapping(_Part):
    delimiter: Literal["comma", "semicolon", "tab", "pipe"] = "comma"
    encoding: Literal["utf-8", "utf-16", "latin-1", "windows-1252", "cp949", "shift_jis", "gb18030"] = "utf-8"
    decimal: Literal["point", "comma"] = "point"
    thousands: Literal["none", "point", "comma", "space", "apostrophe"] = "none"
    dates: Dates = "YYYY-MM-DD"
    times: Times = "HH:mm"
    zone: Annotated[str | None, AfterValidator(_zone)] = Field(None, description="Left out: the city's.")
    where: dict[Column, Annotated[list[str], BeforeValidator(_several)]] = Field(
        {}, description="Only rows with these values are read."
    )
    period: Period | None = None
    intervals: Intervals | None = None
    registers: Moments | None = None
    bills: Moments | None = None
    readings: list[MappedReading] = Field(min_length=1, max_length=10)

    @model_validator(mode="after")
    def _agree(self) -> Mapping:
        kinds = [name for name in ("period", "intervals", "registers", "bills") if getattr(self, name) is not None]
        if len(kinds) != 1:
            raise ValueError(
                f"give exactly one of period, intervals, registers and bills, not {' and '.join(kinds) or 'none'}"
            )
        if self.thousands == self.decimal:
            raise ValueError(f"decimal and thousands are both {self.decimal}")
        return self

    @property
    def days(self) -> Period | Intervals | Moments:
        """What the days of a row are."""
        found = self.period or self.intervals or self.registers or self.bills
        assert found is not None
        return found

    @property
    def columns(self) -> list[str]:
        """Every column that the mapping names, once, in its order: all of them must be in the header."""
        named = [value for value in self.days.model_dump().values() if isinstance(value, str)]
        for reading in self.readings:
            for part in (getattr(reading, name) for name in MappedReading.model_fields):
                named += part.column if isinstance(part, Amount) else [part.column] if part and part.column else []
        return list(dict.fromkeys([*named, *self.where]))


def strptime_of(pattern: str) -> str:
    """`DD-MM-YYYY` as Polars writes it."""
    return _PATTERN.sub(lambda found: _TOKENS[found[0]], pattern)


def parse_mapping(text: str) -> Mapping:
    """A mapping from its YAML (or JSON) text.

    Raises: InvalidInput `formats.mapping_invalid`, all problems in one answer, each with its key.
    """
    if len(text) > MAPPING_CHARACTERS_MAX:
        raise _invalid(
            [Fault("", "formats.mapping_invalid", f"It is longer than {MAPPING_CHARACTERS_MAX} characters.")]
        )
    try:
        document: Any = yaml.load(text, Loader=_Plain)  # noqa: S506  (a safe loader, without dates and aliases)
    except (yaml.YAMLError, RecursionError) as error:
        raise _invalid(
            [Fault("", "formats.mapping_invalid", f"It is no YAML: {' '.join(str(error).split())}.")]
        ) from None
    try:
        return Mapping.model_validate(document)
    except ValidationError as error:
        faults = [
            Fault(
                ".".join(map(str, each["loc"])),
                "formats.mapping_invalid",
                f"{each['msg'].removeprefix('Value error, ')}.".replace("..", "."),
                None if isinstance(each["input"], dict | list) else str(each["input"])[:80],
            )
            for each in error.errors()
        ]
        raise _invalid(faults) from None


class _Plain(yaml.SafeLoader):
    """Text stays text: `date: 2026-01-01` is not turned into a day, and nothing refers to anything else."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("an alias (*name) is not read here; write it out")
        return super().compose_node(parent, index)


_Plain.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag in {"tag:yaml.org,2002:int", "tag:yaml.org,2002:null"}]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
} | {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag in {"tag:yaml.org,2002:int", "tag:yaml.org,2002:null", "tag:yaml.org,2002:bool"}
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    if first in "tf"
}


def _invalid(faults: list[Fault]) -> InvalidInput:
    told = "; ".join(f"{fault.where}: {fault.message}".removeprefix(": ") for fault in faults[:5])
    return InvalidInput(
        "formats.mapping_invalid", f"The mapping does not hold: {told} See docs/formats.md.", faults=faults
    )
