"""A notification in words."""

from __future__ import annotations

import string
from dataclasses import dataclass

from carbon_bank.foundation.calendar import MONTHS_PER_YEAR, Period, first_day
from carbon_bank.inbox.kinds import FACTS, Facts, FactValue, Form, Kind
from carbon_bank.inbox.languages import Language
from carbon_bank.inbox.words import WORDS, KindWords, Sentence, Words

_FORMATTER = string.Formatter()


@dataclass(frozen=True)
class Told:
    """What a household reads: a line for the list or the head of an e-mail, and the sentences."""

    subject: str
    sentences: tuple[str, ...]


def tell(kind: Kind, facts: Facts, language: Language) -> Told:
    """A notification in a language. A sentence with a fact that an old notification lacks is left out."""
    words = WORDS[language]
    of_kind = words.kinds[kind]
    values = {
        name: _told(words, of_kind, fact.form, facts[name]) for name, fact in FACTS[kind].items() if name in facts
    }
    sentences = (each.text.format(**values) for each in of_kind.sentences if _is_told(each, facts))
    return Told(of_kind.subject.format(**values), tuple(sentences))


def facts_named(text: str) -> set[str]:
    """The facts that a sentence takes."""
    return {name for _, name, _, _ in _FORMATTER.parse(text) if name}


def _is_told(sentence: Sentence, facts: Facts) -> bool:
    if sentence.if_any is not None and not facts.get(sentence.if_any):
        return False
    if sentence.if_none is not None and facts.get(sentence.if_none):
        return False
    return facts_named(sentence.text) <= facts.keys()


def _told(words: Words, of_kind: KindWords, form: Form, value: FactValue) -> str:
    match form:
        case Form.CODE:
            return of_kind.codes[str(value)]
        case Form.DAY:
            year, month, day = (int(part) for part in str(value).split("-"))
            return words.day.format(year=year, month=words.month_names[month - 1], day=day)
        case Form.PERIOD:
            return _period(words, Period.parse(str(value)))
        case Form.NUMBER:
            return str(value)
        case Form.COUNT:
            return f"{int(value):,}"
        case Form.POINTS:
            return _points(words, f"{int(value):,}", int(value))
        case Form.CHANGE:
            return _points(words, f"{int(value):+,}".replace("-", "−"), int(value))


def _points(words: Words, count: str, value: int) -> str:
    one, more = words.points
    return (one if abs(value) == 1 else more).format(count=count)


def _period(words: Words, period: Period) -> str:
    year, month = divmod(period.first_month, MONTHS_PER_YEAR)
    match period.length:
        case 6 if month % 6 == 0:
            return words.half_year[month // 6].format(year=year)
        case 3 if month % 3 == 0:
            return words.quarter.format(quarter=month // 3 + 1, year=year)
        case 12 if month == 0:
            return words.year.format(year=year)
        case 1:
            return _month(words, period.first_month)
    return words.months.format(first=_month(words, period.months[0]), last=_month(words, period.months[-1]))


def _month(words: Words, month: int) -> str:
    day = first_day(month)
    return words.month.format(year=day.year, month=words.month_names[day.month - 1])
