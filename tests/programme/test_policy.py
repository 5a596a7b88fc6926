"""The policy document: what is accepted, and everything that is refused, by its key. Source: rules.md section 8."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml

from carbon_bank.foundation.errors import InvalidInput, NotFound, TooLarge
from carbon_bank.programme.policy import describe, load_policy, load_shipped, parse_policy, shipped_policies

KOREA = load_policy("korea-carbon-point@2024")


def changed(path: str, value: Any) -> dict[str, Any]:
    """The Korean policy with the value at one key path replaced (`...` removes it)."""
    raw = yaml.safe_load(KOREA.text)
    *parents, last = [int(step) if step.isdigit() else step for step in path.split("/")]
    place = raw
    for step in parents:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return raw


def faults(raw: Any) -> dict[str, str]:
    """Where -> message of every fault of a document."""
    text = raw if isinstance(raw, str) else yaml.safe_dump(raw, allow_unicode=True)
    with pytest.raises(InvalidInput) as refusal:
        parse_policy(text)
    assert refusal.value.code == "programme.policy_invalid"
    return {fault.where: fault.message for fault in refusal.value.faults}


class TestShipped:
    def test_the_korean_policy_says_what_its_sources_say(self) -> None:
        tiers = KOREA.reduction.tiers
        ladder = {name: [(tier.from_, tier.points) for tier in tiers[name]] for name in tiers}
        bounds = [Fraction(1, 20), Fraction(1, 10), Fraction(3, 20)]
        assert ladder == {
            "electricity": list(zip(bounds, [5000, 10000, 15000], strict=True)),
            "gas": list(zip(bounds, [3000, 6000, 8000], strict=True)),
            "water": list(zip(bounds, [750, 1500, 2000], strict=True)),
        }
        assert KOREA.maintenance is not None and KOREA.maintenance.after == 2
        assert KOREA.commodities["electricity"].factor == Fraction(424, 1000)  # type: ignore[index]
        assert not KOREA.needs_population and not KOREA.is_combined
        assert KOREA.approval_faults() == []

    def test_every_shipped_policy_is_found_by_its_reference_and_says_what_is_uncertain(self) -> None:
        for reference in shipped_policies():
            policy = load_shipped(reference)
            assert policy.reference == reference
            assert policy.source and policy.notes

    def test_an_unknown_one_is_refused_with_those_that_there_are(self) -> None:
        with pytest.raises(NotFound, match="korea-carbon-point@2024"):
            load_policy("korea-carbon-point@1999")


class TestReading:
    def test_the_digest_is_of_the_exact_bytes(self) -> None:
        text = KOREA.text + "# one more line\n"
        assert parse_policy(text).digest == hashlib.sha256(text.encode()).hexdigest() != KOREA.digest
        assert parse_policy(text).text == text

    def test_a_file_is_read_by_its_path(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.yaml"
        path.write_text(KOREA.text, "utf-8")
        assert load_policy(str(path)) == KOREA
        path.write_bytes(b"\xff\xfe")
        with pytest.raises(InvalidInput, match="UTF-8"):
            load_policy(str(path))

    def test_what_is_left_out_has_the_default_named_in_the_rules(self) -> None:
        raw = yaml.safe_load(KOREA.text)
        for key in ("title", "source", "notes", "usage", "maintenance", "standard_use", "review", "points"):
            raw.pop(key)
        raw["baseline"] = {"method": "same_months_mean"}
        policy = parse_policy(yaml.safe_dump(raw))
        assert policy.usage.min_month_coverage == 1
        assert (policy.baseline.lookback_years, policy.baseline.min_years, policy.baseline_months_min) == (2, 1, 4)
        assert (policy.baseline.history, policy.baseline.newcomer, policy.baseline.peer_min) == ("tenure", "wait", 30)
        assert policy.review.reduction_above == policy.review.estimated_share_above == Fraction(1, 2)
        assert policy.points.valid_months is None and policy.household_points_max is None
        assert [fault.where for fault in policy.approval_faults()] == ["title", "source"]

    @pytest.mark.parametrize(("months", "least"), [(1, 1), (2, 2), (3, 2), (4, 3), (6, 4), (12, 8)])
    def test_two_thirds_of_the_months_rounded_up_are_needed(self, months: int, least: int) -> None:
        raw = changed("baseline", {"method": "same_months_mean"}) | {"period_months": months}
        assert parse_policy(yaml.safe_dump(raw)).baseline_months_min == least

    def test_it_describes_itself_with_defaults_and_exact_text(self) -> None:
        told = describe(KOREA)
        assert told["reduction"]["tiers"]["gas"][1] == {
            "from": "0.1", "above": None, "points": 6000, "points_per_unit": None,
        }  # fmt: skip
        assert told["baseline"]["min_months"] == 4
        assert told["reference"] == "korea-carbon-point@2024"
        assert "text" not in told

    def test_nothing_of_it_can_be_changed_afterwards(self) -> None:
        with pytest.raises(ValueError, match="frozen"):
            KOREA.period_months = 3


@pytest.mark.parametrize(
    ("path", "value", "where", "says"),
    [
        ("version", 2024, "version", "in quotes"),
        ("policy", "Korea Carbon", "policy", "pattern"),
        ("period_months", 5, "period_months", "1, 2, 3, 4, 6, 12"),
        ("period_months", True, "period_months", "whole number"),
        ("anchor_month", 13, "anchor_month", "12"),
        ("anchor_month", 0, "anchor_month", "1"),
        ("effective_from", "2024-01-01", "effective_from", "without quotes"),
        ("effective_from", yaml.safe_load("2024-02-01"), "effective_from", "first day of a period"),
        ("commodities/steam", {"factor": "1"}, "commodities.steam", "electricity, gas, water"),
        ("commodities/gas", {}, "commodities.gas.factor", "required"),
        ("commodities/gas/factor", 2.24, "commodities.gas.factor", "quotes"),
        ("commodities/gas/factor", "1e3", "commodities.gas.factor", "quoted decimal"),
        ("commodities/gas/factor", "101", "commodities.gas.factor", "at most 100"),
        ("commodities/gas/factor", "0.1234567", "commodities.gas.factor", "six decimals"),
        ("commodities/gas/factor", "1/0", "commodities.gas.factor", "quoted decimal"),
        ("commodities/gas/factor", "-1", "commodities.gas.factor", "at least 0"),
        ("commodities/gas", ..., "reduction.tiers.gas", "not expected"),
        ("reduction/tiers/gas", ..., "reduction.tiers.gas", "missing"),
        ("reduction/tiers/gas", [], "reduction.tiers.gas", "at least one entry"),
        ("reduction/tiers/gas/1/from", 0.1, "reduction.tiers.gas[1].from", "quotes"),
        ("reduction/tiers/gas/1/from", "0.05", "reduction.tiers.gas[1].from", "after the tier before it (from 0.05)"),
        ("reduction/tiers/gas/1/from", "0.01", "reduction.tiers.gas[1].from", "after the tier before it (from 0.05)"),
        ("reduction/tiers/gas/0/from", "0", "reduction.tiers.gas[0].from", "above 0"),
        ("reduction/tiers/gas/1/above", "0.1", "reduction.tiers.gas[1]", "'from' or 'above'; this one has both"),
        ("reduction/tiers/gas/1/from", ..., "reduction.tiers.gas[1]", "'from' or 'above'; this one has neither"),
        ("reduction/tiers/gas/1/points_per_unit", "70", "reduction.tiers.gas[1]", "either 'points'"),
        ("reduction/tiers/gas/1/points", ..., "reduction.tiers.gas[1]", "either 'points'"),
        ("reduction/tiers/gas/1/points", -1, "reduction.tiers.gas[1].points", "at least 0"),
        ("reduction/tiers/gas/1/points", 10**10, "reduction.tiers.gas[1].points", "at most 1000000000"),
        ("reduction/tiers/gas/1/prize", 1, "reduction.tiers.gas[1].prize", "no key"),
        ("reduction/required", ["gas"], "reduction.required", "combined_co2e"),
        ("reduction/basis", "by_taste", "reduction.basis", "per_commodity"),
        ("reduction/tiers", [{"from": "0.1", "points": 1}], "reduction.tiers", "under their commodity"),
        ("reduction/counted_max", "0", "reduction.counted_max", "above 0"),
        ("baseline/method", "guess", "baseline.method", "same_months_mean"),
        ("baseline/lookback_years", 6, "baseline.lookback_years", "5"),
        ("baseline/min_years", 3, "baseline.min_years", "lookback_years is 2"),
        ("baseline/min_months", 7, "baseline.min_months", "the period has 6"),
        ("usage/min_month_coverage", "0", "usage.min_month_coverage", "above 0"),
        ("usage/min_month_coverage", "1.1", "usage.min_month_coverage", "at most 1"),
        ("maintenance/after", 0, "maintenance.after", "at least 1"),
        ("maintenance/points/steam", 1, "maintenance.points.steam", "commodity"),
        ("maintenance/points", {"combined": 1}, "maintenance.points.combined", "not expected"),
        ("standard_use", {"share": "0.5"}, "standard_use.points", "required"),
        ("household_points_max", -1, "household_points_max", "at least 0"),
        ("review/hold", ["usage.odd"], "review.hold[0]", "reduction.unusual"),
        ("review/usage_per_day_below", {"steam": "1"}, "review.usage_per_day_below.steam", "commodity"),
        ("points/valid_months", 0, "points.valid_months", "at least 1"),
        ("baseline", ..., "baseline", "required"),
        ("colour", "green", "colour", "no key"),
        ("title", "Carbon Point", "title", "key: value"),
        ("title/en", "", "title.en", "empty"),
        ("source", "a page", "source", "list"),
        ("source", ["a page"] * 51, "source", "more than 50"),
        ("notes/0", "x" * 2001, "notes[0]", "longer than 2000"),
        ("reduction/tiers/gas/1", 6000, "reduction.tiers.gas[1]", "key: value"),
        ("maintenance/after", 2.0, "maintenance.after", "whole number"),
    ],
)  # fmt: skip
def test_a_fault_is_told_by_its_key(path: str, value: Any, where: str, says: str) -> None:
    found = faults(changed(path, value))
    assert says in found[where]


def test_all_faults_are_told_at_once() -> None:
    raw = changed("anchor_month", 13)
    raw["reduction"]["tiers"]["gas"][1]["from"] = 0.1
    raw["reduction"]["tiers"]["water"][2]["from"] = "0.07"
    raw["baseline"]["min_years"] = 9
    raw["colour"] = "green"
    assert set(faults(raw)) == {
        "anchor_month", "reduction.tiers.gas[1].from", "reduction.tiers.water[2].from", "baseline.min_years", "colour",
    }  # fmt: skip


def test_one_answer_names_what_is_commonly_wrong_with_key_and_reason() -> None:
    found = faults(
        """
