"""The demo city is repeatable, obeys the rules for readings, and looks like a Korean city."""

from __future__ import annotations

from dataclasses import fields
from datetime import date
from functools import cache

import polars as pl
import pytest

from carbon_bank.demo.city import FIRST_MONTH, METER_KEY, DemoCity, build_city, build_city_chunks
from carbon_bank.demo.shapes import DISTRICTS
from carbon_bank.foundation.calendar import month_of
from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.foundation.units import BASE_UNIT, UNITS, Commodity, Quality

WINDOW_START, WINDOW_END = date(2024, 1, 1), date(2026, 7, 1)
PERIOD_DAYS_MAX = 100
READING_COLUMNS = [*METER_KEY, "period_start", "period_end", "quantity", "unit", "quality", "reason", "reason_text"]


@cache
def city(households: int = 2000, seed: int = 2008) -> DemoCity:
    return build_city(households, seed=seed)


def readings(frame: pl.DataFrame) -> pl.DataFrame:
    """With days and numbers beside the text."""
    return frame.with_columns(
        start=pl.col("period_start").str.to_date(),
        end=pl.col("period_end").str.to_date(),
        amount=pl.col("quantity").cast(pl.Float64),
    ).with_columns(days=(pl.col("end") - pl.col("start")).dt.total_days())


def tenures(of: DemoCity) -> pl.DataFrame:
    return of.tenures.with_columns(
        start=pl.col("starts_on").str.to_date(),
        end=pl.when(pl.col("ends_on") == "")
        .then(date(9999, 1, 1))
        .otherwise(pl.col("ends_on").str.to_date(strict=False)),
    )


