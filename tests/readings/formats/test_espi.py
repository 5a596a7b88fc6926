"""Green Button: real feeds read whole or refused for the right reason, and each defect with its finding."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carbon_bank.foundation.errors import Refusal
from carbon_bank.readings.formats.options import Options
from carbon_bank.readings.formats.source import Source
from tests.readings.formats.feeds import (
    HOUR,
    POINT,
    block,
    entry,
    feed,
    meter_reading,
    reading,
    reading_type,
    source,
    summary,
    usage_point,
)
from tests.readings.formats.judged import Read

DAY = 24 * HOUR
MIDNIGHT = int(datetime(2026, 3, 3, tzinfo=UTC).timestamp())
ESPI = "{http://naesb.org/espi}"


def read(file: Source, zone: str = "UTC", **options: Any) -> Read:
    return Read(file, "espi", Options(zone, **options))


@pytest.fixture
def feeds(shared_data: Path) -> Path:
    return shared_data / "espi"


def by_hand(path: Path) -> list[tuple[int, int, int]]:
    """Start, seconds and value of every IntervalReading."""
    found = []
    for each in ElementTree.parse(path).getroot().iter(f"{ESPI}IntervalReading"):
        period = each.find(f"{ESPI}timePeriod")
        assert period is not None
        found.append((*(int(str(period.findtext(f"{ESPI}{name}"))) for name in ("start", "duration")),
                      int(str(each.findtext(f"{ESPI}value")))))  # fmt: skip
    return found


def test_a_year_of_days_with_the_days_of_23_and_25_hours(feeds: Path) -> None:
    path = feeds / "gb_elec_1yr_daily_binned_monthly.xml"
    days = by_hand(path)
    assert sorted({seconds for _, seconds, _ in days}) == [23 * HOUR, 24 * HOUR, 25 * HOUR]
    for zone in ("UTC", "Asia/Seoul"):  # the feed tells its own
        found = read(Source(path, path.name), zone)
        assert (found.codes, found.findings) == ({None: len(days)}, {})
        assert found.sound["quantity"].sum() == sum(value for *_, value in days)
        assert (found.sound["period_start"].min(), found.sound["period_end"].max()) == (
            date(2013, 1, 1),
            date(2014, 3, 21),
        )
        assert found.sound["period_start"].n_unique() == len(days)


def test_hours_become_days(feeds: Path) -> None:
    path = feeds / "gb_elec_hourly_9days.xml"
    found, hours = read(Source(path, path.name)), by_hand(path)
    assert (len(hours), found.codes) == (216, {None: 9})
    whole = [sum(value for _, _, value in hours[first : first + 24]) for first in range(0, 216, 24)]
    assert found.sound["quantity"].to_list() == whole
    assert sum(whole) == 199_563, "as the feed's own summary has it"
    assert found.sound.select("customer_number", "meter_number").unique().rows() == [("2", "2")]


@pytest.mark.parametrize(("name", "count"), [("gb_gas_direct_abridged", 5), ("gb_gas_ngma_billing_2021_2024", 35)])
def test_bills_of_gas_in_therms_that_begin_off_midnight(feeds: Path, name: str, count: int) -> None:
    path = feeds / f"{name}.xml"
    found, bills = read(Source(path, path.name), "America/New_York"), by_hand(path)
    assert (len(bills), found.codes) == (count, {None: count})
    therm = Fraction("105505585.262") / 3600 / 11  # litres
    assert found.sound["quantity"].to_list() == [(2 * Fraction(value, 1000) * therm + 1) // 2 for *_, value in bills]
    assert found.findings["formats.espi_off_midnight"].count == count
    starts, ends = found.sound["period_start"].to_list(), found.sound["period_end"].to_list()
    assert ends[:-1] == starts[1:], "bills follow one another without a gap"
    assert (starts[0], ends[0]) == (date(2021, 5, 26), date(2021, 6, 30))
    strict = read(Source(path, path.name), "America/New_York", strict=True)
    assert strict.codes == {"formats.espi_off_midnight": count}


def test_hours_in_descending_order_with_a_reading_type_that_nothing_uses(feeds: Path) -> None:
    path = feeds / "apuc_electric_intervals.xml"
    found, hours = read(Source(path, path.name), "America/New_York"), by_hand(path)
    assert (len(hours), hours[0][0] > hours[1][0]) == (300, True)
    assert found.findings["formats.espi_unused_reading_type"].at == 21
    by_day: dict[date, list[int]] = {}
    for start, _, value in hours:
        by_day.setdefault(datetime.fromtimestamp(start - 5 * HOUR, UTC).date(), []).append(value)
    whole = {day: sum(values) for day, values in by_day.items() if len(values) == 24}
    assert found.codes == {None: len(whole), "formats.incomplete_day": len(by_day) - len(whole)}
    assert dict(found.sound.select("period_start", "quantity").iter_rows()) == whole


def test_blocks_without_anything_that_tells_their_unit_are_refused(feeds: Path) -> None:
    path = feeds / "pge_interval_block.xml"
    with pytest.raises(Refusal) as refused:
        read(Source(path, path.name))
    assert refused.value.code == "formats.espi_no_reading_type"
    assert refused.value.facts == {
        "file": path.name, "lacking": ["UsagePoint", "MeterReading", "ReadingType"], "blocks": 24,
    }  # fmt: skip


def test_the_same_blocks_within_a_whole_feed_count_restated_hours_once(feeds: Path, tmp_path: Path) -> None:
    path = feeds / "pge_interval_block.xml"
    hours = by_hand(path)
    assert (len(hours), len({start for start, *_ in hours})) == (2556, 2280)
    text = path.read_text("utf-8")
    head, _, blocks = text.partition(">")
    point = "GreenButtonConnect/espi/1_1/resource/Subscription/0/UsagePoint/1"
    atom = 'xmlns="http://www.w3.org/2005/Atom"'
    made = [
        usage_point("0", point),
        reading_type(1, powerOfTenMultiplier=-3),
        meter_reading(1, 1, point).replace("MeterReading/1", "MeterReading/Tags7afT4eW6dAg6tI9nUksh4Et2ju=="),
    ]
    entries = "".join(
        each.replace("<entry>", f"<entry {atom}>").replace("https://utility.test/espi/", "/") for each in made
    )
    found = read(source(tmp_path, f"{head}>{entries}{blocks}"), "America/Los_Angeles")
    values: dict[int, set[int]] = {}
    for start, _, value in hours:
        values.setdefault(start, set()).add(value)
    assert all(len(each) == 1 for each in values.values()), "repeated, never restated with another value"
    assert found.findings["formats.repeated_interval"].count == len(
        [1 for start in values if [s for s, *_ in hours].count(start) > 1]
    )
    assert found.codes == {None: 2280 // 24}
    by_day: dict[date, int] = {}
    for start, each in values.items():
        day = datetime.fromtimestamp(start - 7 * HOUR, UTC).date()  # in summer all along
        by_day[day] = by_day.get(day, 0) + next(iter(each))
    assert dict(found.sound.select("period_start", "quantity").iter_rows()) == {
        day: (2 * by_day[day] + 1000) // 2000 for day in found.sound["period_start"]
    }


def simple(folder: Path, *readings: str, service: str = "0", point: str = POINT, **values: object) -> Source:
    return source(
        folder,
        feed(
            usage_point(service, point), meter_reading(path=point), reading_type(**values), block(*readings, path=point)
        ),
    )


def hours(value: object = 1000, quality: object = None) -> list[str]:
    return [reading(MIDNIGHT + hour * HOUR, HOUR, value, quality) for hour in range(24)]


def test_a_feed_may_hold_points_of_every_commodity(tmp_path: Path) -> None:
    entries: list[str] = []
    kinds = (("0", 72, 1000, "electricity"), ("1", 42, 2, "gas"), ("2", 134, 50, "water"))
    for number, (kind, uom, value, _) in enumerate(kinds, start=1):
        path = f"RetailCustomer/7/UsagePoint/{number}"
        day = reading(MIDNIGHT, DAY, value)
        entries += [
            block(day, path=path),
            usage_point(kind, path),
            meter_reading(1, number, path),
            reading_type(number, uom=uom),
        ]
    Random(1).shuffle(entries)
    found = read(source(tmp_path, feed(*entries)))
    told = found.sound.sort("commodity").select("commodity", "customer_number", "meter_number", "quantity").rows()
    assert told == [("electricity", "7", "1", 1000), ("gas", "7", "2", 2000), ("water", "7", "3", 50)]


def test_a_value_has_its_power_of_ten_exactly(tmp_path: Path) -> None:
    assert read(simple(tmp_path, reading(MIDNIGHT, DAY, 12345), powerOfTenMultiplier=-1)).sound[
        "quantity"
    ].to_list() == [1235]
    assert read(simple(tmp_path, reading(MIDNIGHT, DAY, 12), powerOfTenMultiplier=3)).sound["quantity"].to_list() == [
        12_000
    ]
    assert read(simple(tmp_path, reading(MIDNIGHT, DAY, 12), powerOfTenMultiplier=-12)).codes == {
        "formats.espi_value": 1
    }


@pytest.mark.parametrize("value", ["1_000", "١٢", "1.5", "", "1e3", "9" * 25])
def test_a_value_that_is_no_plain_whole_number_is_refused(tmp_path: Path, value: str) -> None:
    assert read(simple(tmp_path, reading(MIDNIGHT, DAY, value))).codes == {"formats.espi_value": 1}


def test_a_clock_that_cannot_be_is_noted_and_the_citys_taken(tmp_path: Path) -> None:
    values = {"tzOffset": 90_000, "dstOffset": 3600, "dstStartRule": "360E2000", "dstEndRule": "B40E2000"}
    body = "".join(f"<{name}>{each}</{name}>" for name, each in values.items())
    odd = entry("LocalTimeParameters", "LocalTimeParameters/1", body)
    found = read(source(tmp_path, feed(usage_point(), meter_reading(), reading_type(), odd, block(*hours()))))
    assert (found.codes, found.findings["formats.espi_clock"].count) == ({None: 1}, 1)


def test_a_point_without_a_customer_is_the_customer(tmp_path: Path) -> None:
    found = read(simple(tmp_path, reading(MIDNIGHT, DAY), point="UsagePoint/70"))
    assert found.sound.select("customer_number", "meter_number").rows() == [("70", "")]


@pytest.mark.parametrize(
    ("kind", "values", "code"),
    [
        ("0", {"uom": 169}, "formats.espi_other_commodity"),  # therms under an electricity point
        ("0", {"uom": 42}, "formats.espi_other_commodity"),
        ("2", {"uom": 42, "commodity": 7}, "formats.espi_other_commodity"),
        ("0", {"uom": 38, "kind": 37}, "formats.espi_not_a_quantity"),  # watts
        ("0", {"uom": 38}, "formats.espi_unit"),
        ("0", {"uom": ""}, "formats.espi_unit"),
        ("0", {"accumulationBehaviour": 12}, "formats.espi_not_a_quantity"),
        ("", {"uom": 72}, "formats.espi_unit"),  # of electricity, or of gas in energy: nothing tells
        ("0", {"powerOfTenMultiplier": "many"}, "formats.espi_value"),
    ],
)
def test_readings_of_which_the_quantity_is_not_known_are_refused(
    tmp_path: Path, kind: str, values: dict[str, object], code: str
) -> None:
    assert read(simple(tmp_path, reading(MIDNIGHT, DAY), service=kind, **values)).codes == {code: 1}


def test_what_was_fed_in_is_passed_over(tmp_path: Path) -> None:
    for flow in (19, 4):
        found = read(simple(tmp_path, reading(MIDNIGHT, DAY), reading(MIDNIGHT + DAY, DAY), flowDirection=flow))
        assert (found.rows.height, found.passed_over, found.findings["formats.espi_flow"].count) == (0, 2, 2)


def test_a_point_without_a_kind_is_of_its_reading_types_commodity(tmp_path: Path) -> None:
    found = read(simple(tmp_path, reading(MIDNIGHT, DAY), service="", commodity=9, uom=134))
    assert found.sound["commodity"].to_list() == ["water"]
    assert "formats.espi_no_kind" in found.findings
    assert read(simple(tmp_path, reading(MIDNIGHT, DAY), service="", uom=169)).sound["commodity"].to_list() == ["gas"]


def test_water_that_says_it_is_energy_is_water(tmp_path: Path) -> None:
    found = read(simple(tmp_path, reading(MIDNIGHT, DAY, 70), service="2", uom=134, kind=12))
    assert found.sound["quantity"].to_list() == [70]
    assert "formats.espi_kind" in found.findings


def test_thirty_six_readings_at_one_moment_contradict_each_other(tmp_path: Path) -> None:
    same = [reading(f"{MIDNIGHT}.{number:03d}", HOUR, number + 1) for number in range(36)]
    found = read(simple(tmp_path, *same))
    assert found.codes == {"formats.contradiction": 1}
    assert found.findings["formats.espi_fraction"].count == 35
    assert read(simple(tmp_path, *same), strict=True).codes["formats.espi_fraction"] == 35


def test_of_restated_blocks_the_one_issued_last_counts(tmp_path: Path) -> None:
    older, newer = (block(*hours(value), number=number, updated=updated)
                    for number, value, updated in ((2, 1000, "2026-02-01T00:00:00Z"), (3, 900, "2026-03-01T00:00:00Z")))  # fmt: skip
    for blocks in ((older, newer), (newer, older)):
        made = source(tmp_path, feed(usage_point(), meter_reading(), reading_type(), *blocks))
        found = read(made)
        assert found.sound["quantity"].to_list() == [24 * 900]
        assert found.findings["formats.restated_interval"].count == 24
        assert read(made, strict=True).codes == {"formats.contradiction": 1}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (summary(MIDNIGHT, DAY, 24_000), None),
        (summary(MIDNIGHT, DAY, 25, 3), None),  # as near as thousands can say
        (summary(MIDNIGHT, DAY, 26, 3), "26000 Wh said, 24000 Wh read"),
        (summary(MIDNIGHT, DAY, 24_002), "24002 Wh said, 24000 Wh read"),
        (summary(MIDNIGHT, DAY, 86_400_000, uom=31), None),  # another unit
        (summary(MIDNIGHT - HOUR, DAY, 5), None),  # readings of a part of it
        (summary(MIDNIGHT, DAY, 5, path="RetailCustomer/7/UsagePoint/71"), None),
        (summary(MIDNIGHT, DAY, 5).replace("UsageSummary xmlns", "ElectricPowerUsageSummary xmlns").replace(
            "</UsageSummary>", "</ElectricPowerUsageSummary>"), "5 Wh said, 24000 Wh read"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("step", [1, -1])
def test_a_summary_is_compared_with_the_readings_that_cover_its_period(
    tmp_path: Path, said: str, told: str | None, step: int
) -> None:
    hours = [reading(MIDNIGHT + hour * HOUR) for hour in range(24)][::step]
    found = read(source(tmp_path, feed(usage_point(), meter_reading(), reading_type(), block(*hours), said, said)))
    note = found.findings.pop("formats.espi_summary_differs", None)
    assert (note and (note.value, note.count)) == (told and (told, 1))
    assert found.sound["quantity"].to_list() == [24_000]


def test_readings_that_come_twice_are_not_compared_with_a_summary(tmp_path: Path) -> None:
    hours, said = [reading(MIDNIGHT + hour * HOUR) for hour in (0, 1, 1, 2)], summary(MIDNIGHT, 3 * HOUR, 5)
    found = read(source(tmp_path, feed(usage_point(), meter_reading(), reading_type(), block(*hours), said)))
    assert "formats.espi_summary_differs" not in found.findings


def test_the_summary_of_a_year_of_days_agrees_with_them_until_it_is_changed(feeds: Path, tmp_path: Path) -> None:
    text = (feeds / "gb_elec_1yr_daily_binned_monthly.xml").read_text("utf-8")
    assert read(source(tmp_path, text)).findings == {}
    found = read(source(tmp_path, text.replace("<value>625716</value>", "<value>625761</value>")))
    assert found.findings["formats.espi_summary_differs"].value == "625761 Wh said, 625716 Wh read"


def test_a_day_with_a_gap_is_left_out_and_one_estimate_makes_an_estimate(tmp_path: Path) -> None:
    assert read(simple(tmp_path, *hours()[:-1])).codes == {"formats.incomplete_day": 1}
    assert read(simple(tmp_path, *hours()[:-1], reading(MIDNIGHT + 23 * HOUR, HOUR, ""))).codes.get(None) is None
    found = read(simple(tmp_path, *hours(quality=17)[:-1], reading(MIDNIGHT + 23 * HOUR, HOUR, 7, 8)))
    assert found.sound.select("quantity", "quality").rows() == [(23_007, "estimated")]
    odd = read(simple(tmp_path, *hours(quality=10)))
    assert (odd.sound["quality"].to_list(), odd.findings["formats.espi_quality"].count) == (["estimated"], 24)


def test_months_are_given_whole_or_not_at_all(tmp_path: Path) -> None:
    first = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp())
    quarters = [reading(first + number * 6 * HOUR, 6 * HOUR, 5) for number in range(4 * 33)]
    found = read(simple(tmp_path, *quarters), sum_to="month")
    assert found.sound.select("period_start", "period_end", "quantity").rows() == [
        (date(2026, 3, 1), date(2026, 4, 1), 620)
    ]
    assert found.codes == {None: 1, "formats.incomplete_month": 1}


def test_registers_become_readings_between_them(tmp_path: Path) -> None:
    shown = [reading(MIDNIGHT + days * DAY, 0, value) for days, value in ((0, 5000), (31, 5310), (61, 5600))]
    for order in (shown, shown[::-1]):
        found = read(simple(tmp_path, *order, accumulationBehaviour=3))
        assert found.sound.select("period_start", "quantity").rows() == [
            (date(2026, 3, 3), 310),
            (date(2026, 4, 3), 290),
        ]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("<feed", "formats.not_xml"),
        ("no xml at all", "formats.not_xml"),
        (b"\x00" * 4096, "formats.not_xml"),
        ("<html></html>", "formats.espi_not_feed"),
        ('<!DOCTYPE feed [<!ENTITY a "b">]><feed>&a;</feed>', "formats.xml_entities"),
        ("<feed>" + "<a>" * 40 + "</a>" * 40 + "</feed>", "formats.not_xml"),
    ],
)
def test_what_is_no_feed_is_refused(tmp_path: Path, text: str | bytes, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        read(source(tmp_path, text))
    assert refused.value.code == code


def test_entities_are_not_expanded(tmp_path: Path) -> None:
    nested = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<!DOCTYPE feed [<!ENTITY a0 "ha">{nested}]>{feed(entry_with("&a11;"))[21:]}'
    with pytest.raises(Refusal) as refused:
        read(source(tmp_path, bomb))
    assert refused.value.code in {"formats.xml_entities", "formats.not_xml"}
    outside = '<!DOCTYPE feed [<!ENTITY x SYSTEM "file:///etc/passwd">]><feed>&x;</feed>'
    with pytest.raises(Refusal) as refused:
        read(source(tmp_path, outside))
    assert refused.value.code == "formats.xml_entities"


def entry_with(text: str) -> str:
    return f"<entry><title>{text}</title></entry>"


SMALL = feed(usage_point(), meter_reading(), reading_type(), block(*hours()[:3], reading(MIDNIGHT + DAY, DAY)))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32))
def test_whatever_is_changed_in_a_feed_nothing_but_a_refusal_comes_of_it(tmp_path: Path, seed: int) -> None:
    random, text = Random(seed), bytearray(SMALL.encode())
    for _ in range(random.randint(1, 6)):
        place = random.randrange(len(text))
        kind = random.random()
        if kind < 0.4:
            text[place] = random.randrange(256)
        elif kind < 0.7:
            del text[place : place + random.randint(1, 30)]
        else:
            other = random.randrange(len(text))
            text[place:place] = text[other : other + random.randint(1, 60)]
    try:
        read(source(tmp_path, bytes(text)))
    except Refusal as refusal:
        assert refusal.code.startswith("formats.")
