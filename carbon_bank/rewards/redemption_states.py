"""The life of a redemption. It moves forward only; the points leave with `fulfilled`, and return with every other end."""

from __future__ import annotations

from enum import StrEnum


class RedemptionState(StrEnum):
    REQUESTED = "requested"
    HELD = "held"
    FULFILLING = "fulfilling"
    FULFILLED = "fulfilled"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


OPEN = (RedemptionState.HELD, RedemptionState.FULFILLING)
"""Points are on hold."""


class Reason(StrEnum):
    """Why a redemption was refused, or its money came back, in alphabetical order."""

    ACCOUNT_UNKNOWN = "account_unknown"
    NOT_ELIGIBLE = "not_eligible"
    OTHER = "other"
    OUT_OF_STOCK = "out_of_stock"
    PARTNER_REFUSED = "partner_refused"
    REWARD_WITHDRAWN = "reward_withdrawn"


BY_HOUSEHOLD, DEADLINE = "by_household", "deadline"
"""The reasons of the other two ends, cancelled and expired."""
