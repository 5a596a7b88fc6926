"""`simulate` on real meter data, against figures found by other means.

The data lie beside the project (`../shared/data`) and are never copied into it; where they are absent these tests are
skipped.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from math import floor
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from carbon_bank.cli.simulate import simulate
from tests.programme.oracle import half_up, month, month_start

DATA = Path(__file__).parents[2].parent / "shared" / "data"
SANTA_MONICA = DATA / "santa-monica" / "water-readings.csv.gz"
OPENDSM = DATA / "opendsm"
LITRES_PER_CCF = Fraction("2831.6846592")

app = typer.Typer()
app.command()(simulate)


def awards(*arguments: str | Path) -> list[dict[str, str]]:
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exit_code == 0, (result.stderr, result.exception)
    return list(csv.DictReader(io.StringIO(result.stdout)))


@pytest.fixture(scope="module")
def found() -> list[dict[str, str]]:
    korea = "korea-carbon-point@2024"
    return awards("--policy", korea, "--readings", SANTA_MONICA, "--periods", "2015-H1..2016-H1")


@pytest.fixture(scope="module")
def tally() -> dict[str, dict[int, int]]:
    """Household -> month -> litres, by long division: all readings here begin and end with a month."""
    months: dict[str, dict[int, int]] = defaultdict(dict)
    with gzip.open(SANTA_MONICA, "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            start, end = (date.fromisoformat(row[name]) for name in ("period_start", "period_end"))
            assert (start.day, end.day, row["unit"]) == (1, 1, "ccf")
            litres, days = half_up(Fraction(row["quantity"]) * LITRES_PER_CCF), (end - start).days
            parts = {}
            for number in range(month(start), month(end)):
                length = (month_start(number + 1) - month_start(number)).days
                parts[number] = divmod(litres * length, days)
            spare = litres - sum(share for share, _ in parts.values())
            by_remainder = sorted(parts, key=lambda number: (-parts[number][1], number))
            for number, (share, _) in parts.items():
                months[row["household_id"]][number] = share + (number in by_remainder[:spare])
    return months


@pytest.mark.skipif(not SANTA_MONICA.exists(), reason="the real water data are not beside the project")
class TestSantaMonica:
    """4,792 customers billed every two months or so in 2014 to 2016, of whom few have a row for every bill."""

    def expected(self, months: dict[int, int], first: int) -> tuple[str, int | None, int | None, int]:
        """Outcome, baseline, usage and points of a household, or nothing where its readings do not reach the period."""
        use = [months.get(number) for number in range(first, first + 6)]
        baseline = self.baseline(months, first)
        shown = half_up(baseline) if baseline else None
        if None in use:
            return "incomplete", shown, None, 0
        used = sum(litres for litres in use if litres is not None)
        if not baseline:
            return "not_evaluable", None, used, 0
        rate = 1 - Fraction(used) / baseline
        steps = [(Fraction(15, 100), 2000), (Fraction(1, 10), 1500), (Fraction(1, 20), 750)]
        points = next((points for least, points in steps if rate >= least), 0)
        outcome = "reduction" if points else "below_threshold" if rate > 0 else "no_reduction"
        return outcome, shown, used, points

    def baseline(self, months: dict[int, int], first: int) -> Fraction:
        """Zero where there is none."""
        means = []
        for number in range(first, first + 6):
            years = [months[year] for year in (number - 12, number - 24) if year in months]
            if years:
                means.append(Fraction(sum(years), len(years)))
        return sum(means) * Fraction(6, len(means)) if len(means) >= 4 else Fraction(0)

    def test_every_household_and_period_is_as_long_division_finds_it(
        self, found: list[dict[str, str]], tally: dict[str, dict[int, int]]
    ) -> None:
        firsts = {"2015-H1": 2015 * 12, "2015-H2": 2015 * 12 + 6, "2016-H1": 2016 * 12}
        expected = {}
        for period, first in firsts.items():
            for household, months in tally.items():
                # Without a file of households a tenure runs from the first reading to the last, gaps included.
                # Whoever has none in the period has no covered day: a row all the same, incomplete.
                is_there = min(months) < first + 6 and max(months) >= first
                expected[period, household] = (
                    self.expected(months, first) if is_there else ("incomplete", None, None, 0)
                )
        as_told = {
            (row["period"], row["household_id"]): (
                row["outcome"],
                int(row["baseline"]) if row["baseline"] else None,
                int(row["usage"]) if row["usage"] else None,
                int(row["points"]),
            )
            for row in found
        }
        assert as_told == expected
        assert len(found) == len(expected), "one row for each household and period"

    def test_its_totals_are_those_that_the_tally_adds_up_to(self, found: list[dict[str, str]]) -> None:
        # Each row is right by the test above, so these totals are; the tally knows no maintenance, hence none occurred.
        # Most are incomplete because the file has 10.6 rows for a customer where 33 months have some 16 bills.
        assert Counter(row["outcome"] for row in found) == {
            "incomplete": 12445, "reduction": 1329, "no_reduction": 417, "below_threshold": 96, "not_evaluable": 89,
        }  # fmt: skip
        assert sum(int(row["points"]) for row in found) == 2_459_000
        assert Counter(row["points"] for row in found if row["outcome"] == "reduction") == {
            "2000": 1093, "1500": 128, "750": 108,
        }  # fmt: skip
        assert [len([row for row in found if row["period"] == period]) for period in ("2015-H1", "2015-H2", "2016-H1")] == [
            4792, 4792, 4792,
        ]  # fmt: skip

    def test_the_emissions_avoided_are_those_of_the_exact_difference(
        self, found: list[dict[str, str]], tally: dict[str, dict[int, int]]
    ) -> None:
        evaluated = [row for row in found if row["avoided_g_co2e"]]
        for row in evaluated:
            half, year = int(row["period"][-1]) - 1, int(row["period"][:4])
            baseline = self.baseline(tally[row["household_id"]], year * 12 + 6 * half)
            assert int(row["avoided_g_co2e"]) == half_up((baseline - int(row["usage"])) * Fraction(332, 1000))
        assert sum(int(row["avoided_g_co2e"]) for row in evaluated) == 28_953_855  # grams: 29 t


YEAR_POLICY = """
policy: yearly
version: "1"
effective_from: 2017-01-01
period_months: 12
anchor_month: 1
commodities: {electricity: {factor: "0.4173"}, gas: {factor: "2.176"}}
baseline: {method: same_months_mean, lookback_years: 1}
reduction:
  basis: per_commodity
  tiers:
    electricity: [{from: "0.05", points: 1}, {from: "0.10", points: 2}]
    gas: [{from: "0.05", points: 1}, {from: "0.10", points: 2}]
