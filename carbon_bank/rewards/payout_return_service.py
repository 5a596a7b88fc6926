"""What the bank says of a run: each payment paid, refused, or sent back, and the redemption behind it ends so.

Worked in chunks of marks, each a transaction. A file that was cut off is sent again: what was said before changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.errors import Conflict, Fault, Refusal
from carbon_bank.identity.actor import Actor
from carbon_bank.ledger.act_service import Context, reverse_journal
from carbon_bank.registry import service as registry
from carbon_bank.rewards import news_service, payout_service
from carbon_bank.rewards import payout_queries as queries
from carbon_bank.rewards import redemption_queries as redemptions
from carbon_bank.rewards.bank_return import BankReturn, Mark, Outcome, follow
from carbon_bank.rewards.payout_tables import PayoutPayment, PayoutRun
from carbon_bank.rewards.redemption_end_service import fulfil, give_back, mark_returned, opened
from carbon_bank.rewards.redemption_states import Reason, RedemptionState
from carbon_bank.trail.service import Act, record

CHUNK_MARKS = 500
_OF_THE_ACCOUNT = {
    "AC01",
    "AC02",
    "AC03",
    "AC04",
    "AC06",
    "AC13",
    "AC14",
    "BE01",
    "BE04",
    "BE05",
    "BE06",
    "MD07",
    "RC01",
    "RC04",
}
"""Reasons by which a bank says that the account is wrong, closed, or another's. Source: ISO 20022, ExternalStatusReason1Code."""


