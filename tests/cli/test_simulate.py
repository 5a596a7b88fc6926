"""`carbon-bank simulate`, from the command line. Source: rules.md section 9."""

from __future__ import annotations

import csv
import gzip
import io
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from random import Random

import polars as pl
import pytest
import typer
from typer.testing import CliRunner, Result

from carbon_bank.cli import simulate_rows, simulate_run
from carbon_bank.cli.simulate import simulate
from carbon_bank.cli.simulate_files import read_rows
from carbon_bank.foundation import clock
from carbon_bank.foundation.errors import Refusal
from carbon_bank.programme.policy import load_policy

HEADER = "household_id,meter_id,commodity,period_start,period_end,quantity,unit,quality"
KOREA = "korea-carbon-point@2024"

app = typer.Typer()
app.command()(simulate)


@app.callback()
def _commands() -> None:
    """With a second command behind it, `simulate` stays a name."""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def file(*rows: str, name: str = "readings.csv", header: str = HEADER) -> Path:
        path = tmp_path / name
        path.write_text("\n".join([header, *rows]) + "\n", "utf-8")
        return path

    return file


def run(readings: Path, *arguments: str | Path, policy: str = KOREA) -> Result:
    options = ["simulate", "--policy", policy, "--readings", str(readings), *map(str, arguments)]
    return CliRunner().invoke(app, options)


def awards(result: Result) -> list[dict[str, str]]:
    assert result.exit_code == 0, (result.stderr, result.exception)
    return list(csv.DictReader(io.StringIO(result.stdout)))


def refusal(result: Result) -> Refusal:
    assert isinstance(result.exception, Refusal), result.exception
    return result.exception


def half_year(year: int, use: int, household: str = "h1", meter: str = "m1", skip: tuple[int, ...] = ()) -> list[str]:
    return [
        f"{household},{meter},electricity,{year}-{month:02d}-01,{year}-{month + 1:02d}-01,{use},kWh,actual"
        for month in range(1, 7)
        if month not in skip
    ]


WORKED = half_year(2024, 300) + half_year(2025, 280, skip=(3,)) + half_year(2026, 270)