policy: wrong
version: "1"
effective_from: 2024-01-01
period_months: 6
anchor_month: 1
commodities: {electricity: {factor: "0.4"}, gas: {}, water: {factor: "0.3"}, steam: {factor: "1"}}
baseline: {method: same_months_mean, min_months: 7}
reduction:
  basis: per_commodity
  tiers:
    electricity: [{from: "0.10", points: 2}, {from: "0.05", points: 1}, {from: "0.05", points: 3}]
    gas: [{from: "0.05", above: "0.05", points: 3000}]
    water: [{from: "0.05", points: -750}]
"""
    )
    ascending = "tiers stand in ascending order, each bound once."
    assert found == {
        "baseline.min_months": "7 months cannot be had: the period has 6.",
        "commodities.gas.factor": "This key is required.",
        "commodities.steam": "'steam' is no commodity. Write one of electricity, gas, water.",
        "reduction.tiers.electricity[1].from": f"It does not come after the tier before it (from 0.1): {ascending}",
        "reduction.tiers.electricity[2].from": f"It does not come after the tier before it (from 0.05): {ascending}",
        "reduction.tiers.gas[0]": "A tier has either 'from' or 'above'; this one has both.",
        "reduction.tiers.water[0].points": "It must be at least 0.",
    }


class TestCombined:
    def raw(self, **reduction: Any) -> dict[str, Any]:
        tiers = [{"from": "0.05", "points": 10_000}]
        rule = {"basis": "combined_co2e", "tiers": tiers, "required": ["electricity"], "min_commodities": 2}
        return changed("reduction", rule | reduction) | {"maintenance": {"after": 2, "points": {"combined": 1}}}

    def test_its_tiers_are_a_list_or_stand_under_combined(self) -> None:
        bare = parse_policy(yaml.safe_dump(self.raw()))
        under = parse_policy(yaml.safe_dump(self.raw(tiers={"combined": [{"from": "0.05", "points": 10_000}]})))
        assert bare.reduction == under.reduction
        assert bare.is_combined

    def test_its_faults_are_told_as_they_were_written(self) -> None:
        assert set(faults(self.raw(tiers=[{"from": 0.05, "points": 1}]))) == {"reduction.tiers[0].from"}
        assert set(faults(self.raw(tiers={"gas": [{"from": "0.05", "points": 1}]}))) == {
            "reduction.tiers.gas", "reduction.tiers.combined",
        }  # fmt: skip

    def test_what_cannot_be_had_is_refused(self) -> None:
        raw = self.raw(required=["water"], min_commodities=3)
        del raw["commodities"]["water"]
        assert set(faults(raw)) == {"reduction.required[0]", "reduction.min_commodities"}

    def test_standard_use_has_no_meaning_for_it(self) -> None:
        raw = self.raw() | {"standard_use": {"share": "0.5", "points": {"gas": 1}}}
        assert set(faults(raw)) == {"standard_use"}

    def test_factors_without_a_common_denominator_in_bounds_are_refused(self) -> None:
        raw = self.raw()
        raw["commodities"] = {"electricity": {"factor": "1/999983"}, "gas": {"factor": "1/7"}}
        assert "common denominator" in faults(raw)["commodities"]


class TestYaml:
    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("[1, 2]", "not a mapping"),
            ("", "not a mapping"),
            ("a: &x 1\nb: *x", "Anchors"),
            ("a: &x [1]", "Anchors"),
            ("policy: a\npolicy: b", "twice"),
            ("title: {en: a, en: b}", "twice"),
            ("no: 1", "quotes"),
            ("<<: {policy: a}", ""),
            ("[" * 5000, "Nested"),
            ("a: !!python/object/apply:os.getcwd []", "constructor"),
            ("effective_from: 2024-13-45", "month"),
            ("a: " + "9" * 5000, "digits"),
            ("a: \x00", "character"),
            ("a: 1\n---\nb: 2", "document"),
            ("a: [1", ""),
        ],
    )
    def test_what_could_mean_more_than_it_shows_is_refused(self, text: str, says: str) -> None:
        [(where, message)] = faults(text).items()
        assert where.startswith("line ")
        assert says in message

    def test_a_text_over_the_limit_is_refused_unread(self) -> None:
        with pytest.raises(TooLarge):
            parse_policy("# " + "x" * 256 * 1024)
