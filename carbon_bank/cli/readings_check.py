"""`carbon-bank readings check FILE`: what an import would say of a file, without a bank. What a utility runs before it sends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from carbon_bank.cli.rejections import Rejections, cut
from carbon_bank.foundation import clock
from carbon_bank.foundation.errors import InvalidInput, NotFound, TooLarge
from carbon_bank.foundation.units import BASE_UNIT, BASE_UNITS_PER_DISPLAY_UNIT, DISPLAY_UNIT, Commodity
from carbon_bank.readings.formats import known
from carbon_bank.readings.formats.mapping import Mapping, parse_mapping
from carbon_bank.readings.formats.normal import Chunk, Finding
from carbon_bank.readings.formats.options import Options
from carbon_bank.readings.formats.source import START_BYTES, Source
from carbon_bank.readings.intake import KEY, Status, judge, parse, tidied
from carbon_bank.readings.quantities import CALORIFIC_VALUE_MAX
from carbon_bank.readings.service import sentence

ROWS_MAX = 20_000_000
PLACES_SHOWN = 3
EXIT_SOME_REFUSED = 1
EXAMPLES = Path(known.__file__).parent / "examples"
NUMBERS = ["commodity", "customer_number", "meter_number"]


class SumTo(StrEnum):
    DAY = "day"
    MONTH = "month"


File = Annotated[Path, typer.Argument(help="CSV, NDJSON or XML, also as .gz; or Parquet.")]
Form = Annotated[str | None, typer.Option("--format", help=f"{', '.join(known.FORMATS)}. Left out: told by the file.")]
MappingName = Annotated[
    str | None,
    typer.Option(
        help="What a CSV's own columns mean: a YAML file, or the name of an example that comes with the bank."
    ),
]
Strict = Annotated[bool, typer.Option(help="Refuse what would be noted and read.")]
Sum = Annotated[SumTo, typer.Option(help="What intervals finer than a day become.")]
Refused = Annotated[
    Path | None, typer.Option(help="Write refused rows here, as they were sent, with code and message.")
]


def check(
    file: File,
    form: Form = None,
    mapping: MappingName = None,
    zone: Annotated[
        str, typer.Option(help="Time zone of the city, for files that tell moments and not theirs.")
    ] = "UTC",
    strict: Strict = False,
    sum_to: Sum = SumTo.DAY,
    calorific_value: Annotated[
        int | None, typer.Option(min=1, max=CALORIFIC_VALUE_MAX, help="Wh in a m3 of gas, for gas in units of energy.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write what was accepted here, in the columns that `simulate` reads.")
    ] = None,
    rejections: Refused = None,
) -> None:
    """Read a file as an import would, and say what is wrong with it. No database. Exit 0 clean, 1 with refused rows, 2 unreadable.

    It cannot know the bank's meters: whether each exists, how many digits its register has, what stands for it already.
    """
    options = Options(zone_of(zone), strict, sum_to.value, None if mapping is None else read_mapping(mapping))
    source = Source(file, str(file))
    checked = Checked(source, format_of(file, form), options, calorific_value)
    console = Console(highlight=False, soft_wrap=True)
    checked.read(clock.local_day(clock.now(), options.zone))
    console.print(f"{file}: {known.FORMATS[checked.form].title}", markup=False)
    for finding in checked.findings:
        console.print(told(finding), markup=False)
    if checked.refused.height:
        checked.tell_refused(console, rejections)
    if out is not None:
        checked.write(out)
    checked.summarise(console)
    if checked.refused.height:
        raise typer.Exit(EXIT_SOME_REFUSED)


def zone_of(name: str) -> str:
    if not clock.is_zone(name):
        raise InvalidInput("readings.zone", f"There is no time zone '{name}'. Write one as in Asia/Seoul.")
    return name


def read_mapping(name: str) -> Mapping:
    """A mapping from its file, or the example of that name. Raises: what `mapping_text` and `parse_mapping` raise."""
    return parse_mapping(mapping_text(name))


def mapping_text(name: str, looked_for: str = "") -> str:
    """Args: looked_for: what else the caller has looked for, to be told with what is not there.
    Raises: NotFound `formats.no_mapping`; InvalidInput `formats.mapping_invalid`."""
    example = EXAMPLES / f"{Path(name).name}.yaml"
    path = Path(name) if Path(name).is_file() else example
    if not path.is_file():
        examples = ", ".join(sorted(each.stem for each in EXAMPLES.glob("*.yaml")))
        raise NotFound(
            "formats.no_mapping",
            f"There is no file {name}, {looked_for}and no example of that name. Examples: {examples}.",
        )
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput("formats.mapping_invalid", f"{path} cannot be read: {error}.") from None


def format_of(file: Path, named: str | None) -> str:
    start = b""
    if file.is_file():
        with file.open("rb") as raw:
            start = raw.read(START_BYTES)
    return known.recognise(named, None, file.name, start)


def told(finding: Finding) -> str:
    where = "" if finding.at is None else f" line {finding.at}"
    times = f", {finding.count:,} times from there on" if finding.count > 1 else ""
    return f"noted{where}{times}: {finding.message} [{finding.code}]"


def _place(row: dict[str, Any]) -> str:
    value = row.get(row["column"] or "")
    column = f" {row['column']}" if row["column"] else ""
    return f"line {row['at']}{column}" + ("" if value is None else f" '{cut(value)}'")


_REFUSED = {"line": pl.Int32, "code": pl.String, "column": pl.String}
_SOUND = ["line", *KEY, "quantity", "quality", "reason", "reason_text", "cancel"]


@dataclass
class Checked:
    """What became of the rows of a file."""

    source: Source
    form: str
    options: Options
    calorific_value: int | None
    findings: list[Finding] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    passed_over: int = 0
    rows: int = 0
    refused: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_REFUSED))
    accepted: pl.DataFrame = field(default_factory=pl.DataFrame)
    meters: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=dict.fromkeys(NUMBERS, pl.String)))

    def read(self, today: date) -> None:
        sound, refused = [], [self.refused]
        for chunk in self._chunks():
            self.findings += chunk.findings
            self.passed_over += chunk.passed_over
            self.rows += chunk.rows.height
            if self.rows > ROWS_MAX:
                raise TooLarge(
                    "readings.too_many_rows", f"{self.source.name} has more than {ROWS_MAX} rows. Check it in parts."
                )
            rows = tidied(chunk.rows).with_columns(calorific_value=pl.lit(self.calorific_value, pl.Int64))
            parsed = parse(rows, today)
            numbered = self._numbered(parsed)
            sound.append(numbered.filter(pl.col("code").is_null()).select(_SOUND))
            refused.append(numbered.filter(pl.col("code").is_not_null()).select(list(_REFUSED)))
        if sound:
            self._judge(pl.concat(sound))
        self.refused = pl.concat([*refused, self.refused]).sort("line")
        self.statuses[Status.REFUSED] = self.refused.height

    def _chunks(self) -> Iterator[Chunk]:
        return known.read(self.source, self.form, self.options)

    def _numbered(self, rows: pl.DataFrame) -> pl.DataFrame:
        """`meter_id`: the place of a row's meter among those of the file."""
        keys = rows.select(pl.col(name).fill_null("").str.strip_chars() for name in NUMBERS)
        new = keys.unique(maintain_order=True).join(self.meters, on=NUMBERS, how="anti", maintain_order="left")
        self.meters = pl.concat([self.meters, new])
        return rows.with_columns(keys.join(self._places(), on=NUMBERS, how="left", maintain_order="left")["meter_id"])

    def _places(self) -> pl.DataFrame:
        return self.meters.with_row_index("meter_id").with_columns(pl.col("meter_id").cast(pl.Int64))

    def _judge(self, sound: pl.DataFrame) -> None:
        nothing = sound.clear().select(*KEY, "quantity", "quality", revision=pl.lit(1, pl.Int16))
        judged = judge(sound, nothing)
        self.statuses.update(dict(judged.outcomes["status"].value_counts().iter_rows()))
        self.refused = judged.outcomes.filter(pl.col("status") == Status.REFUSED.value).select(list(_REFUSED))
        stands = judged.readings.filter(pl.col("revision") == pl.col("revision").max().over(KEY))
        self.accepted = stands.filter(pl.col("quantity").is_not_null())

    def tell_refused(self, console: Console, path: Path | None) -> None:
        """Why rows were refused, with a few places of each reason, and all of them into a file.

        Reads the file again: what was sent was not kept.
        """
        counts = Counter(self.refused["code"])
        places: dict[str, list[str]] = {code: [] for code in counts}
        wanted = sum(min(count, PLACES_SHOWN) for count in counts.values())
        file = None if path is None else Rejections(path)
        for chunk in self._chunks():
            theirs = chunk.rows.drop("code", "column").join(self.refused, on="line", maintain_order="left")
            few = theirs.filter(pl.int_range(pl.len()).over("code") < PLACES_SHOWN)
            for row in few.iter_rows(named=True):
                if len(places[row["code"]]) < PLACES_SHOWN:
                    places[row["code"]].append(_place(row))
            if file is not None:
                file.add(chunk.sent, self.refused)
            elif sum(map(len, places.values())) == wanted:
                break
        for code, count in counts.most_common():
            more = f", and {count - len(places[code]):,} more" if count > len(places[code]) else ""
            console.print(f"{count:,} refused: {sentence(code)} [{code}]", markup=False)
            console.print(f"    {'; '.join(places[code])}{more}", markup=False)
        if file is not None:
            file.close()
            console.print(f"All of them: {path}", markup=False)

    def write(self, path: Path) -> None:
        """What was accepted, in the columns that `simulate` reads."""
        rows = self.accepted.join(self._places(), on="meter_id", how="left", maintain_order="left")
        named = pl.when(pl.col("meter_number") != "").then(pl.lit("/") + pl.col("meter_number")).otherwise(pl.lit(""))
        rows.select(
            household_id="customer_number",
            meter_id=pl.col("commodity") + "/" + pl.col("customer_number") + named,
            commodity="commodity",
            period_start="period_start",
            period_end="period_end",
            quantity="quantity",
            unit=pl.col("commodity").replace_strict({name.value: unit for name, unit in BASE_UNIT.items()}),
            quality="quality",
        ).write_csv(path)

    def summarise(self, console: Console) -> None:
        counts = ", ".join(
            f"{self.statuses[status]:,} {status}" for status in Status if status is not Status.QUARANTINED
        )
        over = f"; {self.passed_over:,} passed over" if self.passed_over else ""
        console.print(f"{counts} of {self.rows:,} rows{over}.")
        if self.accepted.height:
            console.print(self._table())

    def _table(self) -> Table:
        rows = self.accepted.join(self._places(), on="meter_id")
        table = Table(box=SIMPLE_HEAD)
        for column in ("commodity", "meters", "readings", "from", "to", "total", "estimated"):
            table.add_column(column, justify="left" if column == "commodity" else "right")
        for commodity in Commodity:
            of_one = rows.filter(pl.col("commodity") == commodity.value)
            if of_one.height:
                total = int(of_one["quantity"].cast(pl.Int128).sum())
                table.add_row(
                    commodity.value,
                    f"{of_one['meter_id'].n_unique():,}",
                    f"{of_one.height:,}",
                    str(of_one["period_start"].min()),
                    str(of_one["period_end"].max()),
                    f"{total // BASE_UNITS_PER_DISPLAY_UNIT:,}.{total % BASE_UNITS_PER_DISPLAY_UNIT:03d} "
                    f"{DISPLAY_UNIT[commodity].name}",
                    f"{(of_one['quality'].cast(pl.String) == 'estimated').sum():,}",
                )
        return table
