"""A reward as an operator describes it, and what must hold of it and of an amount that a household asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date

from carbon_bank.foundation.errors import Fault, InvalidInput
from carbon_bank.rewards.channels import IN_MONEY, OF_A_PARTNER, Channel

POINTS_MAX = 10**12
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}")


@dataclass(frozen=True)
class Offer:
    """Args: points: of one; or left out, and any amount from least to most in steps. partner: its client id."""

    channel: Channel
    name: dict[str, str]
    description: dict[str, str] = field(default_factory=dict)
    points: int | None = None
    points_least: int | None = None
    points_most: int | None = None
    points_step: int | None = None
    partner: str | None = None
    stock: int | None = None
    per_month_max: int | None = None
    starts_on: date | None = None
    ends_on: date | None = None
    deadline_days: int | None = None


def check_offer(offer: Offer) -> None:
    """Raises: InvalidInput `rewards.offer` (422), with every single fault."""
    faults = [*_price(offer), *_rest(offer)]
    if faults:
        told = "; ".join(f"{fault.where}: {fault.message}" for fault in faults[:3])
        raise InvalidInput("rewards.offer", f"This reward cannot be offered: {told}", faults=faults)


def _price(offer: Offer) -> list[Fault]:
    least, most, step = offer.points_least, offer.points_most, offer.points_step
    if offer.points is not None:
        if (least, most, step) == (None, None, None):
            return []
        return [Fault("points", "rewards.price", "Give a fixed price, or least, most and step, not both.")]
    if offer.channel not in IN_MONEY:
        return [
            Fault("points", "rewards.price", f"By the channel {offer.channel}, a reward has a fixed price: name it.")
        ]
    if least is None or most is None or step is None:
        return [Fault("points", "rewards.price", "Give a fixed price, or points_least, points_most and points_step.")]
    if not 0 < step <= least <= most:
        return [Fault("points_step", "rewards.price", "It must hold that 0 < step <= least <= most.")]
    return []


def _rest(offer: Offer) -> list[Fault]:
    faults = []
    if (offer.channel in OF_A_PARTNER) != (offer.partner is not None):
        needs = "needs the client id of a partner" if offer.channel in OF_A_PARTNER else "has no partner: leave it out"
        faults.append(Fault("partner", "rewards.partner", f"The channel {offer.channel} {needs}."))
    if offer.channel is Channel.VOUCHER_POOL and offer.stock is not None:
        faults.append(
            Fault("stock", "rewards.stock", "The stock of a pool is its codes: leave it out, and import codes.")
        )
    if offer.starts_on and offer.ends_on and offer.ends_on <= offer.starts_on:
        faults.append(Fault("ends_on", "rewards.days", "A reward ends after it starts."))
    if not offer.name:
        faults.append(Fault("name", "rewards.language", "Give it a name, in one language at least."))
    for key in sorted({*offer.name, *offer.description}):
        if not _LANGUAGE.fullmatch(key):
            faults.append(Fault(f"name/{key[:20]}", "rewards.language", "Write a language as en, ko or pt-BR."))
    return faults


def check_amount(offer: Offer, asked: int | None) -> int:
    """The points of a redemption. Args: asked: null where the price is fixed.

    Raises: InvalidInput `rewards.points` (422).
    """
    if offer.points is not None:
        if asked not in (None, offer.points):
            raise InvalidInput(
                "rewards.points",
                f"This reward costs {offer.points} points. Ask for exactly those, or leave the points out.",
                {"points": offer.points},
            )
        return offer.points
    least, most, step = offer.points_least or 0, offer.points_most or 0, offer.points_step or 1
    if asked is None or not least <= asked <= most or (asked - least) % step:
        steps = "" if step == 1 else f", in steps of {step} from {least}"
        raise InvalidInput(
            "rewards.points",
            f"Choose from {least} to {most} points{steps}.",
            {"points_least": least, "points_most": most, "points_step": step},
        )
    return asked


def amount_within(offer: Offer, available: int) -> int | None:
    """The most points that a reward takes of those at hand; null: too few for it."""
    if offer.points is not None:
        return offer.points if available >= offer.points else None
    least, step = offer.points_least or 0, offer.points_step or 1
    most = min(available, offer.points_most or 0)
    return None if most < least else most - (most - least) % step
