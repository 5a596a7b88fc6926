"""The life of a policy in a city: drafted, proposed, approved by somebody else, active from a day on.

What counts is the digest of the text: it is proposed, approved by name, and stands behind each award.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.errors import Conflict, Forbidden, NotFound
from carbon_bank.identity.actor import Actor
from carbon_bank.programme import adoption_queries as queries
from carbon_bank.programme.adoption import Adopted, AdoptionState, require_place
from carbon_bank.programme.faults import invalid
from carbon_bank.programme.policy import Policy, parse_policy
from carbon_bank.programme.service import keep_policy, policy_on_record
from carbon_bank.programme.tables import PolicyAdoption as PolicyAdoption
from carbon_bank.programme.tables import StoredPolicy as StoredPolicy
from carbon_bank.registry import service as registry
from carbon_bank.trail.service import Act, changes, record


async def draft_policy(
    session: WriteSession, actor: Actor, now: datetime, policy: Policy, active_from: date
) -> PolicyAdoption:
    """Put a policy's text on record as a draft. Until it is proposed, its text and day can be changed.

    Raises: InvalidInput `programme.active_from` (422); Conflict `programme.active_from_taken`, `programme.begun` (409).
    """
    city_id = actor.of_city()
    await _require_place(session, city_id, now, policy, active_from)
    adoption = PolicyAdoption(
        city_id=city_id,
        policy_id=await keep_policy(session, actor, now, policy),
        active_from=active_from,
        drafted_by=actor.subject,
        drafted_at=now,
    )
    session.add(adoption)
    await session.flush()
    _record(session, Act.POLICY_DRAFTED, actor, now, adoption, policy)
    return adoption


async def change_draft(
    session: WriteSession, actor: Actor, now: datetime, adoption_id: int, policy: Policy, active_from: date
) -> PolicyAdoption:
    """Another text, or another day, for a draft. Raises: as `draft_policy`; Conflict `programme.state` (409)."""
    adoption = await _locked(session, actor, adoption_id)
    _require_state(adoption, "change", AdoptionState.DRAFT)
    await _require_place(session, adoption.city_id, now, policy, active_from)
    was = await policy_on_record(session, adoption.policy_id)
    before = {"policy_digest": was.digest, "active_from": adoption.active_from}
    adoption.policy_id = await keep_policy(session, actor, now, policy)
    adoption.active_from = active_from
    facts = changes(before, {"policy_digest": policy.digest, "active_from": active_from})
    _record(session, Act.POLICY_DRAFTED, actor, now, adoption, policy, facts=facts)
    return adoption


async def propose(session: WriteSession, actor: Actor, now: datetime, adoption_id: int) -> PolicyAdoption:
    """Hand a draft to the approvers. From here on its text and day stay.

    Raises: InvalidInput `programme.policy_invalid` (422) where `title` or `source` lack; as `draft_policy`;
            Conflict `programme.state` (409).
    """
    adoption = await _locked(session, actor, adoption_id)
    _require_state(adoption, "propose", AdoptionState.DRAFT)
    policy = await policy_on_record(session, adoption.policy_id)
    if faults := policy.approval_faults():
        raise invalid(faults)
    await _require_place(session, adoption.city_id, now, policy, adoption.active_from)
    adoption.state = AdoptionState.PROPOSED.value
    adoption.proposed_by, adoption.proposed_at = actor.subject, now
    _record(session, Act.POLICY_PROPOSED, actor, now, adoption, policy)
    return adoption


async def approve(session: WriteSession, actor: Actor, now: datetime, adoption_id: int, digest: str) -> PolicyAdoption:
    """Approve the text with this digest, which somebody else drafted and proposed. It is final.

    Raises: Forbidden `programme.own` (403); Conflict `programme.state`, `programme.digest` (409); as `draft_policy`.
    """
    adoption = await _locked(session, actor, adoption_id)
    _require_state(adoption, "approve", AdoptionState.PROPOSED)
    if actor.subject in {adoption.drafted_by, adoption.proposed_by}:
        raise Forbidden(
            "programme.own",
            f"You drafted or proposed adoption {adoption_id}, so another approver has to read its policy and approve it.",
        )
    policy = await policy_on_record(session, adoption.policy_id)
    if digest.lower() != policy.digest:
        raise Conflict(
            "programme.digest",
            f"Adoption {adoption_id} is of the text with the digest {policy.digest}, and you approve {digest[:64]}. Read the "
            "text that was proposed, and approve its digest.",
            {"digest": policy.digest},
        )
    await queries.lock_adoptions(session, adoption.city_id)
    await _require_place(session, adoption.city_id, now, policy, adoption.active_from)
    adoption.state = AdoptionState.APPROVED.value
    adoption.approved_by, adoption.approved_at = actor.subject, now
    _record(session, Act.POLICY_APPROVED, actor, now, adoption, policy)
    return adoption


async def reject(session: WriteSession, actor: Actor, now: datetime, adoption_id: int, reason: str) -> PolicyAdoption:
    """Say no to a proposed policy; or take back an approved one before the day from which it is active.

    Raises: Conflict `programme.state`, `programme.begun` (409).
    """
    adoption = await _locked(session, actor, adoption_id)
    _require_state(adoption, "reject", AdoptionState.PROPOSED, AdoptionState.APPROVED)
    today = await registry.today_in(session, adoption.city_id, now)
    if adoption.state == AdoptionState.APPROVED and adoption.active_from <= today:
        raise Conflict(
            "programme.begun",
            f"Adoption {adoption_id} is active since {adoption.active_from}, and stays. Adopt another policy from a later day on.",
            {"active_from": str(adoption.active_from), "today": str(today)},
        )
    return await _close(session, actor, now, adoption, AdoptionState.REJECTED, Act.POLICY_REJECTED, reason)


async def withdraw(session: WriteSession, actor: Actor, now: datetime, adoption_id: int, reason: str) -> PolicyAdoption:
    """Give up a policy before it is approved. Raises: Conflict `programme.state` (409)."""
    adoption = await _locked(session, actor, adoption_id)
    _require_state(adoption, "withdraw", AdoptionState.DRAFT, AdoptionState.PROPOSED)
    return await _close(session, actor, now, adoption, AdoptionState.WITHDRAWN, Act.POLICY_WITHDRAWN, reason)


async def get_adoption(session: ReadSession, actor: Actor, adoption_id: int) -> tuple[PolicyAdoption, StoredPolicy]:
    """Raises: NotFound `programme.unknown_adoption` (404), also for another city's."""
    found = await queries.adoption(session, adoption_id)
    if found is None or found[0].city_id != actor.of_city():
        raise _unknown(adoption_id)
    return found


