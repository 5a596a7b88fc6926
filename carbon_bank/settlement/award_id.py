"""The name of an award: `12-3456-electricity`, its settlement, its household, its commodity."""

from __future__ import annotations

import re
from dataclasses import dataclass

from carbon_bank.foundation.errors import NotFound
from carbon_bank.foundation.units import COMBINED, Commodity

_FORM = re.compile(rf"([1-9][0-9]{{0,17}})-([1-9][0-9]{{0,17}})-({'|'.join([*Commodity, COMBINED])})")


@dataclass(frozen=True)
class AwardId:
    settlement_id: int
    household_id: int
    commodity: str

    def __str__(self) -> str:
        return f"{self.settlement_id}-{self.household_id}-{self.commodity}"

    @classmethod
    def parse(cls, text: str) -> AwardId:
        """Raises: NotFound `settlement.unknown_award` (404)."""
        found = _FORM.fullmatch(text)
        if found is None:
            raise unknown_award(text)
        settlement, household, commodity = found.groups()
        return cls(int(settlement), int(household), commodity)


def unknown_award(name: object) -> NotFound:
    """The refusal of an award that is not there, or not for this caller to see."""
    return NotFound(
        "settlement.unknown_award",
        f"There is no award '{str(name)[:80]}'. Its name is settlement-household-commodity, as 12-3456-electricity.",
    )