class TestOutput:
    def test_the_worked_example_comes_out_to_the_letter(self, write: Callable[..., Path]) -> None:
        result = run(write(*WORKED), "--periods", "2026-H1")
        assert result.stdout == (
            "period,household_id,commodity,outcome,baseline,usage,reduction_percent,points,avoided_g_co2e,findings\n"
            "2026-H1,h1,electricity,reduction,1750000,1620000,7.42,5000,55120,usage.repeated\n"
        )
        assert "points 5000, t CO2e avoided 0.055" in result.stderr

    def test_its_second_half_needs_the_mean_of_the_other_months(self, write: Callable[..., Path]) -> None:
        rows = half_year(2024, 300, skip=(3,)) + half_year(2025, 280, skip=(3,)) + half_year(2026, 270)
        [row] = awards(run(write(*rows), "--periods", "2026-H1"))
        assert (row["baseline"], row["reduction_percent"]) == ("1740000", "6.89")

    def test_its_third_is_incomplete(self, write: Callable[..., Path]) -> None:
        rows = half_year(2024, 300) + half_year(2025, 280) + half_year(2026, 270, skip=(3,))
        [row] = awards(run(write(*rows), "--periods", "2026-H1"))
        assert (row["outcome"], row["points"], row["usage"], row["reduction_percent"]) == ("incomplete", "0", "", "")

    def test_more_use_is_floored_toward_minus_infinity(self, write: Callable[..., Path]) -> None:
        rows = half_year(2025, 300) + half_year(2026, 301)
        [row] = awards(run(write(*rows), "--periods", "2026-H1"))
        assert (row["outcome"], row["reduction_percent"], row["avoided_g_co2e"]) == ("no_reduction", "-0.34", "-2544")

    def test_rows_are_sorted_by_period_household_and_commodity(self, write: Callable[..., Path]) -> None:
        rows = [
            f"{home},{home}-{name},{name},{year}-05-01,{year}-06-01,1,{unit},actual"
            for home in ("h2", "h10", "h1")
            for name, unit in (("water", "m3"), ("electricity", "kWh"))
            for year in (2026, 2025)
        ]
        found = [(row["period"], row["household_id"], row["commodity"]) for row in awards(run(write(*rows)))]
        assert found == sorted(found)
        assert len(found) == 18, "the periods between, which the tenures span, are settled too"

    def test_left_out_periods_are_all_that_the_readings_reach(self, write: Callable[..., Path]) -> None:
        result = run(write("h1,m1,gas,2025-06-15,2025-07-02,5,m3,actual"))
        assert [row["period"] for row in awards(result)] == ["2025-H1", "2025-H2"]

    def test_a_run_of_reductions_is_carried_from_period_to_period(self, write: Callable[..., Path]) -> None:
        rows = []
        for year, use in ((2022, 1000), (2023, 900), (2024, 800), (2025, 840), (2026, 815)):
            for month in range(1, 13 if year < 2026 else 7):
                end = f"{year + month // 12}-{month % 12 + 1:02d}-01"
                rows.append(f"h1,m1,electricity,{year}-{month:02d}-01,{end},{use},kWh,actual")
        found = {
            row["period"]: (row["outcome"], row["points"])
            for row in awards(run(write(*rows), "--periods", "2023-H1..2026-H1"))
        }
        assert found["2024-H2"] == ("reduction", "15000")
        assert found["2025-H1"] == ("maintenance", "3000")  # 840 against 850: 1.17 %
        assert found["2025-H2"] == ("maintenance", "3000")
        assert found["2026-H1"] == ("maintenance", "3000")  # 815 against 820

    @pytest.mark.parametrize("name", ["awards.csv", "awards.parquet"])
    def test_a_file_holds_the_same_in_the_format_that_its_name_ends_with(
        self, write: Callable[..., Path], tmp_path: Path, name: str
    ) -> None:
        out = tmp_path / name
        result = run(write(*WORKED), "--out", out)
        assert (result.exit_code, result.stdout) == (0, "")
        frame = pl.read_parquet(out) if name.endswith("parquet") else pl.read_csv(out)
        assert frame.filter(pl.col("period") == "2026-H1")["points"].to_list() == [5000]
        assert list(tmp_path.glob(".*")) == [], "nothing half written is left behind"

    def test_a_table_is_for_reading(self, write: Callable[..., Path], tmp_path: Path) -> None:
        result = run(write(*WORKED), "--periods", "2026-H1", "--format", "table")
        assert "1750000" in result.stdout and "┃" in result.stdout
        out = tmp_path / "awards.txt"
        assert run(write(*WORKED), "--periods", "2026-H1", "--format", "table", "--out", out).exit_code == 0
        assert "1750000" in out.read_text("utf-8")

    def test_parquet_is_not_for_standard_output(self, write: Callable[..., Path]) -> None:
        assert refusal(run(write(*WORKED), "--format", "parquet")).code == "simulate.format"

    def test_a_combined_rate_is_told_in_grams(self, write: Callable[..., Path], tmp_path: Path) -> None:
        policy = tmp_path / "seoul.yaml"
        policy.write_text(
            "{policy: seoul, version: '1', effective_from: 2025-01-01, period_months: 6, anchor_month: 1,\n"
            "commodities: {electricity: {factor: '0.424'}}, baseline: {method: same_months_mean},\n"
            "reduction: {basis: combined_co2e, tiers: [{from: '0.05', points: 10000}]}}\n"
        )
        [row] = awards(run(write(*WORKED), "--periods", "2026-H1", policy=str(policy)))
        assert (row["commodity"], row["baseline"], row["usage"]) == ("combined", "742000", "686880")

    def test_a_closed_pipe_ends_it_without_a_word(self, write: Callable[..., Path]) -> None:
        rows = [f"h{n},m{n},gas,2025-01-01,2025-02-01,1,m3,actual" for n in range(30_000)]
        command = "import typer; from carbon_bank.cli.simulate import simulate; typer.run(simulate)"
        arguments = [sys.executable, "-c", command, "--policy", KOREA, "--readings", str(write(*rows))]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None and process.stderr is not None
            process.stdout.close()
            assert process.stderr.read() == b""
            assert process.wait(60) == 141


