"""What may be told to everybody of an act, and which acts bring evidence into the log with them."""

from __future__ import annotations

from typing import Any

from carbon_bank.trail.service import Act

_COUNTS = ("rows", "accepted", "duplicate", "revised", "refused", "quarantined")

PUBLIC: dict[str, tuple[str, ...]] = {
    Act.BUDGET_APPROVED: ("points", "starts_on", "ends_on"),
    Act.POLICY_APPROVED: ("policy", "policy_digest", "active_from"),
    Act.READINGS_IMPORTED: _COUNTS,
    Act.READINGS_RECORDED: _COUNTS,
    Act.RESTATEMENT_APPROVED: ("awards", "up", "down"),
    Act.RESTATEMENT_POSTED: ("postings", "points"),
    Act.SETTLEMENT_APPROVED: ("awards_to_post", "points_to_post"),
    Act.SETTLEMENT_COMPUTED: ("awards", "households"),
    Act.SETTLEMENT_POSTED: ("postings", "points"),
    Act.SETTLEMENT_WITHDRAWN: (),
}
"""Acts whose subject and these of their facts are told: none is about a household. Of the rest, only that they happened."""


def public_of(act: str, subject: str, facts: dict[str, Any]) -> dict[str, Any]:
    """What an entry tells of an act beside its time and name."""
    if act not in PUBLIC:
        return {}
    return {"subject": subject} | {name: facts[name] for name in PUBLIC[act] if isinstance(facts.get(name), int | str)}
