"""docs/rules.md promises nothing that the rules do not do: each of its examples is settled."""

from __future__ import annotations

import re
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml

from carbon_bank.foundation.calendar import Period
from carbon_bank.programme.policy import load_shipped, parse_policy
from tests.programme.made_up import METER, months, settle_all, streak_of, tenure

PAGE = (Path(__file__).parent.parent / "docs" / "rules.md").read_text("utf-8")
EXAMPLES: list[dict[str, Any]] = [
    yaml.load(text, yaml.BaseLoader)
    for text in re.findall(r"^```yaml example\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
]
KEYS = {"policy", "changes", "period", "moved_in", "reductions_before", "neighbours_used", "use", "gives"}
LONG_AGO = date(2020, 1, 1)


def settled(example: dict[str, Any]) -> dict[str, Any]:
    text = load_shipped(example["policy"]).text
    changes = {name: int(value) for name, value in example.get("changes", {}).items()}
    policy = (
        parse_policy(yaml.safe_dump(yaml.safe_load(text) | changes, allow_unicode=True))
        if changes
        else parse_policy(text)
    )
    period = Period.parse(example["period"])
    since = date.fromisoformat(example["moved_in"]) if "moved_in" in example else LONG_AGO
    readings, tenures = [], []
    for place, (commodity, years) in enumerate(example["use"].items()):
        tenures.append(tenure(since, meter=METER + place, commodity=commodity))
        for first, uses in years.items():
            quantities = [None if use == "missing" else int(Fraction(use) * 1000) for use in uses]
            readings += months(first, quantities, METER + place)
    if "neighbours_used" in example:  # somebody who used so much in the period
        tenures.append(tenure(household=2, meter=99))
        quantity = int(example["neighbours_used"]) * 1000
        readings += months(str(period.first_day)[:7], [quantity, *[0] * (period.length - 1)], 99)
    streaks = streak_of(int(example["reductions_before"])) if "reductions_before" in example else None
    [row] = [row for row in settle_all(readings, tenures, policy, period, streaks) if row["household_id"] == 1]
    percent = None
    if row["reduction_bp"] is not None:
        size = abs(row["reduction_bp"])
        percent = f"{'-' if row['reduction_bp'] < 0 else ''}{size // 100}.{size % 100:02d}"
    baseline = None if row["baseline_num"] is None else Fraction(row["baseline_num"], row["baseline_den"]) / 1000
    usage = None if row["usage"] is None else Fraction(row["usage"], 1000)
    return row | {"percent": percent, "baseline": baseline, "usage": usage, "findings": row["finding_codes"]}


def test_the_page_has_its_examples() -> None:
    assert len(EXAMPLES) == PAGE.count("```yaml example") >= 12
    assert all(set(example) <= KEYS for example in EXAMPLES)
    told = {example["gives"]["outcome"] for example in EXAMPLES}
    assert told == {"reduction", "maintenance", "below_threshold", "no_reduction", "incomplete", "not_evaluable"}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: f"{each['gives']['outcome']}-{each['policy']}")
def test_an_example_of_the_page_is_what_the_rules_give(example: dict[str, Any]) -> None:
    found = settled(example)
    for name, value in example["gives"].items():
        if name in {"baseline", "usage"}:
            assert found[name] == Fraction(value), name
        else:
            assert str(found[name]) == (value.capitalize() if name == "held" else value), name