class TestInput:
    def test_gzip_and_parquet_say_the_same_as_csv(self, write: Callable[..., Path], tmp_path: Path) -> None:
        plain = write(*WORKED)
        packed = tmp_path / "readings.csv.gz"
        packed.write_bytes(gzip.compress(plain.read_bytes()))
        columns = pl.read_csv(plain, infer_schema=False)
        as_text, typed = tmp_path / "text.parquet", tmp_path / "typed.parquet"
        columns.write_parquet(as_text)
        columns.with_columns(
            pl.col("period_start").str.to_date(),
            pl.col("period_end").str.to_datetime(),
            pl.col("quantity").cast(pl.Decimal(10, 3)),
        ).write_parquet(typed)
        expected = run(plain).stdout
        assert [run(path).stdout for path in (packed, as_text, typed)] == [expected] * 3

    def test_marks_and_line_ends_of_other_systems_do_no_harm(self, write: Callable[..., Path]) -> None:
        plain = write(*WORKED)
        expected = run(plain).stdout
        plain.write_bytes(b"\xef\xbb\xbf" + plain.read_bytes().replace(b"\n", b"\r\n"))
        assert run(plain).stdout == expected
        quoted = [",".join(f'"{value}"' for value in row.split(",")) for row in WORKED]
        assert run(write(*quoted)).stdout == expected

    def test_columns_may_stand_in_any_order_with_others(self, write: Callable[..., Path]) -> None:
        rows = [",".join([*reversed(row.split(",")), "x"]) for row in WORKED]
        header = ",".join([*reversed(HEADER.split(",")), "remark"])
        assert run(write(*rows, header=header)).stdout == run(write(*WORKED)).stdout

    def test_a_broken_parquet_is_refused_and_does_not_end_the_process(
        self, tmp_path: Path, write: Callable[..., Path]
    ) -> None:
        """As Polars' own reader may: read by pyarrow, whatever is broken is a refusal."""
        whole, broken = tmp_path / "whole.parquet", tmp_path / "broken.parquet"
        pl.read_csv(write(*WORKED), infer_schema=False).write_parquet(whole)
        content, random = whole.read_bytes(), Random(5)
        for _ in range(300):
            changed = bytearray(content)
            for _ in range(random.randint(1, 4)):
                changed[random.randrange(4, len(changed))] = random.randrange(256)
            broken.write_bytes(changed[: random.choice([len(changed), random.randrange(4, len(changed))])])
            try:
                read_rows(broken, [])
            except Refusal as error:
                assert error.code in {"simulate.file_format", "simulate.float", "simulate.file_size"}

    def test_floating_point_in_parquet_is_refused(self, tmp_path: Path, write: Callable[..., Path]) -> None:
        path = tmp_path / "float.parquet"
        pl.read_csv(write(*WORKED), infer_schema=False).with_columns(pl.col("quantity").cast(pl.Float64)).write_parquet(
            path
        )
        assert refusal(run(path)).code == "simulate.float"

    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (b"", "simulate.file_format"),
            (b"household_id,meter_id\n", "simulate.columns"),
            (HEADER.encode() + b"\nh1,m1\xff,gas\n", "simulate.file_format"),
            (b"\x1f\x8b\x08 broken", "simulate.file_format"),
            (b"PAR1 broken", "simulate.file_format"),
            (HEADER.encode() + b"\nh1,m1,gas,2025-01-01,2025-02-01,1,m3,actual,9,9\n", "simulate.file_format"),
            (HEADER.encode() + b'\nh1,"m1,gas\n', "simulate.file_format"),
        ],
    )
    def test_a_file_that_cannot_be_read_is_refused(self, tmp_path: Path, content: bytes, code: str) -> None:
        path = tmp_path / "odd.csv"
        path.write_bytes(content)
        assert refusal(run(path)).code == code

    def test_a_missing_file_a_strange_period_and_an_unknown_policy_are_refused(
        self, write: Callable[..., Path]
    ) -> None:
        assert refusal(run(Path("nowhere.csv"))).code == "simulate.file"
        assert refusal(run(write(*WORKED), "--periods", "2026-Q1")).code == "programme.period"
        assert refusal(run(write(*WORKED), "--periods", "2026-H3")).code == "calendar.period"
        assert refusal(run(write(*WORKED), "--periods", "1970-H1..9000-H1")).code == "simulate.periods"
        assert refusal(run(write(*WORKED), policy="none@1")).code == "programme.policy_unknown"

    def test_no_file_is_overwritten_by_another(self, write: Callable[..., Path]) -> None:
        readings = write(*WORKED)
        assert refusal(run(readings, "--out", readings)).code == "simulate.same_file"

    def test_a_device_is_written_to_and_not_replaced(self, write: Callable[..., Path]) -> None:
        assert run(write(*WORKED), "--out", "/dev/null").exit_code == 0
        assert Path("/dev/null").is_char_device()

    def test_a_place_that_cannot_be_written_is_told(self, write: Callable[..., Path], tmp_path: Path) -> None:
        assert refusal(run(write(*WORKED), "--out", tmp_path / "no" / "where.csv")).code == "simulate.out"

    def test_a_file_with_a_header_alone_settles_nothing(self, write: Callable[..., Path]) -> None:
        result = run(write())
        assert awards(result) == []
        assert "awards 0: none" in result.stderr


