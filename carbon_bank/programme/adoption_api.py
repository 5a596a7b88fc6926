"""The policies of a city: drafted and proposed by an operator, approved by somebody else, active from a day on."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field

from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.foundation.paging import Cursor, Limit, Page, page_of, read_cursor
from carbon_bank.foundation.web import Now, Reading, Writing
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Permission
from carbon_bank.programme import adoption_service as service
from carbon_bank.programme.adoption import AdoptionState
from carbon_bank.programme.adoption_service import PolicyAdoption, StoredPolicy
from carbon_bank.programme.limits import POLICY_BYTES_MAX
from carbon_bank.programme.policy import Policy, load_shipped, parse_policy

router = APIRouter(prefix="/v1/adoptions", tags=["programme"])

Id = Annotated[int, Path(ge=1, lt=2**63)]
Reader = Annotated[Actor, Depends(allowed(Permission.POLICY_READ))]
Preparer = Annotated[Actor, Depends(allowed(Permission.POLICY_PREPARE))]
Approver = Annotated[Actor, Depends(allowed(Permission.POLICY_APPROVE))]


class Draft(BaseModel):
    """Either `policy`, one that comes with the bank, or the `text` of one of the city's own."""

    model_config = ConfigDict(extra="forbid")

    policy: str | None = Field(default=None, max_length=100, examples=["korea-carbon-point@2024"])
    text: str | None = Field(default=None, max_length=POLICY_BYTES_MAX, description="The whole document, YAML.")
    active_from: date = Field(description="The first day of the first period that it settles.", examples=["2027-01-01"])

    def read(self) -> Policy:
        """Raises: InvalidInput `programme.one_policy`; what `load_shipped` and `parse_policy` raise."""
        if (self.policy is None) == (self.text is None):
            raise InvalidInput("programme.one_policy", "Name a shipped `policy`, or give the `text` of one; not both.")
        return load_shipped(self.policy) if self.policy is not None else parse_policy(self.text or "")


class Approval(BaseModel):
    model_config = ConfigDict(extra="forbid")

    digest: str = Field(pattern="^[0-9a-fA-F]{64}$", description="SHA-256 of the text that you read and approve.")


class Reason(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=3, max_length=1000)


class AdoptionRead(BaseModel):
    """`active_from`, once approved: it settles the periods that begin on that day or later, until another is active."""

    id: int
    policy: str = Field(examples=["korea-carbon-point@2024"])
    policy_digest: str = Field(description="SHA-256 of the exact text.")
    active_from: date
    state: AdoptionState
    drafted_by: str
    drafted_at: datetime
    proposed_by: str | None
    proposed_at: datetime | None
    approved_by: str | None
    approved_at: datetime | None
    closed_by: str | None = Field(description="Who rejected or withdrew it.")
    closed_at: datetime | None
    closed_reason: str | None

    @classmethod
    def of(cls, adoption: PolicyAdoption, policy: Policy | StoredPolicy) -> AdoptionRead:
        name = policy.reference if isinstance(policy, Policy) else f"{policy.name}@{policy.version}"
        told = adoption.model_dump(exclude={"city_id", "policy_id"})
        return cls(**told, policy=name, policy_digest=policy.digest)


@router.post("", status_code=201, summary="Draft a policy for the city")
async def draft(new: Draft, session: Writing, now: Now, actor: Preparer) -> AdoptionRead:
    policy = new.read()
    return AdoptionRead.of(await service.draft_policy(session, actor, now, policy, new.active_from), policy)


@router.get("", summary="The city's adoptions, the newest first")
async def list_adoptions(
    session: Reading, actor: Reader, cursor: Cursor = None, limit: Limit = 100
) -> Page[AdoptionRead]:
    key = read_cursor(cursor, (int,))
    rows = await service.list_adoptions(session, actor, int(key[0]) if key else None, limit + 1)
    items, following = page_of(rows, limit, lambda row: [row[0].id or 0])
    return Page(items=[AdoptionRead.of(*item) for item in items], next=following)


@router.get("/{adoption_id}", summary="One adoption")
async def get_adoption(adoption_id: Id, session: Reading, actor: Reader) -> AdoptionRead:
    return AdoptionRead.of(*await service.get_adoption(session, actor, adoption_id))


@router.get("/{adoption_id}/text", summary="Its policy's exact text", response_class=PlainTextResponse)
async def get_text(adoption_id: Id, session: Reading, actor: Reader) -> PlainTextResponse:
    """YAML. Its SHA-256 is the digest to approve."""
    _, stored = await service.get_adoption(session, actor, adoption_id)
    return PlainTextResponse(stored.text, media_type="application/yaml")


@router.put("/{adoption_id}", summary="Give a draft another text or day")
async def change_draft(adoption_id: Id, new: Draft, session: Writing, now: Now, actor: Preparer) -> AdoptionRead:
    policy = new.read()
    return AdoptionRead.of(
        await service.change_draft(session, actor, now, adoption_id, policy, new.active_from), policy
    )


@router.post("/{adoption_id}/propose", summary="Hand a draft to the approvers: from here on its text stays")
async def propose(adoption_id: Id, session: Writing, now: Now, actor: Preparer) -> AdoptionRead:
    await service.propose(session, actor, now, adoption_id)
    return AdoptionRead.of(*await service.get_adoption(session, actor, adoption_id))


@router.post("/{adoption_id}/approve", summary="Approve a policy that somebody else proposed")
async def approve(adoption_id: Id, approval: Approval, session: Writing, now: Now, actor: Approver) -> AdoptionRead:
    """By the digest of the text that was read. It is final: from its day on it settles the city's periods."""
    await service.approve(session, actor, now, adoption_id, approval.digest)
    return AdoptionRead.of(*await service.get_adoption(session, actor, adoption_id))


@router.post(
    "/{adoption_id}/reject", summary="Say no to a proposed policy, or take back an approved one before it is active"
)
async def reject(adoption_id: Id, why: Reason, session: Writing, now: Now, actor: Approver) -> AdoptionRead:
    await service.reject(session, actor, now, adoption_id, why.reason)
    return AdoptionRead.of(*await service.get_adoption(session, actor, adoption_id))


@router.post("/{adoption_id}/withdraw", summary="Give up a policy that is not approved, and say why")
async def withdraw(adoption_id: Id, why: Reason, session: Writing, now: Now, actor: Preparer) -> AdoptionRead:
    await service.withdraw(session, actor, now, adoption_id, why.reason)
    return AdoptionRead.of(*await service.get_adoption(session, actor, adoption_id))