async def list_adoptions(
    session: ReadSession, actor: Actor, before: int | None, limit: int
) -> Sequence[tuple[PolicyAdoption, StoredPolicy]]:
    """The city's adoptions, the newest first."""
    return await queries.adoptions(session, actor.of_city(), before, limit)


async def policy_in_force(session: ReadSession, city_id: int, day: date) -> tuple[int, Policy] | None:
    """The policy that settles a period of a city that begins on a day, with the id of its text; null where there is none."""
    stored = await queries.in_force(session, city_id, day)
    if stored is None:
        return None
    assert stored.id is not None
    return stored.id, parse_policy(stored.text)


async def policy_for_period(session: ReadSession, city_id: int, period: Period) -> tuple[int, Policy]:
    """The policy that settles a period of a city, with the id of its text.

    Raises: Conflict `programme.no_policy` (409); InvalidInput `programme.period` (422) where it is no period of that policy.
    """
    found = await policy_in_force(session, city_id, period.first_day)
    if found is None:
        raise Conflict(
            "programme.no_policy",
            f"No policy of this city is active on {period.first_day}, when {period} begins. Draft one, propose it, and have "
            "it approved by another person.",
            {"period": str(period), "first_day": str(period.first_day)},
        )
    found[1].require_period(period)
    return found


async def approved_policy_text(session: ReadSession, digest: str) -> str | None:
    """The text with a digest, if a city ever approved it: such a text is public."""
    return await queries.approved_text(session, digest)


async def _require_place(session: ReadSession, city_id: int, now: datetime, policy: Policy, active_from: date) -> None:
    rows = await queries.approved(session, city_id)
    adopted = [Adopted(each.id or 0, parse_policy(stored.text), each.active_from) for each, stored in rows]
    require_place(policy, active_from, await registry.today_in(session, city_id, now), adopted)


async def _close(
    session: WriteSession,
    actor: Actor,
    now: datetime,
    adoption: PolicyAdoption,
    state: AdoptionState,
    act: Act,
    reason: str,
) -> PolicyAdoption:
    adoption.state = state.value
    adoption.closed_by, adoption.closed_at, adoption.closed_reason = actor.subject, now, reason
    _record(session, act, actor, now, adoption, await policy_on_record(session, adoption.policy_id), reason)
    return adoption


def _require_state(adoption: PolicyAdoption, verb: str, *states: AdoptionState) -> None:
    if adoption.state not in states:
        raise Conflict(
            "programme.state",
            f"Adoption {adoption.id} is {adoption.state}; to {verb} it, it has to be {' or '.join(states)}.",
            {"state": adoption.state, "needed": [state.value for state in states]},
        )


async def _locked(session: WriteSession, actor: Actor, adoption_id: int) -> PolicyAdoption:
    adoption = await queries.locked(session, adoption_id)
    if adoption is None or adoption.city_id != actor.of_city():
        raise _unknown(adoption_id)
    return adoption


def _unknown(adoption_id: int) -> NotFound:
    return NotFound(
        "programme.unknown_adoption",
        f"There is no adoption {adoption_id} in this city. List them to see which there are.",
    )


def _record(
    session: WriteSession,
    act: Act,
    actor: Actor,
    now: datetime,
    adoption: PolicyAdoption,
    policy: Policy,
    reason: str | None = None,
    facts: dict[str, Any] | None = None,
) -> None:
    told: dict[str, Any] = {
        "policy": policy.reference,
        "policy_digest": policy.digest,
        "active_from": str(adoption.active_from),
        **(facts or {}),
    }
    subject = f"adoption:{adoption.id}"
    record(session, act, by=actor.subject, at=now, subject=subject, city_id=adoption.city_id, reason=reason, facts=told)
