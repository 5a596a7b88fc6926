"""The pages' texts: whole in every language, and each with a use."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

from carbon_bank.foundation.units import Quality
from carbon_bank.inbox.languages import Language
from carbon_bank.readings.intake import Reason
from carbon_bank.settlement.review_service import Decision
from carbon_bank.web import words
from carbon_bank.web.words import TEXTS, PageWords

ROOM = Path(words.__file__).parent


def places(text: str) -> list[str]:
    return sorted(name for _, name, _, _ in Formatter().parse(text) if name)


def test_every_language_says_the_same_with_the_same_places_to_fill() -> None:
    english = TEXTS[Language.EN]
    assert set(TEXTS) == set(Language)
    for texts in TEXTS.values():
        assert {key: places(text) for key, text in texts.items()} == {
            key: places(text) for key, text in english.items()
        }
    assert PageWords(Language.EN).other is Language.KO


def test_what_the_bank_keeps_in_a_word_has_a_text() -> None:
    assert {*Quality, *Decision, *(f"reason_{each}" for each in Reason)} <= set(TEXTS[Language.EN])


def test_every_text_is_used() -> None:
    sources = "".join(
        path.read_text("utf-8")
        for path in ROOM.rglob("*")
        if path.suffix in {".py", ".html", ".svg"} and path.stem != "words"
    )
    told = set(re.findall(r'"(\w+)"', sources)) | {*Quality, *Decision, *(f"reason_{each}" for each in Reason)}
    topics = {"tenure", "usage", "combined", "reduction", "finding", "avoided"}
    assert set(TEXTS[Language.EN]) - told - topics == set()
