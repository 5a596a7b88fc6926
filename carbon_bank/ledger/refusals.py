"""Why the ledger refuses an act, in words."""

from __future__ import annotations

from carbon_bank.foundation.errors import Conflict, NotFound, Refusal

_NOT_FOUND = {
    "unknown": ("ledger.unknown_account", "There is no account of household {household}."),
    "hold_unknown": ("ledger.hold_unknown", "Household {household} has no such hold."),
    "posting_unknown": ("ledger.posting_unknown", "Household {household} has no such posting."),
}
_CONFLICT = {
    "insufficient": (
        "ledger.insufficient",
        "{fact} points can be spent, and more were asked for. Points on hold and points that have expired do not count. "
        "Choose fewer points.",
    ),
    "closed": ("ledger.closed", "This account is closed. Nothing can be set aside in it any more."),
    "hold_ended": (
        "ledger.hold_ended",
        "This hold has ended with posting {fact}. A hold ends once; look at the statement.",
    ),
    "hold_lapsed": (
        "ledger.hold_lapsed",
        "The deadline of this hold has passed, so its points go back to the household. Ask for a new one.",
    ),
    "hold_exceeded": (
        "ledger.hold_exceeded",
        "This hold is of {fact} points, and more were to leave. Ask for at most {fact}.",
    ),
    "held": (
        "ledger.held",
        "{fact} points are on hold for redemptions under way. Wait for their end, or cancel them, then close the account.",
    ),
    "reversed": ("ledger.reversed", "This posting was taken back before. Nothing is taken back twice."),
    "restated": (
        "ledger.restated",
        "The award of household {household} was restated since. Take back the journal of that restatement first, then this one.",
    ),
    "not_reversible": (
        "ledger.not_reversible",
        "Only awards, restatements, adjustments and redemptions are taken back.",
    ),
}


def refuse(word: str, household_id: int, fact: int | None) -> Refusal:
    """The refusal behind a word that an act of the database gave, with the number behind it."""
    kind, table = (NotFound, _NOT_FOUND) if word in _NOT_FOUND else (Conflict, _CONFLICT)
    code, sentence = table[word]
    facts = {} if fact is None else {"points" if word in {"insufficient", "hold_exceeded", "held"} else "seq": fact}
    return kind(code, sentence.format(household=household_id, fact=fact), facts)
