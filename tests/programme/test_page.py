"""A policy's page: it tells every key that the policy has, and nothing that the policy does not say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import fields
from datetime import date
from fractions import Fraction
from string import Formatter
from typing import Any

import pytest
import yaml

from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.programme.findings import Code
from carbon_bank.programme.page import policy_page
from carbon_bank.programme.page_words import WORDS, PageLanguage
from carbon_bank.programme.policy import Policy, load_shipped, parse_policy, shipped_policies
from tests.programme.made_up import korea

FULL = """
policy: everything
version: "7"
title: {en: Everything, ko: 모두}
effective_from: 2026-02-01
source: [a page]
notes: ["Uncertain: much"]
period_months: 3
anchor_month: 2
commodities:
  electricity: {factor: "0.41", source: a list}
  gas: {factor: "2.1"}
usage: {min_month_coverage: "0.9"}
baseline:
  {method: same_months_mean, lookback_years: 3, min_years: 2, min_months: 2, history: dwelling, newcomer: peer_mean,
   peer_min: 40}
reduction:
  basis: per_commodity
  counted_max: "0.35"
  tiers:
    electricity: [{above: "0.04", points: 100}, {above: "1/3", points_per_unit: "2.5"}]
    gas: [{from: "0.06", points_per_unit: "3"}]
maintenance: {after: 5, points: {gas: 11}}
standard_use: {share: "0.45", points: {electricity: 21}}
household_points_max: 9000
review:
  {reduction_above: "0.6", estimated_share_above: "0.7", usage_per_day_below: {electricity: "0.8"},
   hold: [usage.vacant, usage.scaled]}
