"""The law of adopting policies: which one settles which period, and from when another may.

An adoption is a policy's text in a city, from a day on. The policy in force for a period is the one of the latest
approved adoption that is active on the period's first day: so each period of a city has one, and only one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from carbon_bank.foundation.calendar import Period, month_of
from carbon_bank.foundation.errors import Conflict, InvalidInput
from carbon_bank.programme.policy import Policy


class AdoptionState(StrEnum):
    """In the order in which an adoption goes through them; `rejected` and `withdrawn` end it."""

    DRAFT = "draft"
    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class Adopted:
    """An approved adoption: its number, its policy, the first day of the first period that it settles."""

    number: int
    policy: Policy
    active_from: date


def in_force(adopted: Sequence[Adopted], day: date) -> Adopted | None:
    """The one whose policy settles a period that begins on a day. Args: adopted: by `active_from`, ascending."""
    active = [each for each in adopted if each.active_from <= day]
    return active[-1] if active else None


def require_place(policy: Policy, active_from: date, today: date, adopted: Sequence[Adopted]) -> None:
    """Refuse a day from which a policy cannot be active in a city.

    Args:   today: the city's. adopted: the approved ones, by `active_from`, ascending.
    Raises: InvalidInput `programme.active_from` (422); Conflict `programme.active_from_taken`, `programme.begun` (409).
    """
    if active_from < policy.effective_from:
        raise _day(policy, active_from, f"it settles periods from {policy.effective_from} on")
    _require_boundary(policy, active_from, f"{policy.reference} settles periods of {policy.period_months} months")
    before = in_force(adopted, active_from)
    after = next((each for each in adopted if each.active_from > active_from), None)
    if before is not None:
        if before.active_from == active_from:
            raise Conflict(
                "programme.active_from_taken",
                f"Adoption {before.number} ({before.policy.reference}) is active from {active_from} on. Choose another day, or "
                "have an approver take that one back before it is active.",
                {"adoption_id": before.number, "active_from": str(active_from)},
            )
        if active_from <= today:
            raise Conflict(
                "programme.begun",
                f"{before.policy.reference} is in force on {active_from}, and today is {today}: rules do not change for a "
                "period that has begun. Choose the first day of a later period.",
                {"in_force": before.policy.reference, "today": str(today)},
            )
        told = (
            f"{before.policy.reference}, in force until then, settles periods of {before.policy.period_months} months"
        )
        _require_boundary(before.policy, active_from, told)
    if after is not None:
        told = (
            f"{after.policy.reference} is active from {after.active_from} on, in the middle of a period of this policy"
        )
        _require_boundary(policy, after.active_from, told)


def _require_boundary(policy: Policy, day: date, told: str) -> None:
    period = Period.containing(month_of(day), policy.period_months, policy.anchor_month)
    if day != period.first_day:
        following = f"periods begin on {period.first_day} and {period.end_day}"
        raise InvalidInput(
            "programme.active_from",
            f"{told}: {day} is not the first day of one. Around it, {following}.",
            {"active_from": str(day), "first_days": [str(period.first_day), str(period.end_day)]},
        )


def _day(policy: Policy, active_from: date, why: str) -> InvalidInput:
    return InvalidInput(
        "programme.active_from",
        f"{policy.reference} cannot be active from {active_from} on: {why}. Choose that day or the first day of a later period.",
        {"active_from": str(active_from), "effective_from": str(policy.effective_from)},
    )
