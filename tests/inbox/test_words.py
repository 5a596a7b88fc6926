"""Each kind is told in every language, from the facts that it carries and no others."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import get_args

import pytest

from carbon_bank.foundation.calendar import Period
from carbon_bank.inbox.kinds import FACTS, Fact, Form, Kind, facts_of
from carbon_bank.inbox.languages import Language, language_for
from carbon_bank.inbox.telling import facts_named, tell
from carbon_bank.inbox.words import WORDS
from carbon_bank.programme.page_words import PageLanguage
from carbon_bank.settings import Settings

PAGE = Path(__file__).parent.parent.parent / "docs" / "notifications.md"
VALUES = {
    Form.CHANGE: -1200,
    Form.COUNT: 2,
    Form.DAY: "2026-12-31",
    Form.NUMBER: 4711,
    Form.PERIOD: "2026-H1",
    Form.POINTS: 15000,
}


def some(fact: Fact) -> int | str:
    return fact.codes[0] if fact.form is Form.CODE else VALUES[fact.form]


def test_the_languages_are_those_of_the_policies_pages_and_of_the_setting() -> None:
    assert [*Language] == [*PageLanguage] == [*WORDS]
    assert get_args(Settings.model_fields["language"].annotation) == tuple(Language)


@pytest.mark.parametrize("kind", Kind)
def test_every_language_tells_the_same_facts_in_the_same_sentences(kind: Kind) -> None:
    assert list(Kind) == sorted(Kind)
    told = [
        [(facts_named(each.text), each.if_any, each.if_none) for each in words.kinds[kind].sentences]
        for words in WORDS.values()
    ]
    assert all(each == told[0] for each in told)
    codes = {code for fact in FACTS[kind].values() for code in fact.codes}
    for words in WORDS.values():
        of_kind = words.kinds[kind]
        assert set(of_kind.codes) == codes
        named = set().union(*(facts_named(each.text) for each in of_kind.sentences))
        assert named == set(FACTS[kind]), "every fact is told, and none that is not there"
        assert facts_named(of_kind.subject) <= {name for name, fact in FACTS[kind].items() if not fact.optional}


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("kind", Kind)
def test_a_notification_with_all_facts_is_told_without_a_hole(kind: Kind, language: Language) -> None:
    facts = facts_of(kind, {name: some(fact) for name, fact in FACTS[kind].items()})
    told = tell(kind, facts, language)
    text = "\n".join([told.subject, *told.sentences])
    assert told.sentences
    assert "{" not in text and "\r" not in text and "\n" not in told.subject
    for name, fact in FACTS[kind].items():
        if fact.form in {Form.NUMBER, Form.POINTS}:
            assert f"{VALUES[fact.form]:,}" in text or str(VALUES[fact.form]) in text, name


RESULTS = {"period": "2026-H1", "points": 15000, "held": 0, "electricity": 5000, "water": 10000}


def test_results_are_told_by_commodity_or_that_there_are_none() -> None:
    assert tell(Kind.RESULTS_OUT, RESULTS, Language.EN).sentences == (
        "The results for the first half of 2026 are out. You get 15,000 points.",
        "Electricity: 5,000 points.",
        "Water: 10,000 points.",
        "In your account, each award says why it is what it is.",
    )
    none = tell(Kind.RESULTS_OUT, {"period": "2026-Q3", "points": 0, "held": 2}, Language.KO)
    assert none.subject == "2026년 3분기 산정 결과 안내"
    assert none.sentences == (
        "2026년 3분기 산정 결과가 나왔습니다. 지급되는 포인트가 없습니다.",
        "담당자 확인을 기다리는 항목: 2건",
        "항목별 산정 사유는 계정의 지급 내역에서 확인하실 수 있습니다.",
    )


@pytest.mark.parametrize(
    ("period", "english", "korean"),
    [
        ("2026-H2", "the second half of 2026", "2026년 하반기"),
        ("2026-Q1", "quarter 1 of 2026", "2026년 1분기"),
        ("2026-05", "May 2026", "2026년 5월"),
        ("2026", "2026", "2026년"),
        ("2025-12/6", "December 2025 to May 2026", "2025년 12월~2026년 5월"),
    ],
)
def test_a_period_is_told_by_its_name(period: str, english: str, korean: str) -> None:
    facts = facts_of(Kind.RESULTS_OUT, {"period": Period.parse(period), "points": 1, "held": 0})
    assert (
        tell(Kind.RESULTS_OUT, facts, Language.EN).sentences[0]
        == f"The results for {english} are out. You get 1 point."
    )
    assert korean in tell(Kind.RESULTS_OUT, facts, Language.KO).subject


def test_a_correction_says_how_many_for_which_period_why_and_how_to_object() -> None:
    facts = {"period": "2026-H1", "points": -1200, "reason": "readings_revised"}
    assert tell(Kind.CORRECTION, facts, Language.EN).sentences == (
        "Your results for the first half of 2026 were corrected. Your account changes by −1,200 points.",
        "Why: meter readings or records of that time were revised.",
        "If you think that this is wrong, you can object to it in your account, at the entry in question.",
    )
    adjusted = tell(Kind.CORRECTION, {"points": 5, "reason": "goodwill"}, Language.EN)
    assert adjusted.sentences[0] == "Your account was corrected. It changes by +5 points."
    assert "+300포인트" in tell(Kind.CORRECTION, facts | {"points": 300}, Language.KO).sentences[0]


def test_an_old_notification_that_lacks_a_fact_is_told_as_far_as_it_goes() -> None:
    told = tell(Kind.POINTS_EXPIRE, {"day": "2026-12-31"}, Language.EN)
    assert told.sentences == ("You can use them until 31 December 2026, that day included.",)


@pytest.mark.parametrize(
    "facts",
    [
        {"points": 100},
        {"day": "2026-12-31", "points": 100, "name": "x"},
        {"day": "2026-13-01", "points": 100},
        {"day": "2026-12-31\n", "points": 100},
        {"day": "2026-12-31", "points": -1},
        {"day": "2026-12-31", "points": True},
        {"day": "2026-12-31", "points": 100.0},
        {"day": "2026-12-31", "points": "100"},
    ],
)
def test_facts_that_are_not_those_of_the_kind_are_refused(facts: dict[str, object]) -> None:
    assert facts_of(Kind.POINTS_EXPIRE, {"day": date(2026, 12, 31), "points": 100})
    with pytest.raises(ValueError, match="points_expire does not hold"):
        facts_of(Kind.POINTS_EXPIRE, facts)  # type: ignore[arg-type]


def test_a_code_that_no_language_knows_is_refused() -> None:
    facts = {"redemption": 1, "points": 1, "reason": "full_moon"}
    with pytest.raises(ValueError, match="reason"):
        facts_of(Kind.REDEMPTION_REFUSED, facts)


@pytest.mark.parametrize(
    ("chosen", "accepted", "language"),
    [
        ("ko", "en", "ko"),
        (None, "ko-KR,ko;q=0.9,en;q=0.8", "ko"),
        (None, "en;q=0.5, ko", "ko"),
        (None, "ko;q=0.5, EN-us;q=0.50", "ko"),
        (None, "ko;q=0, *;q=0.1", "en"),
        (None, "de, fr;q=0.9", "en"),
        (None, "ko;q=2, ;;,", "en"),
        (None, None, "en"),
    ],
)
def test_the_households_choice_comes_first_then_its_programs_then_the_banks(
    chosen: str | None, accepted: str | None, language: str
) -> None:
    assert language_for(chosen, accepted, Language.EN) == language


def test_the_page_lists_every_kind_with_its_facts() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .+? \| (.+) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    told = {kind: sorted(re.findall(r"`(\w+)`", facts)) for kind, facts in rows}
    assert told == {kind.value: sorted(FACTS[kind]) for kind in Kind}