points: {valid_months: 25}
"""
POLICIES = {"everything": parse_policy(FULL)} | {name: load_shipped(name) for name in shipped_policies()}
Path = tuple[str | int, ...]
MOVE_THE_FIRST_DAY: set[Path] = {("anchor_month",), ("period_months",)}
OF_ONE_KIND: set[Path] = {("baseline", "method"), ("reduction", "basis")}
"""There is one method only, and another basis is another document."""
NO_OTHER: set[tuple[str, Path]] = {
    ("gwangju-carbon-bank@2008", ("baseline", "min_years")),  # it looks back one year
    ("kepco-cashback@2023", ("anchor_month",)),  # where every month is a period, one starts in every month
}
OTHERS: dict[Any, list[Any]] = {
    "tenure": ["dwelling"], "dwelling": ["tenure"], "wait": ["peer_mean"], "peer_mean": ["wait"],
    **{code.value: [other.value for other in Code] for code in Code},
    "electricity": ["water", "gas"],
}  # fmt: skip


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every single value of a document with its place."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if inside is None:
        yield path, value
    else:
        for key, each in inside:
            yield from leaves(each, (*path, key))


def replaced(raw: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    raw = deepcopy(raw)
    place: Any = raw
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return raw


def other_values(path: Path, value: Any) -> list[Any]:
    """What might stand in place of a value, likely ones first."""
    if isinstance(value, date):
        return [value.replace(year=value.year + 1)]
    if isinstance(value, int):
        return [value + 1, value - 1, 2 * value, 12, 3]
    if value in OTHERS:
        return OTHERS[value]
    if re.fullmatch(r"[0-9./]+", value) and path != ("version",):
        return [str(Fraction(value) + step) for step in (Fraction(1, 1000), Fraction(-1, 1000))]
    return [f"{value}x"]


def changed(raw: dict[str, Any], path: Path, value: Any) -> Policy | None:
    """The policy with another value at a place: the first that makes a policy."""
    for other in other_values(path, value):
        edited = replaced(raw, path, other)
        if path in MOVE_THE_FIRST_DAY and 1 <= edited["anchor_month"] <= 12:
            edited["effective_from"] = date(2026, edited["anchor_month"], 1)
        try:
            policy = parse_policy(yaml.safe_dump(edited, allow_unicode=True))
        except InvalidInput:
            continue
        if other != value:
            return policy
    return None


def body(policy: Policy, language: PageLanguage, is_dated: bool = True) -> str:
    """The page without the digest, which always changes; without the first day too, where that had to move along."""
    page, year = policy_page(policy, language).replace(policy.digest, ""), str(policy.effective_from.year)
    return page if is_dated else "\n".join(line for line in page.splitlines() if year not in line)


@pytest.mark.parametrize("name", POLICIES)
def test_every_value_of_a_policy_changes_the_page(name: str) -> None:
    raw, seen = yaml.safe_load(POLICIES[name].text), 0
    for path, value in leaves(raw):
        if value is None or path in OF_ONE_KIND or (name, path) in NO_OTHER:
            continue
        other = changed(raw, path, value)
        assert other is not None, f"{path}: found no other value"
        for language in [PageLanguage(str(path[1]))] if path[0] == "title" else list(PageLanguage):
            is_dated = path not in MOVE_THE_FIRST_DAY
            before, after = body(POLICIES[name], language, is_dated), body(other, language, is_dated)
            assert before != after, f"{path} is not told ({language})"
        seen += 1
    assert seen >= 25


def sentences(language: PageLanguage) -> Iterator[tuple[str, str]]:
    """Every text of a language with its place."""
    words = WORDS[language]
    for field in fields(words):
        value = getattr(words, field.name)
        if isinstance(value, str):
            yield field.name, value
        else:
            pairs = value.items() if isinstance(value, dict) else enumerate(value)
            yield from ((f"{field.name}[{key}]", text) for key, text in pairs)


@pytest.mark.parametrize("language", PageLanguage)
def test_no_sentence_has_a_number_of_its_own(language: PageLanguage) -> None:
    plain = {name: re.sub(r"{\w+}|SHA-256", "", text) for name, text in sentences(language)}
    assert len(plain) > 70
    names_of_months = {f"month_names[{month}]" for month in range(12)}
    numbers = {name: re.findall(r"[0-9]+", text) for name, text in plain.items() if name not in names_of_months}
    # Korean writes zero in figures where English has a word, and "for 1 kWh" where English has "for each kWh".
    assert {number for found in numbers.values() for number in found} <= ({"0", "1"} if language == "ko" else set())


def test_both_languages_tell_the_same_numbers_in_the_same_sentences() -> None:
    def places(language: PageLanguage) -> dict[str, set[str]]:
        return {
            name: {place for _, place, _, _ in Formatter().parse(text) if place} for name, text in sentences(language)
        }

    english, korean = places(PageLanguage.EN), places(PageLanguage.KO)
    assert korean.pop("years_before[0]") - english.pop("years_before[0]") == {"count"}  # "the year before"
    assert english == korean
    assert [name for language in PageLanguage for name, text in sentences(language) if not text.strip(" ,")] == [
        "comma", "comma", "last_comma",
    ]  # fmt: skip


@pytest.mark.parametrize("language", PageLanguage)
def test_every_finding_has_a_sentence(language: PageLanguage) -> None:
    assert set(WORDS[language].findings) == set(Code)


def table(page: str, heading: str) -> list[list[str]]:
    """The rows of the table under a heading."""
    section = page.split(f"{heading}\n", 1)[1].split("\n#")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


class TestWords:
    def test_percent_is_exact_and_a_third_stays_a_third(self) -> None:
        policy = parse_policy(FULL)
        assert table(policy_page(policy), "### Electricity") == [
            ["more than 4 %, at most 1/3", "100 points"],
            ["more than 1/3", "2.5 points for each kWh saved"],
        ]
        assert table(policy_page(policy, PageLanguage.KO), "### 전기") == [
            ["4% 초과 1/3 이하", "100포인트"],
            ["1/3 초과", "감축량 1 kWh당 2.5포인트"],
        ]

    def test_a_tier_ends_where_the_next_begins(self) -> None:
        tiers = [{"above": "0", "points": 1}, {"from": "0.05", "points": 5_000}, {"above": "0.125", "points": 10**6}]
        policy = korea(
            commodities={"water": {"factor": "0.3"}}, maintenance=None,
            reduction={"basis": "per_commodity", "tiers": {"water": tiers}},
        )  # fmt: skip
        assert table(policy_page(policy), "### Water") == [
            ["more than 0 %, less than 5 %", "1 point"],
            ["5 % or more, at most 12.5 %", "5,000 points"],
            ["more than 12.5 %", "1,000,000 points"],
        ]

    def test_seoul_is_told_as_one_rate_over_all(self) -> None:
        page = policy_page(load_shipped("seoul-eco-mileage@2024"))
        assert "There is no award unless both use and baseline are known of electricity." in page
        assert "at least 2 of these: electricity, gas and water" in page
        assert "so points depend on them" in page
        assert "60 months after they were posted" in page

    def test_what_cannot_occur_is_not_told_and_what_can_is(self) -> None:
        plain, full = policy_page(load_shipped("kepco-cashback@2023")), policy_page(parse_policy(FULL))
        for said in ("Every month is a period", "Points do not expire"):
            assert said in plain and said not in full
        for said in ("staying low", "using little", "comparable households", "scaled up", "cut in this order"):
            assert said in full and said not in plain
        assert "electricity below 0.8 kWh a day" in full

    def test_a_policy_without_a_title_in_the_language_goes_by_another_or_its_reference(self) -> None:
        assert policy_page(korea(title={"en": "Points"}), PageLanguage.KO).startswith("# Points\n")
        assert policy_page(korea(title={"fr": "Des points"})).startswith("# Des points\n")
        assert policy_page(korea(title=None)).startswith("# korea-carbon-point@2024\n")

    def test_text_of_the_document_cannot_pass_for_the_page(self) -> None:
        policy = korea(title={"en": "A\n\n# B <b>c</b> [d](http://e)"}, notes=["f | g\n\n## Free points"])
        page = policy_page(policy)
        assert page.startswith("# A # B \\<b>c\\</b> \\[d\\](http://e)\n")
        assert "- f \\| g ## Free points\n" in page
        assert "\n## Free points" not in page
