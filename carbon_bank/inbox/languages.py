"""Which language a household is told in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum

_RANGE = re.compile(r"([A-Za-z]{1,8}|\*)(?:-[A-Za-z0-9]{1,8})*\s*(?:;\s*q=([01](?:\.\d{0,3})?))?\s*", re.ASCII)


class Language(StrEnum):
    EN = "en"
    KO = "ko"


def language_for(chosen: str | None, accepted: str | None, default: Language) -> Language:
    """The household's own choice; without one what its program asks for; without either, the bank's.

    Args: accepted: an Accept-Language header (RFC 9110), where the household reads over the API.
    """
    if chosen is not None:
        return Language(chosen)
    asked = sorted(_accepted(accepted or "", default), key=lambda each: -each[0])  # stable: of equals the first
    return asked[0][1] if asked else default


def _accepted(header: str, default: Language) -> Iterator[tuple[Decimal, Language]]:
    known = set(Language)
    for part in header.split(","):
        found = _RANGE.fullmatch(part.strip())
        weight = Decimal(found[2] or 1) if found else Decimal(0)
        if found is None or weight == 0:
            continue
        name = found[1].lower()
        if name == "*":
            yield weight, default
        elif name in known:
            yield weight, Language(name)
