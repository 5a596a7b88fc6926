"""One award, explained: for the household that has it, and for the city's staff."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from carbon_bank.foundation.web import Now, Reading, ReadingReason, Writing
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Permission
from carbon_bank.programme.explanation_words import Language, Topic, sentences
from carbon_bank.settlement import explain_service as service
from carbon_bank.settlement.account_api import Lot
from carbon_bank.settlement.api import AwardRead
from carbon_bank.settlement.award_id import AwardId
from carbon_bank.settlement.explain_service import ExplainedAward, ReadingHistory
from carbon_bank.settlement.explanation_api import ReadingRead, RevisionOfReading, Steps
from carbon_bank.settlement.review_service import Decision
from carbon_bank.settlement.states import SettlementState

router = APIRouter(prefix="/v1/awards", tags=["settlement"])

Reader = Annotated[Actor, Depends(allowed(Permission.AWARD_READ))]


class SentenceRead(BaseModel):
    """One step in words. `about`: which one."""

    model_config = ConfigDict(from_attributes=True)

    about: Topic
    text: str


class SettlementOfAward(BaseModel):
    """`as_of` is the moment up to which it read what was recorded."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    period: str
    state: SettlementState
    as_of: datetime | None
    computed_at: datetime | None
    approved_at: datetime | None
    posted_at: datetime | None


class PolicyOfAward(BaseModel):
    reference: str = Field(examples=["korea-carbon-point@2024"])
    digest: str = Field(description="SHA-256 of its text, in hexadecimal.")
    text: str = Field(description="Where its exact text is.", examples=["/v1/policies/1f0a..."])


class DecisionRead(BaseModel):
    """What a person decided about an award that was held."""

    decision: Decision
    at: datetime
    reason: str
    by: str | None = Field(description="For the city's staff; null for the household.")


class PostingOfAward(BaseModel):
    """`effective_on` is the day it belongs to, `recorded_at` when it was made."""

    seq: int
    journal_id: UUID
    kind: str
    amount: int
    effective_on: date
    recorded_at: datetime
    lot: Lot | None = Field(description="The points that this posting granted.")


class ExplanationRead(BaseModel):
    """Quantities are in base units: Wh, L; where the award is `combined`, grams CO2e."""

    id: str = Field(examples=["12-3456-electricity"])
    language: Language
    sentences: list[SentenceRead]
    settlement: SettlementOfAward
    policy: PolicyOfAward
    award: AwardRead = Field(description="As stored when it was computed; `review` as it is now.")
    agrees: bool = Field(description="Whether the explanation ends in the stored award. If not, something is wrong.")
    differs: list[str] = Field(description="What of the stored award is not as explained.")
    explanation: Steps | None = Field(description="Null where the law gives no such award.")
    readings: list[ReadingRead] = Field(description="The readings that any of the months is made of.")
    decided: DecisionRead | None = Field(description="Null where nobody had to decide, or has.")
    postings: list[PostingOfAward]

    @classmethod
    def of(cls, explained: ExplainedAward, language: Language) -> ExplanationRead:
        told, policy, decided = explained.explanation, explained.policy, explained.decided
        words = sentences(told, language) if told else ()
        who = decided.by if decided and explained.for_staff else None
        return cls(
            id=str(explained.award_id),
            language=language,
            sentences=[SentenceRead.model_validate(each) for each in words],
            settlement=SettlementOfAward.model_validate(explained.settlement),
            policy=PolicyOfAward(
                reference=policy.reference, digest=policy.digest, text=f"/v1/policies/{policy.digest}"
            ),
            award=AwardRead.of(explained.award, policy.digest),
            agrees=not explained.differs,
            differs=explained.differs,
            explanation=Steps.model_validate(told) if told else None,
            readings=[_reading(each) for each in explained.readings],
            decided=DecisionRead(**decided.model_dump(include={"decision", "at", "reason"}), by=who)
            if decided
            else None,
            postings=[
                PostingOfAward(**posting.model_dump(), lot=Lot.model_validate(lot) if lot else None)
                for posting, lot in explained.postings
            ],
        )


@router.get("/{award_id}/explanation", summary="Every step to an award, with its numbers")
async def get_explanation(
    award_id: Annotated[str, Path(max_length=60, examples=["12-3456-electricity"])],
    session: Reading,
    trail: Writing,
    now: Now,
    actor: Reader,
    language: Annotated[Language, Query(description="Of the sentences.")] = "en",
    reason: ReadingReason = None,
) -> ExplanationRead:
    """A household sees its own awards of posted settlements, the city's staff all of its city.

    The steps are not a copy: they are made anew, by the law and from the readings that the settlement read, and compared
    with what it stored. The trail says who of the staff looked, and why.
    """
    explained = await service.explain_award(session, actor, AwardId.parse(award_id))
    service.note_reading(trail, actor, now, explained, reason)
    return ExplanationRead.of(explained, language)


def _reading(history: ReadingHistory) -> ReadingRead:
    first, _ = history.revisions[0]
    return ReadingRead(
        meter_id=first.meter_id,
        period_start=first.period_start,
        period_end=first.period_end,
        revisions=[
            RevisionOfReading(
                revision=row.revision,
                quantity=row.quantity,
                quality=row.quality,
                reason=row.reason,
                reason_text=row.reason_text,
                recorded_at=row.recorded_at,
                stood=stood,
            )
            for row, stood in history.revisions
        ],
    )
