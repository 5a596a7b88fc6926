"""The outlook of a household: how far it is from the next tier, while there is still time."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from carbon_bank.foundation.calendar import month_text
from carbon_bank.foundation.web import Now, Reading
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Permission
from carbon_bank.programme.outlook import MAINTENANCE, Outlook, Reason, Rung
from carbon_bank.programme.outlook_words import outlook_sentences
from carbon_bank.programme.rationals import half_up, hundredths_text, rational_text
from carbon_bank.settlement.outlook_service import outlook_of

router = APIRouter(prefix="/v1/me", tags=["household"])

Member = Annotated[Actor, Depends(allowed(Permission.OWN_READ))]


class RungRead(BaseModel):
    """A tier and what it asks of the months left. In Wh or L; grams CO2e where the commodity is `combined`."""

    tier: int | None = Field(description="From 1. Null: maintenance, which any reduction at all reaches.")
    bound: str = Field(description="The rate to reach, exact.", examples=["0.05"])
    bound_itself: bool = Field(description="Whether the bound itself counts, or only what is above it.")
    points: int
    at_least: bool = Field(description="The points grow with each unit saved; these are for just reaching it.")
    most_left: int | None = Field(description="The most that may be used in all months left. Null: out of reach.")
    most_left_each: int | None = Field(description="The same for one of the months left, rounded down.")
    share_of_baseline: str | None = Field(
        description="Percent of the baseline of the months left, rounded down.", examples=["92.40"]
    )

    @classmethod
    def of(cls, outlook: Outlook, rung: Rung) -> RungRead:
        left, share = len(outlook.months_left), outlook.share_of_baseline_bp(rung)
        each = rung.most_left // left if rung.most_left is not None and left else None
        return cls(
            tier=_tier(rung.number),
            bound=rational_text(rung.bound),
            bound_itself=rung.bound_itself,
            points=rung.points,
            at_least=rung.at_least,
            most_left=rung.most_left,
            most_left_each=each,
            share_of_baseline=None if share is None else hundredths_text(share),
        )


class OutlookRead(BaseModel):
    """One commodity. `used` and baselines in Wh or L; in grams CO2e where it is `combined`; baselines rounded half up."""

    commodity: str
    months_read: list[str] = Field(description="Completely read.", examples=[["2026-07", "2026-08"]])
    months_left: list[str] = Field(description="Not completely read yet, those of `months_missing` among them.")
    months_missing: list[str] = Field(description="Over, and not read: unless the reading arrives, nothing is paid.")
    used: int = Field(description="In the months read.")
    baseline_so_far: int | None = Field(description="Of the months read.")
    baseline: int | None = Field(description="Of the whole period. Null where there is none: see `reason`.")
    reason: Reason | None
    rungs: list[RungRead] = Field(description="From the least to the most.")
    like_baseline: int | None = Field(description="The tier, if the months left are like their baseline. Null: none.")
    like_so_far: int | None = Field(description="The tier, if the household goes on as so far. Null: none.")
    sentences: list[str] = Field(description="The same in words.")

    @classmethod
    def of(cls, outlook: Outlook, language: str) -> OutlookRead:
        return cls(
            commodity=outlook.commodity,
            months_read=[month_text(month) for month in outlook.months_read],
            months_left=[month_text(month) for month in outlook.months_left],
            months_missing=[month_text(month) for month in outlook.months_missing],
            used=half_up(outlook.used),
            baseline_so_far=None if outlook.baseline_so_far is None else half_up(outlook.baseline_so_far),
            baseline=None if outlook.baseline is None else half_up(outlook.baseline),
            reason=outlook.reason,
            rungs=[RungRead.of(outlook, rung) for rung in outlook.rungs],
            like_baseline=_tier(outlook.like_baseline),
            like_so_far=_tier(outlook.like_so_far),
            sentences=outlook_sentences(outlook, language),
        )


class PeriodOutlook(BaseModel):
    period: str = Field(examples=["2026-H2"])
    policy: str
    policy_digest: str
    household_points_max: int | None = Field(description="The most that a household gets for a period. Null: no limit.")
    outlooks: list[OutlookRead] = Field(description="Empty where you hold no meter in the period.")


@router.get("/outlook", summary="How far you are from the next tier, while there is time")
async def get_outlook(
    session: Reading,
    now: Now,
    actor: Member,
    language: Annotated[Literal["en", "ko"], Query(description="Of the sentences.")] = "en",
) -> PeriodOutlook:
    """Arithmetic, no forecast: your use so far beside your baseline, and what each tier asks of the months left."""
    found = await outlook_of(session, actor, now)
    return PeriodOutlook(
        period=str(found.period),
        policy=found.policy.reference,
        policy_digest=found.policy.digest,
        household_points_max=found.policy.household_points_max,
        outlooks=[OutlookRead.of(each, language) for each in found.outlooks],
    )


def _tier(number: int | None) -> int | None:
    return None if number == MAINTENANCE else number