@dataclass
class Applied:
    """How many payments came to what by a file, and what of it could not be used."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)


async def check_sent(session: ReadSession, actor: Actor, run_id: int) -> PayoutRun:
    """Raises: NotFound `rewards.unknown_payout` (404); Conflict `rewards.payout_state` (409)."""
    run = await payout_service.get(session, actor, run_id)
    payout_service.check_state(run, "answered by a bank", "sent", "closed")
    return run


async def marks_of(session: ReadSession, actor: Actor, run_id: int, read: BankReturn) -> list[Mark]:
    """The marks of a file, with one for each payment that it speaks of only as a whole.

    Raises: NotFound `rewards.unknown_payout` (404); Conflict `rewards.payout_state`, `rewards.return_other_run` (409).
    """
    run = await check_sent(session, actor, run_id)
    if read.original_id is not None and read.original_id != run.message_id:
        raise Conflict(
            "rewards.return_other_run",
            f"The file answers {read.original_id}, and payout run {run_id} is {run.message_id}. Send it to the run that it answers.",
            {"original_id": read.original_id, "message_id": run.message_id},
        )
    marks = list(read.marks)
    if read.whole is not None:
        said = {mark.end_to_end_id for mark in marks} | read.in_doubt
        whole = read.whole
        marks += [
            Mark(whole.at, each, whole.outcome, whole.reason_code, whole.reason)
            for each in await queries.open_ids(session, run_id)
            if each not in said
        ]
    return marks


def chunks_of(marks: Sequence[Mark]) -> Iterator[Sequence[Mark]]:
    for start in range(0, len(marks), CHUNK_MARKS):
        yield marks[start : start + CHUNK_MARKS]


async def apply(
    session: WriteSession, actor: Actor, now: datetime, run_id: int, marks: Sequence[Mark], place: str
) -> Applied:
    """Do as the bank says. A mark that cannot be right is told by its place, and harms no other.

    Faults: `rewards.return_unknown`, `rewards.return_known`, `rewards.return_contradiction`, and why an act is refused.
    """
    run = await queries.run(session, actor.of_city(), run_id, lock=True)
    if run is None:
        raise payout_service.unknown(run_id)
    payout_service.check_state(run, "answered by a bank", "sent", "closed")
    payments = await queries.payments_called(session, run_id, [mark.end_to_end_id for mark in marks])
    applied = Applied()
    ours = []
    for mark in marks:
        if mark.end_to_end_id in payments:
            ours.append((mark, payments[mark.end_to_end_id]))
        else:
            message = (
                f"Payout run {run_id} has no payment {mark.end_to_end_id}. Look whether the file answers another run."
            )
            applied.faults.append(Fault(f"{place} {mark.at}", "rewards.return_unknown", message, mark.end_to_end_id))
    # Accounts are locked in order, as everywhere.
    for mark, payment in sorted(ours, key=lambda each: (each[1].household_id, each[1].redemption_id)):
        fault = await _apply_one(session, actor, now, run, mark, payment, applied)
        if fault is not None:
            applied.faults.append(Fault(f"{place} {mark.at}", fault.code, fault.message, mark.end_to_end_id))
    await session.flush()
    _record(session, Act.PAYOUT_RETURNED, actor, now, run, {**applied.counts, "faults": len(applied.faults)})
    await _close(session, actor, now, run)
    return applied


async def _apply_one(
    session: WriteSession,
    actor: Actor,
    now: datetime,
    run: PayoutRun,
    mark: Mark,
    payment: PayoutPayment,
    applied: Applied,
) -> Fault | None:
    known = mark.end_to_end_id
    before = Outcome(payment.outcome)
    becomes = follow(before, mark.outcome)
    if becomes is None:
        message = f"{known} is {before}, and cannot become {mark.outcome}. Ask the bank which is right."
        return Fault("", "rewards.return_contradiction", message)
    if becomes is before:
        if mark.outcome is Outcome.OPEN:
            applied.counts["open"] += 1
            return None
        return Fault("", "rewards.return_known", f"{known} is {before} already: passed over.")
    try:
        async with session.begin_nested():
            await _end(session, actor, now, becomes, mark, payment)
    except Refusal as refusal:
        return Fault("", refusal.code, f"{known}: {refusal.message}")
    applied.counts[becomes.value] += 1
    return None


async def _end(
    session: WriteSession, actor: Actor, now: datetime, becomes: Outcome, mark: Mark, payment: PayoutPayment
) -> None:
    was_paid = payment.outcome == Outcome.PAID
    payment.outcome, payment.decided_at = becomes.value, now
    payment.bank_code, payment.bank_text = mark.reason_code, mark.reason
    if becomes is Outcome.PAID:
        one = await opened(session, payment.redemption_id)
        await fulfil(session, actor.subject, now, one, payment.end_to_end_id)
        return
    is_of_account = (mark.reason_code or "").upper() in _OF_THE_ACCOUNT
    reason = Reason.ACCOUNT_UNKNOWN if is_of_account else Reason.OTHER
    words = " ".join(filter(None, (mark.reason_code, mark.reason))) or "the bank gave no reason"
    if is_of_account:
        await queries.refuse_account(session, payment.household_id, payment.sealed, words, now)
    if was_paid:
        await _take_back(session, actor, now, payment.redemption_id, reason, words)
    else:
        one = await opened(session, payment.redemption_id)
        await give_back(session, actor.subject, now, one, RedemptionState.REFUSED, reason.value, words)


async def _take_back(
    session: WriteSession, actor: Actor, now: datetime, redemption_id: int, reason: Reason, words: str
) -> None:
    """The money came back after it was paid, and so do the points."""
    row = await redemptions.lock(session, redemption_id)
    assert row is not None and row.journal_id is not None
    today = await registry.today_in(session, row.city_id, now)
    context = Context(row.city_id, actor.subject, now, today, f"redemption:{redemption_id}", reason.value)
    await reverse_journal(session, context, row.journal_id, 0)
    await mark_returned(session, actor.subject, now, row, reason, words)
    await news_service.tell_returned(session, now, row)


async def _close(session: WriteSession, actor: Actor, now: datetime, run: PayoutRun) -> None:
    if run.state == "sent" and not (await queries.outcomes(session, run.id or 0)).get("open"):
        run.state, run.closed_at = "closed", now
        await session.flush()
        _record(session, Act.PAYOUT_CLOSED, actor, now, run, {})


def _record(
    session: WriteSession, act: Act, actor: Actor, now: datetime, run: PayoutRun, facts: dict[str, object]
) -> None:
    subject = f"payout_run:{run.id}"
    record(session, act, by=actor.subject, at=now, subject=subject, city_id=run.city_id, facts=facts)