def overlaps(frame: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    ordered = frame.sort(*key, "start")
    return ordered.filter(pl.col("start") < pl.col("end").shift(1).over(key))


def assert_equal(left: DemoCity, right: DemoCity) -> None:
    for field in fields(DemoCity):
        assert getattr(left, field.name).equals(getattr(right, field.name)), field.name


def test_every_column_is_text_and_none_is_null() -> None:
    for field in fields(DemoCity):
        frame: pl.DataFrame = getattr(city(), field.name)
        assert set(frame.dtypes) == {pl.String}, field.name
        assert sum(frame.null_count().row(0)) == 0, field.name
    assert city().readings.columns == city().revisions.columns == READING_COLUMNS


def test_the_same_seed_gives_the_same_city_and_another_seed_another() -> None:
    assert_equal(build_city(600), build_city(600))
    assert not build_city(600, seed=1).readings.equals(build_city(600, seed=2).readings)


def test_chunks_joined_are_the_whole_city() -> None:
    chunks = list(build_city_chunks(1700, households_per_chunk=1000))
    assert [chunk.households.height for chunk in chunks] == [1000, 700]
    whole = build_city(1700)
    for name in ("households", "meters", "tenures", "readings", "revisions"):
        assert pl.concat([getattr(chunk, name) for chunk in chunks]).equals(getattr(whole, name)), name


@pytest.mark.parametrize("households", [500, 120])
def test_a_household_does_not_depend_on_how_many_there_are(households: int) -> None:
    def part_of(of: DemoCity) -> list[pl.DataFrame]:
        numbers = city().households["household_number"][:households].implode()
        held = of.tenures.filter(pl.col("household_number").is_in(numbers))
        mine = [each.join(held, on=METER_KEY, how="semi") for each in (of.meters, of.readings, of.revisions)]
        return [of.households[:households], held, *mine]

    cities = [city(2000), city(1000), build_city(households)]
    first, *others = [part_of(each) for each in cities]
    for other in others:
        assert all(a.equals(b) for a, b in zip(first, other, strict=True))


def test_no_two_readings_of_a_meter_overlap() -> None:
    assert overlaps(readings(city().readings), list(METER_KEY)).is_empty()


def test_periods_are_in_order_no_longer_than_accepted_and_inside_the_window() -> None:
    for frame in (readings(city().readings), readings(city().revisions)):
        assert frame["days"].min() >= 1  # type: ignore[operator]
        assert frame["days"].max() <= PERIOD_DAYS_MAX  # type: ignore[operator]
        assert frame["start"].min() == WINDOW_START
        assert frame["end"].max() == WINDOW_END


def test_quantities_are_plain_decimals_in_a_unit_of_the_commodity() -> None:
    for frame in (city().readings, city().revisions):
        assert frame["quantity"].str.contains(r"^\d{1,6}\.\d{1,2}$").all()
        for commodity, unit in frame.select("commodity", "unit").unique().iter_rows():
            assert UNITS[unit].base == BASE_UNIT[Commodity(commodity)]
        assert set(frame["quality"]) <= set(Quality)


def test_a_revision_restates_a_reading_that_was_sent_once_and_gives_a_reason() -> None:
    key = [*METER_KEY, "period_start", "period_end"]
    both = city().revisions.join(city().readings, on=key, how="left", suffix="_before", validate="1:1")
    assert both["quantity_before"].null_count() == 0
    assert set(both["reason"]) == {"estimate_replaced", "corrected"}
    assert (both["quantity"].ne(both["quantity_before"]) | both["quality"].ne(both["quality_before"])).all()
    replaced = both.filter(pl.col("reason") == "estimate_replaced")
    assert set(replaced["quality_before"]) == {"estimated"}
    assert set(replaced["quality"]) == {"actual"}


def test_what_an_estimate_was_wrong_by_comes_back_with_the_next_reading() -> None:
    key = [*METER_KEY, "period_start", "period_end"]
    misread = city().revisions.filter(pl.col("reason") == "corrected").select(key)
    both = readings(city().revisions).join(city().readings, on=key, suffix="_before").sort(*METER_KEY, "start")
    change = both.with_columns(change=pl.col("amount") - pl.col("quantity_before").cast(pl.Float64)).with_columns(
        next_change=pl.col("change").shift(-1), next_start=pl.col("start").shift(-1)
    )
    replaced = change.filter(pl.col("reason") == "estimate_replaced")
    assert misread.height >= replaced.height
    assert (replaced["next_start"] == replaced["end"]).all()
    assert (replaced["change"] + replaced["next_change"]).abs().max() < 0.21  # type: ignore[operator]  # twice rounded


def test_the_five_districts_have_their_share() -> None:
    total = sum(weight for *_, weight in DISTRICTS)
    found = dict(city().households["district"].value_counts(normalize=True).iter_rows())
    assert set(found) == set(city().districts["code"]) == {code for code, *_ in DISTRICTS}
    assert len(found) == 5
    for code, _, _, weight in DISTRICTS:
        assert found[code] == pytest.approx(weight / total, abs=0.04)


def test_most_households_live_in_apartments_and_none_is_larger_than_six() -> None:
    households = city().households
    types = dict(households["dwelling_type"].value_counts(normalize=True).iter_rows())
    assert set(types) == {"apartment", "row_house", "detached", "studio"}
    assert types["apartment"] > 0.6
    assert set(households["residents"]) == set("123456")


def monthly_means(commodity: Commodity) -> dict[int, float]:
    """By calendar month, over the readings of whole months."""
    whole = readings(city().readings).filter(
        (pl.col("commodity") == commodity.value)
        & (pl.col("start").dt.day() == 1)
        & (pl.col("end") == pl.col("start").dt.offset_by("1mo"))
    )
    return dict(whole.group_by(pl.col("start").dt.month()).agg(pl.mean("amount")).iter_rows())


def test_electricity_peaks_in_august_and_again_in_winter() -> None:
    means = monthly_means(Commodity.ELECTRICITY)
    assert max(means, key=means.__getitem__) == 8
    assert means[8] > 1.4 * means[5]
    assert means[1] > 1.1 * means[5]
    assert 200 < sum(means.values()) / 12 < 350


def test_gas_is_a_winter_thing() -> None:
    means = monthly_means(Commodity.GAS)
    assert means[1] > 4 * means[8]
    winter, summer = sum(means[month] for month in (12, 1, 2)), sum(means[month] for month in (6, 7, 8))
    assert 5 < winter / summer < 8


def test_water_is_nearly_flat() -> None:
    means = monthly_means(Commodity.WATER)
    assert means[8] > means[2]
    assert max(means.values()) < 1.25 * min(means.values())


def test_missing_months_are_really_absent() -> None:
    ordered = readings(city().readings).sort(*METER_KEY, "start")
    after = pl.col("start").shift(-1).over(METER_KEY)
    gaps = ordered.filter(pl.col("end") < after)
    assert 0.007 < gaps.height / ordered.height < 0.013


def test_some_readings_are_estimated_and_more_of_water_in_winter() -> None:
    frame = readings(city().readings).with_columns(estimated=pl.col("quality") == "estimated")
    water = frame.filter(pl.col("commodity") == "water")
    in_winter = pl.col("end").dt.offset_by("-1d").dt.month().is_in([12, 1, 2])
    assert 0.03 < frame["estimated"].mean() < 0.05  # type: ignore[operator]
    assert water.filter(in_winter)["estimated"].mean() > 2 * water.filter(~in_winter)["estimated"].mean()  # type: ignore[operator]


def test_an_exchange_is_two_readings_of_one_meter_that_meet_on_the_exchange_day() -> None:
    of = city()
    ordered = readings(of.readings).sort(*METER_KEY, "start")
    met = ordered.filter(pl.col("end") == pl.col("start").shift(-1).over(METER_KEY))
    moves = pl.concat(of.tenures.select(*METER_KEY, period_end=day) for day in ("starts_on", "ends_on"))
    unbilled = met.filter(~pl.col("end").dt.day().is_in([1, 15]))
    exchanged = unbilled.join(moves, on=[*METER_KEY, "period_end"], how="anti")
    assert 0.10 < exchanged.height / of.meters.height < 0.16
    assert exchanged.select(METER_KEY).is_unique().all()
    assert set(exchanged["quality"]) == {"actual"}
    assert of.tenures.select("household_number", *METER_KEY).is_unique().all()  # one tenure goes on


def test_each_tenure_and_reading_names_a_meter_and_each_meter_a_utility() -> None:
    of = city()
    assert of.meters.select("utility", "customer_number").is_unique().all()
    for frame in (of.tenures, of.readings, of.revisions):
        assert frame.join(of.meters, on=METER_KEY, how="anti").is_empty()
    supplied = of.utilities.select(utility="code", commodity="commodities")
    assert of.meters.join(supplied, on=["utility", "commodity"], how="anti").is_empty()
    assert of.tenures.join(of.households, on="household_number", how="anti").is_empty()
    assert of.households.join(of.districts, left_on="district", right_on="code", how="anti").is_empty()


def test_no_meter_is_held_twice_on_one_day_and_no_tenure_ends_before_it_starts() -> None:
    frame = tenures(city())
    assert (frame["start"] < frame["end"]).all()
    assert overlaps(frame, list(METER_KEY)).is_empty()
    assert overlaps(frame, ["household_number", "commodity"]).is_empty()


def test_some_households_move_and_some_take_over_what_another_left() -> None:
    of = city()
    dwellings = (
        tenures(of)
        .group_by("household_number")
        .agg(pl.col("customer_number").filter(pl.col("commodity") == "electricity").n_unique())
    )
    moved = dwellings.filter(pl.col("customer_number") > 1).height
    assert 0.02 < moved / of.households.height < 0.04
    holders = of.tenures.group_by("utility", "customer_number").agg(pl.col("household_number").n_unique())
    assert (holders["household_number"] == 2).any()
    assert (holders["household_number"] <= 2).all()


def test_a_tenure_of_an_older_member_starts_on_joining_and_a_newcomer_holds_nothing_before() -> None:
    of = city()
    firsts = of.tenures.group_by("household_number").agg(pl.min("starts_on")).join(of.households, on="household_number")
    assert firsts.height == of.households.height
    assert (firsts["starts_on"] == firsts["joined_on"]).all()
    assert 0.05 < (firsts["joined_on"] >= "2024-01-01").mean() < 0.11  # type: ignore[operator]


def test_some_studios_have_no_gas() -> None:
    held = city().tenures.group_by("household_number").agg(pl.col("commodity").unique())
    fewer = held.filter(pl.col("commodity").list.len() < 3).join(city().households, on="household_number")
    assert 0.01 < fewer.height / city().households.height < 0.06
    assert set(fewer["dwelling_type"]) == {"studio"}


def test_some_households_save_and_most_do_not() -> None:
    """A stand-in for the mix in docs/demo-city.md: electricity, first half of 2026 against 2024 and 2025."""
    whole = readings(city().readings).filter((pl.col("commodity") == "electricity") & (pl.col("start").dt.month() <= 6))
    halves = whole.group_by("customer_number", year=pl.col("start").dt.year()).agg(pl.sum("amount"), pl.len())
    by_year = halves.filter(pl.col("len") == 6).pivot(on="year", index="customer_number", values="amount").drop_nulls()
    rate = 1 - by_year["2026"] / ((by_year["2024"] + by_year["2025"]) / 2)
    assert 0.03 < (rate >= 0.05).mean() < 0.15  # type: ignore[operator]
    assert (rate >= 0.15).any()
    assert ((rate > 0) & (rate < 0.05)).any()
    assert (rate < 0).mean() > 0.5  # type: ignore[operator]


@pytest.mark.parametrize("first", [date(2024, 1, 1), date(2023, 6, 1), date(2007, 2, 1)])
@pytest.mark.parametrize("months", [6, 13])
def test_other_windows_obey_the_same_rules(first: date, months: int) -> None:
    of = build_city(500, month_of(first), months)
    frame = readings(of.readings)
    assert overlaps(frame, list(METER_KEY)).is_empty()
    assert frame["start"].min() == first
    assert month_of(frame["end"].max()) == month_of(first) + months  # type: ignore[arg-type]
    assert (frame["amount"] >= 0).all()
    assert overlaps(tenures(of), list(METER_KEY)).is_empty()


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"households": 0}, "households"),
        ({"months": 5}, "months"),
        ({"months": 121}, "months"),
        ({"seed": -1}, "seed"),
        ({"households_per_chunk": 0}, "households_per_chunk"),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_name(arguments: dict[str, int], name: str) -> None:
    with pytest.raises(InvalidInput, match=name):
        build_city_chunks(**arguments)


def test_the_default_window_ends_with_the_first_half_of_2026() -> None:
    assert month_of(WINDOW_START) == FIRST_MONTH
    assert month_of(WINDOW_END) == FIRST_MONTH + 30
