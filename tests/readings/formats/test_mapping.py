"""A mapping says what a utility's own columns mean; one that cannot be right is refused with every reason at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.readings.formats import mapping as mapping_module
from carbon_bank.readings.formats.mapping import parse_mapping

GOOD: dict[str, Any] = {
    "period": {"start": "from", "end": "to"},
    "readings": [
        {"commodity": "gas", "customer_number": {"column": "who"}, "unit": "m3", "quantity": {"column": "used"}}
    ],
}
EXAMPLES = sorted((Path(mapping_module.__file__).parent / "examples").glob("*.yaml"))


def faults(**changed: Any) -> dict[str, str]:
    document = {name: value for name, value in (GOOD | changed).items() if value is not None}
    with pytest.raises(InvalidInput) as refused:
        parse_mapping(yaml.safe_dump(document, allow_unicode=True))
    assert refused.value.code == "formats.mapping_invalid"
    return {fault.where: fault.message for fault in refused.value.faults}


def test_a_bare_text_is_a_constant_and_a_bare_column_one_of_several() -> None:
    [reading] = parse_mapping(yaml.safe_dump(GOOD)).readings
    assert (reading.commodity.value, reading.customer_number.column, reading.quantity.column) == (
        "gas",
        "who",
        ["used"],
    )


def test_it_names_every_column_that_the_header_must_have() -> None:
    given = GOOD | {"where": {"state": "final", "used": ["1"]}}
    assert parse_mapping(yaml.safe_dump(given)).columns == ["from", "to", "who", "used", "state"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_hold(path: Path) -> None:
    assert parse_mapping(path.read_text("utf-8")).columns


def test_all_that_is_wrong_is_told_at_once_with_its_key() -> None:
    found = faults(delimiter="colon", dates="31st of March", colour="red", zone="Mars/Base", period={"start": "from"})
    assert set(found) == {"delimiter", "dates", "colour", "zone", "period.end"}
    assert "YYYY" in found["dates"]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"bills": {"date": "day"}}, "exactly one of period, intervals, registers and bills, not period and bills"),
        ({"period": None}, "not none"),
        ({"decimal": "comma", "thousands": "comma"}, "both comma"),
        ({"period": None, "intervals": {"date": "day"}}, "one of minutes and end_date"),
        ({"readings": []}, "at least 1 item"),
        ({"dates": "MM/YYYY"}, "each of DD, MM and YYYY"),  # the day would be guessed
        ({"dates": "YYYY-MM-DD HH"}, "HH:mm"),
        ({"dates": "YYYY-MM-DD YYYY"}, "once"),
        ({"dates": "HH:mm"}, "each of DD, MM and YYYY"),
        ({"times": "YYYY-MM-DD"}, "HH:mm"),
        ({"readings": [GOOD["readings"][0] | {"unit": {"column": "u", "value": "m3"}}]}, "one of value and column"),
        ({"readings": [GOOD["readings"][0] | {"unit": {"value": "m3", "values": {"a": "b"}}}]}, "name it"),
    ],
)
def test_what_contradicts_itself_is_refused(changed: dict[str, Any], says: str) -> None:
    assert says in " ".join(faults(**changed).values())


def test_a_date_or_a_number_as_a_constant_stays_the_text_that_it_is() -> None:
    text = yaml.safe_dump(GOOD).replace("commodity: gas", "commodity: 2026-01-01")
    assert parse_mapping(text).readings[0].commodity.value == "2026-01-01"


@pytest.mark.parametrize(
    "text", ["", "- 1", "a: &a [*a]", "{", "x: " + "[" * 5000, "a" * 200_000, "a: !!python/object:os.system x"]
)
def test_what_is_no_document_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="The mapping does not hold"):
        parse_mapping(text)


@given(st.text(max_size=60))
def test_whatever_the_text_nothing_but_a_refusal_comes_of_it(text: str) -> None:
    try:
        parse_mapping(text)
    except InvalidInput as refusal:
        assert refusal.code == "formats.mapping_invalid"
