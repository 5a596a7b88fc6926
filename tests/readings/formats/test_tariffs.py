"""Green Button by tariffs: parts of one use are added, their total counts once, and what is missing is not zero."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carbon_bank.readings.formats.options import Options
from carbon_bank.readings.formats.source import Source
from tests.readings.formats.feeds import HOUR, block, feed, meter_reading, reading, reading_type, source, usage_point
from tests.readings.formats.judged import Read

DAY = 24 * HOUR
MIDNIGHT = int(datetime(2026, 3, 3, tzinfo=UTC).timestamp())
MISSING, PASSED = "formats.espi_tariff_missing", "formats.espi_tariffs"


def by_tariff(folder: Path, tariffs: dict[int, list[str]], **values: object) -> Source:
    """Each tariff as a MeterReading of its own, all of one usage point."""
    entries = [usage_point()]
    for number, (tou, readings) in enumerate(tariffs.items(), start=1):
        entries += [
            meter_reading(number, number),
            reading_type(number, **values, **({"tou": tou} if tou else {})),
            block(*readings, meter=number),
        ]
    return source(folder, feed(*entries))


def read(file: Source, strict: bool = False) -> Read:
    return Read(file, "espi", Options("UTC", strict))


def hours(value: int, which: range = range(24)) -> list[str]:
    return [reading(MIDNIGHT + hour * HOUR, HOUR, value) for hour in which]


def days(value: int, *which: int) -> list[str]:
    return [reading(MIDNIGHT + day * DAY, DAY, value) for day in which]


def told(found: Read) -> list[tuple[date, int]]:
    return found.sound.select("period_start", "quantity").sort("period_start").rows()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(*[st.integers(0, 10**6)] * 3), min_size=24, max_size=24), st.booleans())
def test_however_use_is_split_into_tariffs_their_sum_is_the_use(
    tmp_path: Path, split: list[tuple[int, int, int]], within_a_block: bool
) -> None:
    parts = {tou: [each[tou - 1] for each in split] for tou in (1, 2, 3)}
    if within_a_block:
        readings = [
            reading(MIDNIGHT + hour * HOUR, HOUR, value, tou=tou)
            for tou, values in parts.items()
            for hour, value in enumerate(values)
        ]
        file = source(tmp_path, feed(usage_point(), meter_reading(), reading_type(), block(*readings)))
    else:
        file = by_tariff(
            tmp_path,
            {
                tou: [reading(MIDNIGHT + at * HOUR, HOUR, value) for at, value in enumerate(values)]
                for tou, values in parts.items()
            },
        )
    found = read(file)
    assert (found.codes, found.findings) == ({None: 1}, {})
    assert told(found) == [(date(2026, 3, 3), sum(map(sum, split)))]


def test_days_and_bills_of_tariffs_are_added_and_the_worst_quality_is_theirs(tmp_path: Path) -> None:
    estimated = [reading(MIDNIGHT, DAY, 5, 8), reading(MIDNIGHT + DAY, 30 * DAY, 70)]
    found = read(by_tariff(tmp_path, {1: estimated, 2: [*days(7, 0), reading(MIDNIGHT + DAY, 30 * DAY, 90)]}))
    assert found.sound.select("period_start", "period_end", "quantity", "quality").rows() == [
        (date(2026, 3, 3), date(2026, 3, 4), 12, "estimated"),
        (date(2026, 3, 4), date(2026, 4, 3), 160, "actual"),
    ]


def test_bills_that_begin_off_midnight_by_different_hours_are_of_the_same_days(tmp_path: Path) -> None:
    tariffs = {tou: [reading(MIDNIGHT + tou * HOUR, 30 * DAY, 100)] for tou in (1, 2)}
    assert told(read(by_tariff(tmp_path, tariffs))) == [(date(2026, 3, 3), 200)]
    assert read(by_tariff(tmp_path, tariffs), strict=True).codes == {"formats.espi_off_midnight": 1}


@pytest.mark.parametrize("lacking", [1, 2])
def test_what_is_missing_in_one_tariff_is_not_zero(tmp_path: Path, lacking: int) -> None:
    other = 3 - lacking
    found = read(by_tariff(tmp_path, {lacking: hours(5, range(23)), other: hours(7)}))
    assert found.codes == {MISSING: 1}
    found = read(by_tariff(tmp_path, {lacking: days(5, 0, 2), other: days(7, 0, 1, 2)}))
    assert (found.codes, told(found)) == ({None: 2, MISSING: 1}, [(date(2026, 3, 3), 12), (date(2026, 3, 5), 12)])
    found = read(by_tariff(tmp_path, {lacking: [reading(MIDNIGHT, 30 * DAY)], other: [reading(MIDNIGHT, 31 * DAY)]}))
    assert found.codes == {MISSING: 2}, "bills of other days are not parts of each other"


def test_one_tariff_by_days_and_the_other_by_hours_are_no_whole(tmp_path: Path) -> None:
    assert read(by_tariff(tmp_path, {1: days(5, 0), 2: hours(7)})).codes == {MISSING: 2}


def test_tariffs_that_take_turns_need_no_others(tmp_path: Path) -> None:
    by_day, by_night = range(7, 23), [*range(7), 23]
    night = [reading(MIDNIGHT + hour * HOUR, HOUR, 5) for hour in by_night]
    for tariffs in ({1: hours(7, by_day), 2: night}, {0: hours(7, by_day), 2: night}):
        found = read(by_tariff(tmp_path, tariffs))
        assert (found.codes, told(found)) == ({None: 1}, [(date(2026, 3, 3), 16 * 7 + 8 * 5)])
    assert read(by_tariff(tmp_path, {1: hours(7, by_day), 2: night[1:]})).codes == {"formats.incomplete_day": 1}
    assert told(read(by_tariff(tmp_path, {1: days(5, 0, 2), 2: days(7, 1)}))) == [
        (date(2026, 3, 3), 5), (date(2026, 3, 4), 7), (date(2026, 3, 5), 5),
    ]  # fmt: skip


def test_a_total_counts_and_its_tariffs_do_not(tmp_path: Path) -> None:
    found = read(by_tariff(tmp_path, {1: hours(5), 0: hours(12), 2: hours(7)}))
    assert (found.codes, told(found)) == ({None: 1}, [(date(2026, 3, 3), 24 * 12)])
    assert (found.findings[PASSED].count, found.passed_over) == (48, 48)
    for total, part in ((hours(12), days(200, 0)), (days(288, 0), hours(5))):
        found = read(by_tariff(tmp_path, {0: total, 1: part}))
        assert (found.codes, told(found), found.passed_over) == ({None: 1}, [(date(2026, 3, 3), 288)], len(part))
    found = read(by_tariff(tmp_path, {0: hours(12, range(23)), 1: hours(5), 2: hours(7)}))
    assert found.codes == {"formats.incomplete_day": 1}, "the total is not made up from its parts"


def test_registers_of_tariffs_are_added_where_all_were_read(tmp_path: Path) -> None:
    shown = {1: [500, 520, 560, 570], 2: [9000, 9100, 9300, 9330]}

    def registers(tou: int, *which: int) -> list[str]:
        return [reading(MIDNIGHT + at * 30 * DAY + tou * 60, 0, shown[tou][at]) for at in which]

    found = read(by_tariff(tmp_path, {1: registers(1, 0, 1, 2, 3), 2: registers(2, 0, 2, 3)}, accumulationBehaviour=3))
    assert found.codes == {None: 2, MISSING: 1}
    assert told(found) == [(date(2026, 3, 3), 360), (date(2026, 5, 2), 40)]
    beside = {0: [reading(MIDNIGHT, 0, 1), reading(MIDNIGHT + 30 * DAY, 0, 8)], 1: registers(1, 1, 2)}
    found = read(by_tariff(tmp_path, beside, accumulationBehaviour=3))
    assert (told(found), found.findings[PASSED].count) == ([(date(2026, 3, 3), 7)], 2)
    alone = {1: registers(1, 0), 2: registers(2, 1)}
    assert read(by_tariff(tmp_path, alone, accumulationBehaviour=3)).codes == {MISSING: 2}


def test_two_values_of_one_tariff_or_of_none_contradict_each_other(tmp_path: Path) -> None:
    for tou in (0, 1):
        for twice in (hours(5) + hours(6), days(5, 0) + days(6, 0)):
            file = by_tariff(tmp_path, {tou: twice, 2: hours(7)} if tou else {tou: twice})
            assert "formats.contradiction" in read(file).codes


def test_parts_in_other_units_or_below_zero_or_of_no_known_tariff_are_refused(tmp_path: Path) -> None:
    for readings in (hours(5), days(5, 0)):
        entries = [usage_point(), *(meter_reading(number, number) for number in (1, 2))]
        units = [reading_type(number, uom=uom, tou=number) for number, uom in ((1, 72), (2, 31))]
        blocks = [block(*readings, meter=number) for number in (1, 2)]
        assert read(source(tmp_path, feed(*entries, *units, *blocks))).codes == {"formats.two_units": 1}
    for below in ({1: hours(-5), 2: hours(7)}, {1: days(-5, 0), 2: days(7, 0)}):
        assert read(by_tariff(tmp_path, below)).codes == {"readings.negative": 1}
    for tou in ("peak", "40000", "1.5"):
        odd = block(reading(MIDNIGHT, DAY, 5, tou=tou))
        found = read(source(tmp_path, feed(usage_point(), meter_reading(), reading_type(), odd)))
        assert found.codes == {"formats.espi_tou": 1}


def test_tariffs_of_one_point_say_nothing_of_another(tmp_path: Path) -> None:
    other = "RetailCustomer/8/UsagePoint/71"
    entries = [usage_point(), usage_point("0", other), meter_reading(), meter_reading(1, 1, other), reading_type()]
    tagged = [reading(MIDNIGHT + hour * HOUR, HOUR, 1, tou=tou) for hour in range(24) for tou in (1, 2)]
    found = read(source(tmp_path, feed(*entries, block(*tagged), block(*hours(10), path=other))))
    assert found.sound.select("customer_number", "quantity").sort("customer_number").rows() == [("7", 48), ("8", 240)]
