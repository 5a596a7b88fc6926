"""One number of a policy, moved over a range: the same document with another value in one place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.programme.policy import Policy, parse_policy
from carbon_bank.programme.rationals import parse_rational, rational_text

VALUES_MAX = 50
_WHOLE = re.compile(r"[0-9]{1,18}")
_AWARDED_BY = {"reduction", "maintenance", "standard_use", "household_points_max", "review", "points"}
_TOLD_BY = {"policy", "version", "title", "source", "notes", "effective_from"}
"""Keys on which `evaluate` does not depend, and only the awards made from it do, or nothing. A key that is new is in neither:
policies that differ in it are evaluated apart until somebody says otherwise."""
_STEP = re.compile(r"([a-z_0-9]+)((?:\[[0-9]+\])*)")


@dataclass(frozen=True)
class Sweep:
    """A key, as faults name it (`reduction.tiers.gas[0].from`), and the values to try."""

    key: str
    values: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Sweep:
        """`KEY=0.01,0.02,0.05`, or `KEY=0.01..0.10/0.01` with the step behind the slash.

        Raises: InvalidInput `programme.sweep` (422).
        """
        key, _, said = text.partition("=")
        found = re.fullmatch(r"([^./,]+(?:\.\d+)?)\.\.([^/,]+)/([^,]+)", said)
        if found:
            low, high, step = (parse_rational(each) for each in found.groups())
            if low is None or high is None or step is None or step <= 0 or high < low:
                raise _unreadable(text)
            count = (high - low) // step + 1
            values = [rational_text(low + step * number) for number in range(min(count, VALUES_MAX + 1))]
        elif ".." in said:
            raise _unreadable(text)
        else:
            values = [each.strip() for each in said.split(",") if each.strip()]
        return cls.of(key.strip(), values)

    @classmethod
    def of(cls, key: str, values: list[str]) -> Sweep:
        """Raises: InvalidInput `programme.sweep` (422)."""
        if not values or len(values) > VALUES_MAX:
            raise InvalidInput(
                "programme.sweep", f"A sweep has 1 to {VALUES_MAX} values; '{key[:80]}' has {len(values) or 'none'}."
            )
        return cls(key, tuple(values))


def with_value(policy: Policy, key: str, value: str) -> Policy:
    """The policy with another value at a key.

    Raises: InvalidInput `programme.sweep` where there is no such place; `programme.policy_invalid` with all faults where the
            value makes no policy.
    """
    document: Any = yaml.safe_load(policy.text)
    steps = [part for step in key.split(".") for part in _parts(step, key)]
    place = document
    for step in steps[:-1]:
        place = _inside(place, step, key)
    last = steps[-1]
    if isinstance(last, int):
        _inside(place, last, key)
    elif not isinstance(place, dict):
        raise _nowhere(key)
    place[last] = int(value) if _WHOLE.fullmatch(value) else value
    return parse_policy(written_out(document))


def written_out(document: Any) -> str:
    """A policy's keys and values as its text, without anchors, which policies do not have."""
    return yaml.dump(document, Dumper=_WrittenOut, allow_unicode=True, sort_keys=False)


def evaluated_alike(policies: Sequence[Policy]) -> list[list[int]]:
    """The places of policies, those together whose households have the same usage and baseline in every period."""
    groups: list[tuple[dict[str, Any], list[int]]] = []
    for place, policy in enumerate(policies):
        told = policy.model_dump(exclude=_AWARDED_BY | _TOLD_BY)
        for known, places in groups:
            if known == told:
                places.append(place)
                break
        else:
            groups.append((told, [place]))
    return [places for _, places in groups]


class _WrittenOut(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _parts(step: str, key: str) -> list[str | int]:
    found = _STEP.fullmatch(step)
    if found is None:
        raise _nowhere(key)
    return [found[1], *(int(number) for number in re.findall(r"[0-9]+", found[2]))]


def _inside(place: Any, step: str | int, key: str) -> Any:
    if isinstance(step, int):
        if isinstance(place, list) and step < len(place):
            return place[step]
    elif isinstance(place, dict) and place.get(step) is not None:
        return place[step]
    raise _nowhere(key)


def _nowhere(key: str) -> InvalidInput:
    return InvalidInput(
        "programme.sweep",
        f"The policy has no place '{key[:80]}'. Write it as in reduction.tiers.electricity[0].from.",
        {"key": key[:80]},
    )


def _unreadable(text: str) -> InvalidInput:
    return InvalidInput(
        "programme.sweep",
        f"'{text[:80]}' is no sweep. Write KEY=0.01,0.02 or KEY=0.01..0.10/0.01, from the least to the most.",
    )
