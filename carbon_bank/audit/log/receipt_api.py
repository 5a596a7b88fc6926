"""Receipts: for a household of each of its postings, for an auditor of each leaf, with what opens its commitment."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, Field

from carbon_bank.audit.log import service as log_service
from carbon_bank.audit.log.canonical import parse_canonical
from carbon_bank.audit.log.entries import Opening
from carbon_bank.foundation.web import Now, Reading, ReadingReason, Writing
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.look_service import note_look
from carbon_bank.identity.permissions import Permission
from carbon_bank.settlement.award_id import AwardId
from carbon_bank.trail.service import Act

router = APIRouter(prefix="/v1", tags=["audit"])

Seq = Annotated[int, Path(ge=1, lt=2**63, description="The posting's number in the account.")]
Place = Annotated[int, Path(ge=0, lt=2**63, description="The leaf's place in the log, from 0.")]
Own = Annotated[Actor, Depends(allowed(Permission.OWN_READ))]
Explained = Annotated[Actor, Depends(allowed(Permission.AWARD_READ))]
Auditor = Annotated[Actor, Depends(allowed(Permission.AUDIT_READ))]


class OpeningRead(BaseModel):
    """Domain, key and record of a commitment: HMAC-SHA-256(key, domain || newline || canonical record). Who has it can show
    what the entry meant; keep it to yourself.
    """

    domain: str
    key: str = Field(description="64 hex digits.")
    record: dict[str, Any]


class LeafRead(BaseModel):
    """An entry of the log, and the row that it is about."""

    leaf: int
    entry: dict[str, Any]
    act_id: int | None = Field(description="The act in the trail.")
    journal_id: str | None
    household_id: int | None


class PostingInLog(BaseModel):
    """A posting of an award, and its place in the log."""

    seq: int
    leaf: int | None = Field(description="Null while it is not sealed: within a minute or two it is.")


@router.get("/awards/{award_id}/leaves", summary="Where an award stands in the log")
async def award_leaves(
    award_id: Annotated[str, Path(max_length=60, examples=["12-3456-electricity"])], actor: Explained, session: Reading
) -> list[PostingInLog]:
    """For whoever may have the award explained. A receipt of each is at `/v1/me/postings/{seq}/receipt`, for an auditor at
    `/v1/audit/leaves/{leaf}/receipt`.
    """
    found = await log_service.leaves_of_award(session, actor, AwardId.parse(award_id))
    return [PostingInLog(seq=seq, leaf=leaf) for seq, leaf in found]


@router.get("/me/postings/{seq}/receipt", summary="Proof that a posting is in the log", response_class=Response)
async def my_receipt(seq: Seq, actor: Own, session: Reading) -> Response:
    """A `.tlog-proof` (C2SP): keep it, and any tool can verify it without the bank, as `scripts/verify_receipt.py` does.

    409 while the posting is not sealed yet: within a minute or two it is.
    """
    leaf = await log_service.leaf_of_posting(session, actor.of_household(), seq)
    return _file(await log_service.receipt(session, leaf), f"posting-{seq}")


@router.get("/me/postings/{seq}/opening", summary="What the log's entry of a posting means")
async def my_opening(seq: Seq, actor: Own, session: Reading) -> OpeningRead:
    """The posting as it stands in the log, and the key that shows it: for `scripts/verify_receipt.py --opening`."""
    return _read(
        await log_service.opening(session, await log_service.leaf_of_posting(session, actor.of_household(), seq))
    )


@router.get("/audit/leaves/{leaf}", summary="A leaf of the log")
async def get_leaf(leaf: Place, actor: Auditor, session: Reading) -> LeafRead:
    found, entry = await log_service.leaf(session, actor, leaf)
    return LeafRead(
        leaf=leaf,
        entry=parse_canonical(entry),
        act_id=found.act_id,
        journal_id=None if found.journal_id is None else str(found.journal_id),
        household_id=found.household_id,
    )


@router.get("/audit/leaves/{leaf}/opening", summary="What a leaf of the log means")
async def get_opening(
    leaf: Place, actor: Auditor, session: Reading, trail: Writing, now: Now, reason: ReadingReason = None
) -> OpeningRead:
    """Of a household's postings it shows what they are, and the trail says who looked; of an act, what the trail has of it."""
    found, _ = await log_service.leaf(session, actor, leaf)
    opening = await log_service.opening(session, found)
    if found.household_id is not None:
        note_look(trail, actor, now, Act.OPENING_READ, f"household:{found.household_id}", reason, leaf=leaf)
    return _read(opening)


@router.get("/audit/leaves/{leaf}/receipt", summary="Proof that a leaf is in the log", response_class=Response)
async def get_receipt(leaf: Place, actor: Auditor, session: Reading) -> Response:
    found, _ = await log_service.leaf(session, actor, leaf)
    return _file(await log_service.receipt(session, found), f"leaf-{leaf}")


def _read(opening: Opening) -> OpeningRead:
    return OpeningRead(**opening.told())


def _file(receipt: bytes, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}.tlog-proof"', "Cache-Control": "no-store"}
    return Response(receipt, media_type="text/plain; charset=utf-8", headers=headers)
