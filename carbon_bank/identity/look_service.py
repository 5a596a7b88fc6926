"""Looking at data of households is an act of whoever does it for others: of the city's staff.

A household looks at its own, a utility's client at the readings of its own meters, a partner's client at what households asked of
it: no act of theirs is recorded. Decision record 0021.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from carbon_bank.foundation.database import WriteSession
from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.identity.actor import Actor
from carbon_bank.trail.service import Act, record

REASON_MIN = 3
"""Characters of a reason that says something."""


def note_look(
    session: WriteSession,
    actor: Actor,
    now: datetime,
    act: Act,
    subject: str | None,
    reason: str | None,
    **facts: Any,
) -> None:
    """Record that one of the city's staff looked at data of households. A list is one act, whatever it shows.

    Args: subject: whose data, as `household:12`; null: the whole city's. facts: which of them, `rows` and filters; null is left
          out. Nothing personal: no member, customer or meter number that was asked for.
    """
    if not actor.acts_for_others:
        return
    record(
        session,
        act,
        by=actor.subject,
        at=now,
        subject=subject or f"city:{actor.of_city()}",
        city_id=actor.city_id,
        reason=reason,
        facts={name: value for name, value in facts.items() if value is not None},
    )


def check_download(actor: Actor, reason: str | None) -> None:
    """Whether a file of households' data may leave the bank. To be asked before it is made.

    Raises: InvalidInput `identity.no_reason` (422) where one of the staff does not say why.
    """
    if actor.acts_for_others and len((reason or "").strip()) < REASON_MIN:
        raise InvalidInput(
            "identity.no_reason",
            f"A file with data of households leaves the bank: say why, in {REASON_MIN} characters or more, as "
            "reason=objection 7. It stays on the trail.",
        )
