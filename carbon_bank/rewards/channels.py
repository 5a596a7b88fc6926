"""How a reward reaches a household."""

from __future__ import annotations

from enum import StrEnum


class Channel(StrEnum):
    BANK_TRANSFER = "bank_transfer"
    DONATION = "donation"
    PARTNER = "partner"
    PICKUP = "pickup"
    VOUCHER_POOL = "voucher_pool"


AT_ONCE = frozenset({Channel.DONATION, Channel.VOUCHER_POOL})
"""Fulfilled in the moment in which they are asked for; the others wait for somebody, until a deadline."""
OF_A_PARTNER = frozenset({Channel.PARTNER, Channel.PICKUP})
"""A client of the city's fulfils them."""
IN_MONEY = frozenset({Channel.BANK_TRANSFER, Channel.DONATION})
"""They come to an amount of money, so that a household may choose how many points."""
