"""What a household is told of, and which facts each kind carries."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from carbon_bank.foundation.calendar import Period

FactValue = int | str
Facts = Mapping[str, FactValue]


class Kind(StrEnum):
    """Everything that a household is told of, in alphabetical order."""

    CORRECTION = "correction"
    OBJECTION_ANSWERED = "objection_answered"
    POINTS_EXPIRE = "points_expire"
    REDEMPTION_DONE = "redemption_done"
    REDEMPTION_EXPIRED = "redemption_expired"
    REDEMPTION_REFUSED = "redemption_refused"
    RESULTS_OUT = "results_out"


class Form(StrEnum):
    """What a fact is, and so how a sentence tells it."""

    CHANGE = "change"  # points, with their sign
    CODE = "code"
    COUNT = "count"
    DAY = "day"
    NUMBER = "number"  # of a thing, as `redemption 12`
    PERIOD = "period"
    POINTS = "points"


@dataclass(frozen=True)
class Written:
    """How a form stands in JSON: its type, and a pattern that Python and PostgreSQL read alike."""

    json_type: str
    pattern: str


_WHOLE = Written("number", "[0-9]{1,18}")
WRITTEN: dict[Form, Written] = {
    Form.CHANGE: Written("number", "-?[0-9]{1,18}"),
    Form.CODE: Written("string", "[a-z][a-z_]*"),
    Form.COUNT: _WHOLE,
    Form.DAY: Written("string", "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"),
    Form.NUMBER: _WHOLE,
    Form.PERIOD: Written("string", "(19[7-9]|[2-9][0-9]{2})[0-9](-(H[12]|Q[1-4]|(0[1-9]|1[0-2])(/([12346]|12))?))?"),
    Form.POINTS: _WHOLE,
}


@dataclass(frozen=True)
class Fact:
    """Args: codes: of a CODE, all that may stand there. optional: it may be left out."""

    form: Form
    codes: tuple[str, ...] = ()
    optional: bool = False


_POINTS_OF_COMMODITY = Fact(Form.POINTS, optional=True)
_REDEMPTION = {"points": Fact(Form.POINTS), "redemption": Fact(Form.NUMBER)}

FACTS: dict[Kind, dict[str, Fact]] = {
    Kind.CORRECTION: {
        "period": Fact(Form.PERIOD, optional=True),
        "points": Fact(Form.CHANGE),
        "reason": Fact(Form.CODE, ("complaint_upheld", "error", "goodwill", "other", "readings_revised")),
    },
    Kind.OBJECTION_ANSWERED: {
        "answer": Fact(Form.CODE, ("rejected", "upheld")),
        "objection": Fact(Form.NUMBER),
    },
    Kind.POINTS_EXPIRE: {"day": Fact(Form.DAY), "points": Fact(Form.POINTS)},
    Kind.REDEMPTION_DONE: _REDEMPTION,
    Kind.REDEMPTION_EXPIRED: _REDEMPTION,
    Kind.REDEMPTION_REFUSED: _REDEMPTION
    | {
        "reason": Fact(
            Form.CODE,
            ("account_unknown", "not_eligible", "other", "out_of_stock", "partner_refused", "reward_withdrawn"),
        )
    },
    Kind.RESULTS_OUT: {
        "combined": _POINTS_OF_COMMODITY,
        "electricity": _POINTS_OF_COMMODITY,
        "gas": _POINTS_OF_COMMODITY,
        "held": Fact(Form.COUNT),
        "period": Fact(Form.PERIOD),
        "points": Fact(Form.POINTS),
        "water": _POINTS_OF_COMMODITY,
    },
}
"""A correction has a `period` where it is a restatement; without one it is an adjustment, or something was taken back.

`day` is the last day on which the points can be spent; `held` counts awards that wait for a person."""


def facts_of(kind: Kind, given: Mapping[str, FactValue | date | Period]) -> dict[str, FactValue]:
    """The facts of a notification as they are kept.

    Raises: ValueError where they are not what the kind carries: a mistake of the program that tells them.
    """
    kept: dict[str, FactValue] = {}
    for name, value in given.items():
        if isinstance(value, date):
            kept[name] = value.isoformat()
        else:
            kept[name] = str(value) if isinstance(value, Period) else value
    wanted = FACTS[kind]
    wrong = [name for name in kept if name not in wanted or not _fits(wanted[name], kept[name])]
    missing = [name for name, fact in wanted.items() if not fact.optional and name not in kept]
    if wrong or missing:
        raise ValueError(f"a notification {kind} does not hold: wrong {wrong}, missing {missing}")
    return kept


def _fits(fact: Fact, value: FactValue) -> bool:
    written = WRITTEN[fact.form]
    is_of_type = type(value) is int if written.json_type == "number" else isinstance(value, str)
    if not is_of_type or not re.fullmatch(written.pattern, str(value)):
        return False
    return fact.form is not Form.CODE or value in fact.codes
