"""The bank account of a household: its own one, sealed, and shown by its last characters only."""

from __future__ import annotations

import json
from datetime import datetime

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.errors import Fault, InvalidInput, NotFound
from carbon_bank.foundation.sealed import Sealer
from carbon_bank.foundation.sheet import hidden_character
from carbon_bank.identity.actor import Actor
from carbon_bank.rewards import payout_queries as queries
from carbon_bank.rewards.bank_account import BankAccount, masked
from carbon_bank.rewards.payout_tables import PayoutAccount as PayoutAccount
from carbon_bank.rewards.terms_service import account_words, read_account
from carbon_bank.trail.service import Act, record


async def put(
    session: WriteSession,
    actor: Actor,
    now: datetime,
    sealer: Sealer,
    holder: str,
    given: dict[str, str],
    own_account: bool,
) -> PayoutAccount:
    """Keep the account to which a household is paid. Payments that are with a bank go to the one before.

    Args: given: `iban` (perhaps `bic`), or `bank_code` and `number`. own_account: the household says that it holds it itself.

    Raises: InvalidInput `rewards.own_account`, `rewards.account` (422), never repeating the number.
    """
    if not own_account:
        raise InvalidInput(
            "rewards.own_account",
            "Points are paid to the member's own account only. Name yours, and say own_account: true; the bank refuses others.",
        )
    account = read_account(given, "account")
    if isinstance(account, Fault):
        raise InvalidInput("rewards.account", account.message, faults=[account])
    name = holder.strip()
    hidden = hidden_character(name)
    if not name or hidden is not None:
        told = "It is empty." if not name else f"It has the character {hidden}, which nobody sees. Remove it."
        raise InvalidInput("rewards.account", f"The holder's name cannot be used. {told}")
    household_id = actor.of_household()
    row = PayoutAccount(
        household_id=household_id,
        city_id=actor.of_city(),
        sealed=sealer.seal(json.dumps({"holder": name, **account_words(account)}), context_of(household_id)),
        shown=masked(account),
        own_account=True,
        changed_at=now,
        changed_by=actor.subject,
    )
    await queries.put_account(session, row)
    _record(session, Act.PAYOUT_ACCOUNT_SET, actor, now)
    return row


async def get(session: ReadSession, actor: Actor) -> PayoutAccount:
    """Raises: NotFound `rewards.account_missing` (404)."""
    row = await queries.account(session, actor.of_household())
    if row is None:
        raise _missing()
    return row


async def remove(session: WriteSession, actor: Actor, now: datetime) -> None:
    """Raises: NotFound `rewards.account_missing` (404)."""
    if not await queries.remove_account(session, actor.of_household()):
        raise _missing()
    _record(session, Act.PAYOUT_ACCOUNT_REMOVED, actor, now)


def opened(sealer: Sealer, household_id: int, sealed: str) -> tuple[str, BankAccount]:
    """Holder and account, for the file of a payout run."""
    words = json.loads(sealer.open(sealed, context_of(household_id)))
    account = read_account(words, "account")
    assert not isinstance(account, Fault), "it was read before it was sealed"
    return words["holder"], account


def context_of(household_id: int) -> str:
    return f"payout account of household:{household_id}"


def _missing() -> NotFound:
    return NotFound(
        "rewards.account_missing", "You have named no bank account. Name one with PUT /v1/me/payout-account."
    )


def _record(session: WriteSession, act: Act, actor: Actor, now: datetime) -> None:
    subject = f"household:{actor.of_household()}"
    record(session, act, by=actor.subject, at=now, subject=subject, city_id=actor.city_id)
