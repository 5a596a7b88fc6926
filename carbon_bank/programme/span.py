"""The periods of a policy within a span of months, so that two policies are compared over the same time."""

from __future__ import annotations

from carbon_bank.foundation.calendar import Period, month_text
from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.programme.policy import Policy

PERIODS_MAX = 24


def span_of(text: str) -> tuple[int, int]:
    """The first month of `2025-H1..2026-H1` and the first behind it. Raises: what `Period.parse_range` raises."""
    periods = Period.parse_range(text)
    return periods[0].first_month, periods[-1].first_month + periods[-1].length


def periods_within(policy: Policy, first_month: int, end_month: int) -> list[Period]:
    """The periods that a policy settles in a span.

    Raises: InvalidInput `programme.span` (422) where it is not made of whole periods, or of too many.
    """
    length = policy.period_months
    count = (end_month - first_month) // length
    starts = Period.containing(first_month, length, policy.anchor_month)
    if starts.first_month != first_month or (end_month - first_month) % length:
        raise InvalidInput(
            "programme.span",
            f"{month_text(first_month)} to {month_text(end_month - 1)} are not whole periods of {policy.reference}, which settles "
            f"{length} months at a time, one of them from month {policy.anchor_month} on. Choose a span of whole periods of both.",
        )
    if count > PERIODS_MAX:
        raise InvalidInput("programme.span", f"{count} periods are more than {PERIODS_MAX}. Choose a shorter span.")
    return [starts.shift(step) for step in range(count)]