"""


def opendsm(name: str) -> list[tuple[date, date, Fraction]]:
    """The bills of a series as (first day, end day, quantity), local days; the last row only closes the one before."""
    with gzip.open(OPENDSM / f"{name}.csv.gz", "rt", encoding="utf-8") as file:
        rows = [(datetime.fromisoformat(row["start"]).date(), row["value"]) for row in csv.DictReader(file)]
    assert rows[-1][1] == "nan"
    return [(start, end, Fraction(value)) for (start, value), (end, _) in pairwise(rows)]


@pytest.mark.skipif(not OPENDSM.exists(), reason="the OpenDSM series are not beside the project")
class TestOpenDsm:
    """Buildings simulated by OpenDSM: base load, heating and cooling per degree are each 10 % lower from 2017 on.

    The rule of the bank does not find exactly 10 %, and should not. It compares a calendar year with the one before,
    without regard to weather, and 2017 was another year than 2016; the values carry noise; the change falls in the bills
    over New Year (the blackout of the metadata), whose even spread carries some of one year into the other. The series
    without a weather term shows what noise and bills alone do: 9.97 %. Each figure here is found once more by spreading
    every bill over its days in exact fractions.

    Gas comes in therms, a unit of energy, which the bank does not take without a calorific value. It is handed over as so
    many m3: the rate of a reduction has no unit, and the other figures of those series mean nothing.
    """

    @pytest.mark.parametrize(
        ("name", "percent"),
        [
            ("il-electricity-cdd-hdd-billing_monthly", "13.47"),
            ("il-electricity-cdd-only-billing_monthly", "10.96"),
            ("il-electricity-cdd-hdd-billing_bimonthly", "11.85"),
            ("il-gas-hdd-only-billing_monthly", "11.19"),
            ("il-gas-hdd-only-billing_bimonthly", "3.10"),
            ("il-gas-intercept-only-billing_monthly", "9.97"),
        ],
    )
    def test_a_known_saving_is_found_as_the_days_of_the_bills_add_up(
        self, name: str, percent: str, tmp_path: Path
    ) -> None:
        told = json.loads((OPENDSM / "metadata.json").read_text("utf-8"))[name]
        loads = [Fraction(str(told[f"annual_{when}_total_load"])) for when in ("reporting", "baseline")]
        assert loads[0] == loads[1] * Fraction(9, 10), "what the makers put in"
        bills = opendsm(name)
        commodity, unit = ("electricity", "kWh") if told["unit"] == "kWh" else ("gas", "m3")
        readings, policy = tmp_path / "bills.csv", tmp_path / "yearly.yaml"
        lines = ["household_id,meter_id,commodity,period_start,period_end,quantity,unit,quality"]
        lines += [f"h,m,{commodity},{start},{end},{float(value)},{unit},actual" for start, end, value in bills]
        readings.write_text("\n".join(lines))
        policy.write_text(YEAR_POLICY)
        [row] = awards("--policy", policy, "--readings", readings, "--periods", "2017")

        years: dict[int, Fraction] = defaultdict(Fraction)
        for start, end, value in bills:
            for step in range((end - start).days):
                years[(start + timedelta(days=step)).year] += value / (end - start).days
        rate = 1 - years[2017] / years[2016]
        # Months are whole Wh or litres: each of the 24 takes parts of at most three bills, each off by less than one.
        assert abs(int(row["baseline"]) - years[2016] * 1000) < 36
        assert abs(int(row["usage"]) - years[2017] * 1000) < 36
        assert row["reduction_percent"] == percent
        assert abs(Fraction(percent) - rate * 100) < Fraction(2, 100)
        assert row["points"] == ("2" if rate >= Fraction(1, 10) else "1" if rate >= Fraction(1, 20) else "0")

    def test_without_weather_only_noise_and_the_bills_over_new_year_are_left(self) -> None:
        years: dict[int, Fraction] = defaultdict(Fraction)
        for start, end, value in opendsm("il-gas-intercept-only-billing_monthly"):
            if start.year == end.year:  # bills that lie wholly in one year
                years[start.year] += value / (end - start).days
        bills = Counter(
            start.year for start, end, _ in opendsm("il-gas-intercept-only-billing_monthly") if start.year == end.year
        )
        rate = 1 - (years[2017] / bills[2017]) / (years[2016] / bills[2016])
        assert floor(rate * 100) in (9, 10)
