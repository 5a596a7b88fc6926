"""Payout runs: prepared from all that waits, approved by another person who names the file's digest, then handed to the bank.

The file is not stored: it is made again from the run, and is the same byte for byte, which its digest proves.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from carbon_bank.foundation import clock
from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.errors import Conflict, Fault, Forbidden, InvalidInput, NotFound
from carbon_bank.foundation.ids import uuid7
from carbon_bank.foundation.sealed import Sealer
from carbon_bank.identity.actor import Actor
from carbon_bank.registry import service as registry
from carbon_bank.rewards import catalogue_queries, payout_account_service, terms_service
from carbon_bank.rewards import payout_queries as queries
from carbon_bank.rewards.credit_transfer import CURRENCY_PLACES, Payment, Run, csv_lines, totals, write_xml
from carbon_bank.rewards.payout_tables import PayoutPayment as PayoutPayment
from carbon_bank.rewards.payout_tables import PayoutRun as PayoutRun
from carbon_bank.trail.service import Act, record

PAYMENTS_MAX = 100_000
"""Of one run; what is left waits for the next."""
Form = Literal["pain.001", "csv"]


@dataclass(frozen=True)
class PayoutFile:
    form: Form
    content: bytes


async def prepare(session: WriteSession, actor: Actor, now: datetime, sealer: Sealer, execute_on: date) -> PayoutRun:
    """Prepare a run of all redemptions that wait for one.

    Raises: Conflict `rewards.no_terms`, `rewards.no_payer`, `rewards.nothing_to_pay` (409); InvalidInput `rewards.execute_on`,
            `rewards.payout_payment`, `rewards.payout_run` (422).
    """
    city = await registry.get_city(session, actor.of_city())
    today = clock.local_day(now, city.time_zone)
    if execute_on < today:
        raise InvalidInput(
            "rewards.execute_on", f"A bank cannot pay on {execute_on}: today is {today}. Name a day from today on."
        )
    terms = await terms_service.in_force(session, actor.of_city())
    if terms.payer is None:
        raise Conflict(
            "rewards.no_payer",
            "The terms in force name no account to pay from. Prepare terms with a payer, and have them approved.",
        )
    found = await queries.waiting(session, actor.of_city(), terms.currency, now, PAYMENTS_MAX)
    if not found:
        raise Conflict(
            "rewards.nothing_to_pay", "No redemption waits to be paid by bank transfer. There is nothing to do."
        )
    run = PayoutRun(
        city_id=actor.of_city(),
        terms_id=terms.id or 0,
        message_id=f"CB-{uuid7(now).hex}",
        currency=terms.currency,
        execute_on=execute_on,
        payments=len(found),
        total_minor=sum(each.amount_minor for each in found),
        pain001_sha256="",
        csv_sha256="",
        prepared_by=actor.subject,
        prepared_at=now,
    )
    payments = [_planned(each) for each in found]
    for form, column in (("pain.001", "pain001_sha256"), ("csv", "csv_sha256")):
        content = await asyncio.to_thread(_written, run, terms.payer, payments, sealer, form)
        setattr(run, column, hashlib.sha256(content).hexdigest())
    await queries.add_run(session, run, payments)
    _record(session, Act.PAYOUT_PREPARED, actor, now, run, {"payments": run.payments, "total_minor": run.total_minor})
    return run


async def approve(session: WriteSession, actor: Actor, now: datetime, run_id: int, digest: str) -> PayoutRun:
    """Approve a run that somebody else prepared. Args: digest: SHA-256 of the file that is to go to the bank, in either form.

    Raises: NotFound `rewards.unknown_payout` (404); Conflict `rewards.payout_state`, `rewards.payout_digest` (409);
            Forbidden `rewards.payout_own` (403).
    """
    run = await _locked(session, actor, run_id)
    check_state(run, "approved", "prepared")
    if run.prepared_by == actor.subject:
        raise Forbidden("rewards.payout_own", f"You prepared payout run {run_id}: another person has to approve it.")
    forms: dict[str, Form] = {run.pain001_sha256: "pain.001", run.csv_sha256: "csv"}
    form = forms.get(digest)
    if form is None:
        raise Conflict(
            "rewards.payout_digest",
            f"Payout run {run_id} has no file with the digest {digest}. Look at the run again, and name the digest of the file.",
            {"pain001_sha256": run.pain001_sha256, "csv_sha256": run.csv_sha256},
        )
    run.state, run.approved_by, run.approved_at, run.approved_form = "approved", actor.subject, now, form
    await session.flush()
    await queries.begin_fulfilling(session, run_id, now)
    _record(session, Act.PAYOUT_APPROVED, actor, now, run, {"form": form, "sha256": digest})
    return run


async def withdraw(session: WriteSession, actor: Actor, now: datetime, run_id: int, reason: str) -> PayoutRun:
    """Give up a run whose file nobody has. Its redemptions wait for the next one.

    Raises: NotFound `rewards.unknown_payout` (404); Conflict `rewards.payout_state` (409).
    """
    run = await _locked(session, actor, run_id)
    check_state(run, "withdrawn", "prepared", "approved")
    run.state, run.withdrawn_by, run.withdrawn_reason = "withdrawn", actor.subject, reason
    await session.flush()
    await queries.let_go(session, run_id)
    _record(session, Act.PAYOUT_WITHDRAWN, actor, now, run, reason=reason)
    return run


async def hand_out(
    session: WriteSession, actor: Actor, now: datetime, sealer: Sealer, run_id: int, reason: str | None = None
) -> PayoutFile:
    """The approved file, for the bank. Each time it is handed out stands on the trail.

    Raises: NotFound `rewards.unknown_payout` (404); Conflict `rewards.payout_state`, `rewards.payout_changed` (409).
    """
    run = await _locked(session, actor, run_id)
    check_state(run, "handed out", "approved", "sent", "closed")
    terms = await catalogue_queries.terms(session, run.city_id, run.terms_id)
    assert terms is not None and terms.payer is not None
    form: Form = "csv" if run.approved_form == "csv" else "pain.001"
    payments = await queries.payments(session, run_id, 0, None)
    content = await asyncio.to_thread(_written, run, terms.payer, payments, sealer, form)
    digest = hashlib.sha256(content).hexdigest()
    if digest != (run.csv_sha256 if form == "csv" else run.pain001_sha256):
        raise Conflict(
            "rewards.payout_changed",
            f"The file of payout run {run_id} is no longer the one that was approved ({digest}). Do not pay; call the operator "
            "of the machine.",
            {"sha256": digest},
        )
    if run.state == "approved":
        run.state, run.sent_at = "sent", now
        await session.flush()
    _record(session, Act.PAYOUT_DOWNLOADED, actor, now, run, {"form": form, "sha256": digest}, reason)
    return PayoutFile(form, content)


async def get(session: ReadSession, actor: Actor, run_id: int) -> PayoutRun:
    """Raises: NotFound `rewards.unknown_payout` (404)."""
    run = await queries.run(session, actor.of_city(), run_id)
    if run is None:
        raise unknown(run_id)
    return run


async def listed(
    session: ReadSession, actor: Actor, state: str | None, before: int | None, limit: int
) -> Sequence[PayoutRun]:
    return await queries.runs(session, actor.of_city(), state, before, limit)


async def payments_of(
    session: ReadSession, actor: Actor, run_id: int, after: int, limit: int
) -> Sequence[PayoutPayment]:
    await get(session, actor, run_id)
    return await queries.payments(session, run_id, after, limit)


async def outcomes_of(session: ReadSession, run_id: int) -> dict[str, int]:
    return await queries.outcomes(session, run_id)


def check_state(run: PayoutRun, act: str, *states: str) -> None:
    """Raises: Conflict `rewards.payout_state` (409)."""
    if run.state not in states:
        raise Conflict(
            "rewards.payout_state",
            f"Payout run {run.id} is {run.state}. Only one that is {' or '.join(states)} can be {act}.",
            {"id": run.id, "state": run.state},
        )


def unknown(run_id: int) -> NotFound:
    return NotFound("rewards.unknown_payout", f"There is no payout run {run_id} in this city.")


def _written(
    run: PayoutRun, payer: dict[str, str], payments: Sequence[PayoutPayment], sealer: Sealer, form: str
) -> bytes:
    """The file of a run: the same run gives the same bytes."""
    read = terms_service.read_payer(payer)
    if isinstance(read, Fault):
        raise InvalidInput("rewards.payout_run", f"The payer's account cannot be used: {read.message}", faults=[read])
    head = Run(
        run.message_id, run.prepared_at, run.execute_on, read.name, read.account, run.currency, read.service_level
    )
    lines = [_payment(run, each, sealer) for each in payments]
    if form == "csv":
        return "".join(csv_lines(head, lines, totals(lines))).encode()
    out = io.BytesIO()
    write_xml(head, lines, totals(lines), out)
    return out.getvalue()


def _planned(waiting: queries.Waiting) -> PayoutPayment:
    return PayoutPayment(
        run_id=0,
        redemption_id=waiting.redemption_id,
        household_id=waiting.household_id,
        end_to_end_id=f"R{waiting.redemption_id}-{waiting.attempt}",
        amount_minor=waiting.amount_minor,
        sealed=waiting.sealed,
    )


def _payment(run: PayoutRun, row: PayoutPayment, sealer: Sealer) -> Payment:
    holder, account = payout_account_service.opened(sealer, row.household_id, row.sealed)
    amount = Decimal(row.amount_minor).scaleb(-CURRENCY_PLACES[run.currency])
    return Payment(row.end_to_end_id, amount, holder, account, f"Carbon points, redemption {row.redemption_id}")


async def _locked(session: WriteSession, actor: Actor, run_id: int) -> PayoutRun:
    run = await queries.run(session, actor.of_city(), run_id, lock=True)
    if run is None:
        raise unknown(run_id)
    return run


def _record(
    session: WriteSession, act: Act, actor: Actor, now: datetime, run: PayoutRun,
    facts: dict[str, Any] | None = None, reason: str | None = None,
) -> None:  # fmt: skip
    subject = f"payout_run:{run.id}"
    record(session, act, by=actor.subject, at=now, subject=subject, city_id=run.city_id, reason=reason, facts=facts)
