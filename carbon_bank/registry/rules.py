"""What must hold of a city by itself. Pure."""

from __future__ import annotations

import re
from zoneinfo import available_timezones

from carbon_bank.foundation.errors import InvalidInput

_OF_THE_MACHINE = {"Factory", "localtime"}
"""Names that mean another zone on another machine, or none."""


def check_city(time_zone: str, currency: str) -> None:
    """Raises: InvalidInput `registry.time_zone`, `registry.currency` (422)."""
    if time_zone not in available_timezones() - _OF_THE_MACHINE:
        raise InvalidInput(
            "registry.time_zone", f"'{time_zone}' is no time zone of the IANA database. Write one as Asia/Seoul."
        )
    if not re.fullmatch(r"[A-Z]{3}", currency):
        raise InvalidInput(
            "registry.currency", f"'{currency}' is no currency of ISO 4217. Write three capital letters, as KRW."
        )