def test_the_parts_in_which_a_city_is_taken_do_not_matter(
    write: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tmp_path / "standard.yaml"
    text = load_policy(KOREA).text
    policy.write_text(
        text.replace("standard_use: null", "standard_use: {share: '1', points: {electricity: 7}}"), "utf-8"
    )
    rows = [
        row
        for home in range(40)
        for year in (2025, 2026)
        for row in half_year(year, 100 + (home * 37 + year) % 90, f"h{home}", f"m{home if home % 9 else 0}")
    ]
    Random(1).shuffle(rows)
    refused = tmp_path / "refused.csv"
    whole = run(write(*rows), "--skip-bad-rows", refused, policy=str(policy))
    told = refused.read_text("utf-8")
    monkeypatch.setattr(simulate_rows, "ROWS_PER_PART", 7)
    monkeypatch.setattr(simulate_run, "HOUSEHOLDS_PER_CHUNK", 3)
    parts = run(write(*rows), "--skip-bad-rows", refused, policy=str(policy))
    assert len(awards(whole)) > 70
    assert parts.stdout == whole.stdout
    assert refused.read_text("utf-8") == told
    assert len(told.splitlines()) > 50, "the meter that five households claim has other readings for each"


class TestHouseholds:
    def test_the_tenure_starts_on_the_day_they_moved_in(self, write: Callable[..., Path]) -> None:
        homes = write("h1,flat,2,2025-02-01", name="homes.csv", header="household_id,dwelling_type,residents,moved_in")
        [row] = awards(
            run(write(*half_year(2025, 300), *half_year(2026, 270)), "--households", homes, "--periods", "2026-H1")
        )
        assert (row["outcome"], row["baseline"]) == ("reduction", "1800000")  # five months x 6 / 5
        late = write("h1,,,2025-06-01", name="homes.csv", header="household_id,dwelling_type,residents,moved_in")
        [row] = awards(
            run(write(*half_year(2025, 300), *half_year(2026, 270)), "--households", late, "--periods", "2026-H1")
        )
        assert row["outcome"] == "not_evaluable"

    def test_their_bad_rows_are_refused_too(self, write: Callable[..., Path]) -> None:
        rows = ["h1,flat,none,", "h2,flat,2,2025-02-30", "h3,,,", "h3,,,", ",,,"]
        homes = write(*rows, name="homes.csv", header="household_id,dwelling_type,residents,moved_in")
        result = run(write(*WORKED), "--households", homes)
        assert result.exit_code == 2
        for line, column in ((2, "residents"), (3, "moved_in"), (5, "household_id"), (6, "household_id")):
            assert f"homes.csv line {line}, column {column}" in result.stderr

    def test_newcomers_are_compared_with_peers_of_their_kind(self, write: Callable[..., Path], tmp_path: Path) -> None:
        policy = tmp_path / "peers.yaml"
        policy.write_text(
            "{policy: peers, version: '1', effective_from: 2025-01-01, period_months: 6, anchor_month: 1,\n"
            "commodities: {electricity: {factor: '0.424'}},\n"
            "baseline: {method: same_months_mean, newcomer: peer_mean, peer_min: 2},\n"
            "reduction: {basis: per_commodity, tiers: {electricity: [{from: '0.05', points: 1}]}}}\n"
        )
        rows = half_year(2026, 100, "h1", "m1") + half_year(2026, 300, "h2", "m2") + half_year(2026, 9, "h3", "m3")
        homes = write(
            "h1,flat,2,",
            "h2,flat,2,",
            "h3,house,2,",
            name="homes.csv",
            header="household_id,dwelling_type,residents,moved_in",
        )
        found = awards(run(write(*rows), "--households", homes, policy=str(policy)))
        assert [(row["outcome"], row["baseline"]) for row in found] == [
            ("reduction", "1200000"), ("no_reduction", "1200000"), ("not_evaluable", ""),
        ]  # fmt: skip
        assert found[0]["findings"] == "usage.repeated;baseline.peer"


class TestBadRows:
    good = "h9,m9,gas,2025-01-01,2025-02-01,1,m3,actual"

    @pytest.mark.parametrize(
        ("row", "column", "code"),
        [
            ("h1,m1,gas,2025-01-01,2025-02-01,abc,m3,actual", "quantity", "readings.not_a_number"),
            ("h1,m1,gas,2025-01-01,2025-02-01,NaN,m3,actual", "quantity", "readings.not_a_number"),
            ("h1,m1,gas,2025-01-01,2025-02-01,,m3,actual", "quantity", "readings.missing"),
            ("h1,m1,gas,2025-01-01,2025-02-01,-1,m3,actual", "quantity", "readings.negative"),
            ("h1,m1,gas,2025-01-01,2025-02-01,999999999999999,m3,actual", "quantity", "readings.too_large"),
            ("h1,m1,gas,2025-01-01,2025-02-01,1,kWh,actual", "unit", "readings.unit"),
            ("h1,m1,gas,2025-01-01,2025-02-01,1,,actual", "unit", "readings.missing"),
            ("h1,m1,steam,2025-01-01,2025-02-01,1,m3,actual", "commodity", "readings.commodity"),
            ("h1,m1,gas,2025-01-01,2025-02-01,1,m3,perfect", "quality", "readings.quality"),
            ("h1,m1,gas,2025-02-01,2025-01-01,1,m3,actual", "period_end", "readings.period_order"),
            ("h1,m1,gas,2025-02-01,2025-02-01,1,m3,actual", "period_end", "readings.period_order"),
            ("h1,m1,gas,2025-01-01,2025-04-12,1,m3,actual", "period_end", "readings.period_too_long"),
            ("h1,m1,gas,2025-02-29,2025-03-11,1,m3,actual", "period_start", "readings.date"),
            ("h1,m1,gas,2025-1-1,2025-02-01,1,m3,actual", "period_start", "readings.date"),
            ("h1,m1,gas,0025-01-01,2025-02-01,1,m3,actual", "period_start", "readings.date"),
            (" ,m1,gas,2025-01-01,2025-02-01,1,m3,actual", "household_id", "readings.missing"),
            ("h1,,gas,2025-01-01,2025-02-01,1,m3,actual", "meter_id", "readings.missing"),
        ],
    )
    def test_one_is_told_by_line_column_value_and_reason_and_stops_the_run(
        self, write: Callable[..., Path], tmp_path: Path, row: str, column: str, code: str
    ) -> None:
        readings = write(self.good, row)
        result = run(readings)
        assert (result.exit_code, result.stdout) == (2, "")
        assert f"line 3, column {column}" in result.stderr
        refused = tmp_path / "refused.csv"
        assert len(awards(run(readings, "--skip-bad-rows", refused))) == 1
        [told] = csv.DictReader(io.StringIO(refused.read_text("utf-8")))
        assert (told["line"], told["column"], told["code"]) == ("3", column, code)
        assert ",".join(told[name] for name in HEADER.split(",")) == row.replace(" ,", ",", 1)

    def test_a_hundred_days_are_not_too_long(self, write: Callable[..., Path]) -> None:
        assert run(write("h1,m1,gas,2025-01-01,2025-04-11,1,m3,actual")).exit_code == 0

    def test_the_future_cannot_be_read(self, write: Callable[..., Path]) -> None:
        today = clock.now().date()
        start, tomorrow, later = today - timedelta(days=30), today + timedelta(days=1), today + timedelta(days=2)
        assert run(write(f"h1,m1,gas,{start},{tomorrow},1,m3,actual")).exit_code == 0, "a day may be over elsewhere"
        assert run(write(f"h1,m1,gas,{start},{later},1,m3,actual")).exit_code == 2

    def pair(self, write: Callable[..., Path], tmp_path: Path, *rows: str) -> list[tuple[str, str, str]]:
        refused = tmp_path / "refused.csv"
        assert run(write(*rows), "--skip-bad-rows", refused).exit_code == 0
        return [
            (row["line"], row["code"], row["reason"]) for row in csv.DictReader(io.StringIO(refused.read_text("utf-8")))
        ]

    def test_overlapping_readings_name_each_other(self, write: Callable[..., Path], tmp_path: Path) -> None:
        rows = [
            "h1,m1,gas,2025-01-01,2025-03-01,1,m3,actual",
            "h1,m1,gas,2025-01-10,2025-01-20,1,m3,actual",
            "h1,m1,gas,2025-02-28,2025-03-31,1,m3,actual",
            "h1,m1,gas,2025-03-31,2025-04-30,1,m3,actual",
        ]
        found = self.pair(write, tmp_path, *rows)
        assert [(line, code) for line, code, _ in found] == [(str(line), "readings.overlap") for line in (2, 3, 4)]
        assert "line 3" in found[0][2] and "line 2" in found[1][2] and "line 2" in found[2][2]

    def test_one_period_with_two_values_is_a_conflict(self, write: Callable[..., Path], tmp_path: Path) -> None:
        rows = ["h1,m1,gas,2025-01-01,2025-02-01,1,m3,actual", "h1,m1,gas,2025-01-01,2025-02-01,2,m3,actual", self.good]
        found = self.pair(write, tmp_path, *rows)
        assert [(line, code) for line, code, _ in found] == [("2", "readings.conflict"), ("3", "readings.conflict")]
        assert "Line 3" in found[0][2] and "Line 2" in found[1][2]

    def test_a_meter_of_two_commodities_is_refused(self, write: Callable[..., Path], tmp_path: Path) -> None:
        rows = ["h1,m1,gas,2025-01-01,2025-02-01,1,m3,actual", "h1,m1,water,2025-02-01,2025-03-01,1,m3,actual"]
        found = self.pair(write, tmp_path, *rows)
        assert [(line, code) for line, code, _ in found] == [
            ("2", "readings.meter_commodity"),
            ("3", "readings.meter_commodity"),
        ]

    def test_the_same_row_again_is_dropped_and_counted(self, write: Callable[..., Path]) -> None:
        again = self.good.replace(",1,m3,", ",1000.0,L,")
        result = run(write(self.good, self.good, again))
        assert "duplicates dropped 2" in result.stderr
        assert awards(result) == awards(run(write(self.good)))

    def test_a_meter_of_two_households_counts_for_both_and_is_told(self, write: Callable[..., Path]) -> None:
        rows = half_year(2026, 9, "h1") + half_year(2026, 9, "h2")
        found = awards(run(write(*rows)))
        assert [(row["usage"], "meter.shared" in row["findings"]) for row in found] == [("54000", True)] * 2

    def test_only_the_first_are_printed_and_all_are_counted(self, write: Callable[..., Path]) -> None:
        result = run(write(*[self.good.replace(",1,", ",x,")] * 30))
        assert result.exit_code == 2
        assert result.stderr.count("line ") == 20
        assert "30 rows are refused. The first 20 are shown." in result.stderr

    def test_what_was_refused_can_be_mended_and_sent_again(self, write: Callable[..., Path], tmp_path: Path) -> None:
        refused, again = tmp_path / "refused.csv", tmp_path / "again.csv"
        run(write(WORKED[0].replace("300", "3OO"), *WORKED[1:]), "--skip-bad-rows", refused)
        mended = refused.read_text("utf-8").replace("3OO", "300")
        again.write_text(mended, "utf-8")
        assert len(awards(run(again))) == 1

    def test_lines_are_those_of_the_file_with_empty_and_quoted_lines_in_it(self, write: Callable[..., Path]) -> None:
        remark = self.good + ',"two\nlines"'
        result = run(write(remark, "", self.good.replace(",1,", ",x,") + ",", header=HEADER + ",remark"))
        assert "line 5, column quantity 'x'" in result.stderr

    def test_nothing_refused_leaves_a_file_with_its_header(self, write: Callable[..., Path], tmp_path: Path) -> None:
        assert self.pair(write, tmp_path, self.good) == []
        assert (tmp_path / "refused.csv").read_text("utf-8").startswith(HEADER)


def test_the_summary_counts_what_happened(write: Callable[..., Path]) -> None:
    result = run(write(*WORKED), "--periods", "2026-H1")
    assert "households 1, periods 1, awards 1: reduction 1" in result.stderr
    assert "readings 17, duplicates dropped 0, rows refused 0" in result.stderr
