"""Terms: what a point is worth and what becomes of points that nobody claims. One person prepares, another approves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.errors import Conflict, Fault, Forbidden, InvalidInput, NotFound
from carbon_bank.identity.actor import Actor
from carbon_bank.registry import service as registry
from carbon_bank.rewards import catalogue_queries as queries
from carbon_bank.rewards import catalogue_service
from carbon_bank.rewards.bank_account import BankAccount, Iban, read_iban, read_local_account
from carbon_bank.rewards.catalogue_tables import RewardTerms as RewardTerms
from carbon_bank.rewards.channels import Channel
from carbon_bank.rewards.credit_transfer import CURRENCY_PLACES
from carbon_bank.rewards.worth import read_value
from carbon_bank.trail.service import Act, record


@dataclass(frozen=True)
class Payer:
    """The city's own account, from which payouts are paid. `service_level`: a code that its bank agreed on."""

    name: str
    account: BankAccount
    service_level: str | None = None


@dataclass(frozen=True)
class NewTerms:
    """Args: point_value: as `2`, `1.4` or `3/2`. unclaimed_reward_id: a donation; null: points go back to the household."""

    point_value: str
    claim_days: int
    unclaimed_reward_id: int | None = None
    default_reward_id: int | None = None
    default_points_least: int | None = None
    payer: dict[str, str] | None = None


async def prepare(session: WriteSession, actor: Actor, now: datetime, given: NewTerms) -> RewardTerms:
    """Prepare terms. They are in force when another person has approved them.

    Raises: InvalidInput `rewards.point_value`, `rewards.terms` (422); NotFound `rewards.unknown_reward` (404).
    """
    value = read_value(given.point_value)
    city = await registry.get_city(session, actor.of_city())
    faults = []
    if city.currency not in CURRENCY_PLACES:
        faults.append(Fault("currency", "rewards.currency", f"{city.currency} is no currency in use. Mend the city's."))
    if (given.default_reward_id is None) != (given.default_points_least is None):
        faults.append(
            Fault("default_points_least", "rewards.terms", "Give the default reward and its least points, or neither.")
        )
    if given.payer is not None:
        payer = read_payer(given.payer)
        faults += [payer] if isinstance(payer, Fault) else []
    for reward_id, name in (
        (given.unclaimed_reward_id, "unclaimed_reward_id"),
        (given.default_reward_id, "default_reward_id"),
    ):
        reward = None if reward_id is None else await catalogue_service.get(session, actor, reward_id)
        if reward is not None and name == "unclaimed_reward_id" and reward.channel != Channel.DONATION:
            faults.append(
                Fault(name, "rewards.terms", f"Unclaimed points are donated, and reward {reward_id} is no donation.")
            )
    if faults:
        raise InvalidInput("rewards.terms", f"These terms cannot hold: {faults[0].message}", faults=faults)
    row = RewardTerms(
        city_id=actor.of_city(),
        currency=city.currency,
        value_num=value.numerator,
        value_den=value.denominator,
        claim_days=given.claim_days,
        unclaimed="household" if given.unclaimed_reward_id is None else "donation",
        unclaimed_reward_id=given.unclaimed_reward_id,
        default_reward_id=given.default_reward_id,
        default_points_least=given.default_points_least,
        payer=given.payer,
        prepared_by=actor.subject,
        prepared_at=now,
    )
    await queries.add(session, row)
    _record(session, Act.REWARD_TERMS_PREPARED, actor, now, row)
    return row


async def approve(session: WriteSession, actor: Actor, now: datetime, terms_id: int) -> RewardTerms:
    """Put terms in force that somebody else prepared. Redemptions under way keep theirs.

    Raises: NotFound `rewards.unknown_terms` (404); Conflict `rewards.terms_approved` (409); Forbidden `rewards.terms_own` (403).
    """
    row = await queries.terms(session, actor.of_city(), terms_id, lock=True)
    if row is None:
        raise unknown(terms_id)
    if row.approved_at is not None:
        raise Conflict("rewards.terms_approved", f"Terms {terms_id} were approved on {row.approved_at:%Y-%m-%d}.")
    if row.prepared_by == actor.subject:
        raise Forbidden("rewards.terms_own", f"You prepared terms {terms_id}: another person has to approve them.")
    row.approved_by, row.approved_at = actor.subject, now
    _record(session, Act.REWARD_TERMS_APPROVED, actor, now, row)
    await session.flush()
    return row


async def in_force(session: ReadSession, city_id: int) -> RewardTerms:
    """Raises: Conflict `rewards.no_terms` (409)."""
    found = await queries.terms_in_force(session, city_id)
    if found is None:
        raise Conflict(
            "rewards.no_terms",
            "This city has no approved terms for its rewards yet, so that nothing can be had. Ask the city's operator.",
        )
    return found


async def get_in_force(session: ReadSession, actor: Actor) -> RewardTerms:
    """Raises: NotFound `rewards.unknown_terms` (404)."""
    found = await queries.terms_in_force(session, actor.of_city())
    if found is None:
        raise NotFound("rewards.unknown_terms", "This city has no approved terms for its rewards yet.")
    return found


async def listed(session: ReadSession, actor: Actor, before: int | None, limit: int) -> Sequence[RewardTerms]:
    """The newest first."""
    return await queries.terms_listed(session, actor.of_city(), before, limit)


def value_of(terms: RewardTerms) -> Fraction:
    return Fraction(terms.value_num, terms.value_den)


def read_payer(given: dict[str, str]) -> Payer | Fault:
    """Args: given: `name`, and `iban` (perhaps `bic`), or `bank_code` and `number`; perhaps `service_level`."""
    account = read_account(given, "payer")
    if isinstance(account, Fault):
        return account
    return Payer(given.get("name", ""), account, given.get("service_level"))


def read_account(given: dict[str, str], where: str) -> BankAccount | Fault:
    """Args: given: `iban` (perhaps `bic`), or `bank_code` and `number` (perhaps `system`)."""
    if "iban" in given:
        return read_iban(given["iban"], where, given.get("bic"))
    return read_local_account(given.get("bank_code", ""), given.get("number", ""), where, given.get("system"))


def account_words(account: BankAccount) -> dict[str, str]:
    """An account as `read_account` takes it."""
    if isinstance(account, Iban):
        words = {"iban": account.number, "bic": account.bic}
    else:
        words = {"bank_code": account.bank_code, "number": account.number, "system": account.system}
    return {name: value for name, value in words.items() if value is not None}


def unknown(terms_id: int) -> NotFound:
    return NotFound("rewards.unknown_terms", f"There are no terms {terms_id} in this city.")


def _record(session: WriteSession, act: Act, actor: Actor, now: datetime, row: RewardTerms) -> None:
    facts: dict[str, Any] = {"point_value": f"{row.value_num}/{row.value_den}", "currency": row.currency}
    subject = f"reward_terms:{row.id}"
    record(session, act, by=actor.subject, at=now, subject=subject, city_id=row.city_id, facts=facts)
