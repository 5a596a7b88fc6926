"""Registers: what a meter showed, rollovers, and which of them are believed."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import polars as pl
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_bank.foundation.database import Database
from carbon_bank.foundation.units import Commodity
from carbon_bank.readings.registers import from_registers, implausible
from carbon_bank.registry import enrol_service
from tests.readings.sending import APRIL, MARCH, Send, codes, row
from tests.small_city import NOW, SmallCity

MAY, JUNE = ("2026-05-01", "2026-06-01"), ("2026-06-01", "2026-07-01")


def used(start: str, end: str, digits: int | None = None) -> tuple[str | None, bool, str | None]:
    frame = pl.DataFrame(
        {"quantity": [""], "register_start": [start], "register_end": [end], "cancel": [""], "digits": [digits]},
        schema_overrides={"digits": pl.Int16},
    )
    [found] = from_registers(frame).rows(named=True)
    return found["quantity"], found["rolled"], found["register_code"]


def test_the_quantity_is_what_the_register_went_on() -> None:
    assert used("874.25", "1000.5") == ("126.250000000", False, None)
    assert used("12", "12") == ("0.000000000", False, None)


def test_a_register_that_shows_less_rolled_over_where_its_digits_are_known() -> None:
    assert used("99990", "00015", 5) == ("25.000000000", True, None)
    assert used("99990.5", "15.25", 5) == ("24.750000000", True, None)
    assert used("99990", "15")[2] == "readings.register_backwards"


def test_a_register_does_not_show_more_digits_than_the_meter_has() -> None:
    assert used("99990", "100015", 5)[2] == "readings.register_digits"
    assert used("999999", "15", 5)[2] == "readings.register_digits"


@given(st.integers(0, 10**14), st.integers(0, 10**14), st.integers(0, 9), st.sampled_from([None, 4, 12]), st.booleans())
def test_the_use_is_exact_whatever_the_figures(
    start: int, end: int, places: int, digits: int | None, short: bool
) -> None:
    if short:
        start, end = start % 10 ** (4 + places), end % 10 ** (4 + places)
    shown = [
        f"{value // 10**places}.{value % 10**places:0{places}d}" if places else str(value) for value in (start, end)
    ]
    quantity, rolled, code = used(shown[0], shown[1], digits)
    highest = None if digits is None else 10 ** (digits + places)
    if highest is not None and max(start, end) >= highest:
        assert code == "readings.register_digits"
    elif end >= start:
        assert quantity is not None and code is None and not rolled
        assert Fraction(quantity) == Fraction(end - start, 10**places)
    elif highest is None:
        assert code == "readings.register_backwards"
    else:
        assert quantity is not None and code is None and rolled
        assert Fraction(quantity) == Fraction(end + highest - start, 10**places)


@pytest.mark.parametrize(("quantity", "held"), [(299, []), (300, [1]), (301, [1])])
def test_a_rollover_is_believed_below_three_times_the_usual_use_a_day(quantity: int, held: list[int]) -> None:
    rolled = pl.DataFrame(
        [(1, 7, date(2026, 3, 1), date(2026, 3, 11), quantity)],
        schema={
            "line": pl.Int32,
            "meter_id": pl.Int64,
            "period_start": pl.Date,
            "period_end": pl.Date,
            "quantity": pl.Int64,
        },
        orient="row",
    )
    usual = pl.DataFrame({"meter_id": [7], "quantity": [1000], "days": [100]})
    assert implausible(rolled, usual).to_list() == held
    assert implausible(rolled, usual.clear()).to_list() == [1], "nothing is known of its usual use"


@pytest.fixture
async def five_digits(database: Database, small_city: SmallCity) -> str:
    """The customer number of an electricity meter whose register has five digits."""
    async with database.write() as session:
        await enrol_service.add_meter(
            session,
            small_city.actors["operator"],
            NOW,
            utility="elec",
            commodity=Commodity.ELECTRICITY,
            customer_number="R-e",
            meter_number="",
            digits=5,
            calorific_value=None,
        )
    return "R-e"


def shown(customer: str, period: tuple[str, str], start: str, end: str, **more: str) -> dict[str, str | int | None]:
    return {**row(customer, period, **more), "quantity": None, "register_start": start, "register_end": end}


async def test_registers_are_recorded_as_what_was_used_between_them(
    send: Send, five_digits: str, owner: psycopg.Connection
) -> None:
    sent = [shown(five_digits, MARCH, "99700", "99990"), shown(five_digits, APRIL, "99990", "270")]
    assert codes(await send(*sent)) == ["accepted", "readings.rollover_held"], "nothing is known of its usual use"
    result = await send(*sent)
    assert codes(result) == ["duplicate", "accepted"], "280 in a month is plausible after 290"
    assert owner.execute("SELECT quantity FROM reading ORDER BY period_start").fetchall() == [(290_000,), (280_000,)]


async def test_an_exchange_is_two_readings_never_one_difference(
    send: Send, five_digits: str, owner: psycopg.Connection
) -> None:
    exchanged = [
        shown(five_digits, ("2026-03-01", "2026-03-12"), "98000", "98110.5"),
        shown(five_digits, ("2026-03-12", "2026-04-01"), "0.2", "190.7"),
    ]
    assert codes(await send(*exchanged)) == ["accepted", "accepted"]
    assert owner.execute("SELECT sum(quantity) FROM reading").fetchone() == (110_500 + 190_500,)


async def test_a_wrong_digit_is_not_taken_for_a_rollover(send: Send, five_digits: str) -> None:
    await send(shown(five_digits, MARCH, "1000", "1290"))
    result = await send(shown(five_digits, APRIL, "1290", "1180"))
    assert codes(result) == ["readings.rollover_held"]
    assert result.statuses == ["quarantined"]
    assert (result.refused[0].column, result.refused[0].value) == ("register_end", "1180")
