"""The faults of a policy document in its own words: each with the path of its key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from carbon_bank.foundation.errors import Fault, InvalidInput
from carbon_bank.foundation.units import COMBINED

POLICY_INVALID = "programme.policy_invalid"
TOLD_IN_FULL = 3
_MAPPING = "Write keys with values here, as in `key: value`."
_SENTENCES = {
    "string_type": 'Write text; in quotes where it looks like a number, as in "2024".',
    "string_pattern_mismatch": "It does not match the pattern {pattern}.",
    "string_too_short": "It is empty.",
    "string_too_long": "It is longer than {max_length} characters.",
    "int_type": "Write a whole number, without quotes.",
    "int_from_float": "Write a whole number, without quotes.",
    "greater_than_equal": "It must be at least {ge}.",
    "less_than_equal": "It must be at most {le}.",
    "date_type": "Write a day without quotes, as in 2024-01-01.",
    "literal_error": "Write {expected}.",
    "dict_type": _MAPPING,
    "model_type": _MAPPING,
    "tuple_type": "Write a list here, with a hyphen before each entry.",
    "too_short": "It needs at least one entry.",
    "too_long": "It has more than {max_length} entries.",
}
"""What to write instead, by the kind of error as Pydantic names it; its own sentence where none stands here."""


def key_path(steps: Sequence[str | int]) -> str:
    """`reduction.tiers.gas[1].from`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")


def faults_of(errors: Sequence[dict[str, Any]], raw: dict[str, Any]) -> list[Fault]:
    """The faults that the document's schema found.

    Args: errors: as Pydantic lists them (`loc`, `type`, `msg`, `input`). raw: the document as it was read.
    """
    # A list whose entries are all faulty counts as empty for Pydantic: only its entries' faults are worth telling.
    places = [error["loc"] for error in errors]
    return [
        _fault_of(error, raw)
        for error in errors
        if error["type"] != "too_short" or not any(_lies_within(place, error["loc"]) for place in places)
    ]


def _lies_within(place: tuple[str | int, ...], outer: tuple[str | int, ...]) -> bool:
    return len(place) > len(outer) and place[: len(outer)] == outer


def _fault_of(error: dict[str, Any], raw: dict[str, Any]) -> Fault:
    steps = [step for step in error["loc"] if step != "[key]"]
    if steps[:3] == ["reduction", "tiers", COMBINED] and isinstance(raw["reduction"]["tiers"], list):
        del steps[2]
    where, kind = key_path(steps), error["type"]
    if kind == "missing":
        return Fault(where, "programme.missing_key", "This key is required.")
    if kind == "extra_forbidden":
        return Fault(where, "programme.unknown_key", "There is no key of this name in a policy. Check its spelling.")
    if kind in _SENTENCES:
        message = _SENTENCES[kind].format(**error.get("ctx", {}))
    else:
        message = str(error["msg"]).removeprefix("Value error, ").removesuffix(".") + "."
    return Fault(where, "programme.value", message, str(error["input"])[:80])


def invalid(faults: Sequence[Fault]) -> InvalidInput:
    """The refusal of a policy, with all its faults."""
    told = " ".join(f"{fault.where}: {fault.message}" for fault in faults[:TOLD_IN_FULL])
    more = f" And {len(faults) - TOLD_IN_FULL} more." if len(faults) > TOLD_IN_FULL else ""
    count = "one fault" if len(faults) == 1 else f"{len(faults)} faults"
    return InvalidInput(POLICY_INVALID, f"The policy has {count}. {told}{more}", faults=tuple(faults))
