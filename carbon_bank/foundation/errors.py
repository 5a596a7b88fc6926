"""What the bank says when it says no.

    Refusal                      base: a code, a sentence, the facts behind it
    |-- InvalidInput             the request cannot be right, whoever sends it
    |-- Unauthenticated          nobody, or a token that does not hold
    |-- Forbidden                known, but without this right
    |-- NotFound                 not there, or not for this caller to see
    |-- Conflict                 right in itself, but not in the present state
    |-- TooLarge                 over a stated limit of size
    |-- TooBusy                  too much is waiting already
    +-- Unavailable              something the bank needs cannot be reached now

Rooms raise these with dotted codes of their own (`readings.overlap`). Only `foundation/problems.py` knows HTTP
statuses, and only the command line knows exit codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong at one place: a field of a request, a key of a policy, a column of a row.

    Args: where: a path a person can find (`rows/3/quantity`, `reduction.tiers.gas[1].from`, `line 7, column unit`).
          code: dotted and stable. message: a sentence that says what to do. value: what was sent, cut to 80 characters.
    """

    where: str
    code: str
    message: str
    value: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if value is not None}


@dataclass(eq=False)
class Refusal(Exception):
    """The bank refuses, and says why.

    Args: code: dotted and stable, the room first. message: names what was wrong, where, the limit and what to do.
          facts: the numbers and names in the message, for machines. faults: every single fault, where there are several.
    """

    code: str
    message: str
    facts: dict[str, Any] = field(default_factory=dict)
    faults: Sequence[Fault] = ()

    def __str__(self) -> str:
        return f"{self.message} [{self.code}]"


class InvalidInput(Refusal):
    """The request cannot be right, whoever sends it."""


class Unauthenticated(Refusal):
    """No identity, or one that does not hold."""


class Forbidden(Refusal):
    """The caller is known and has not the right."""


class NotFound(Refusal):
    """Not there, or not for this caller to see: the answer is the same."""


class Conflict(Refusal):
    """Right in itself, but not in the present state of the thing."""


class TooLarge(Refusal):
    """Over a stated limit of size."""


class TooBusy(Refusal):
    """Too much is waiting already. `facts` has `retry_seconds`."""


class Unavailable(Refusal):
    """Something the bank needs cannot be reached now."""
