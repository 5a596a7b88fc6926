"""What a household sees of itself: usage, awards, points."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from carbon_bank.foundation import clock
from carbon_bank.foundation.calendar import month_text
from carbon_bank.foundation.paging import Cursor, Limit, page_of, read_cursor
from carbon_bank.foundation.units import Commodity
from carbon_bank.foundation.web import Now, Reading
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Permission
from carbon_bank.ledger import service as ledger
from carbon_bank.programme.rationals import fraction, half_up, hundredths_text
from carbon_bank.registry import service as registry
from carbon_bank.settlement import service
from carbon_bank.settlement.account_api import Lot, PostingRead
from carbon_bank.settlement.award_id import AwardId
from carbon_bank.settlement.usage_service import usage_of

router = APIRouter(prefix="/v1/me", tags=["household"])

Member = Annotated[Actor, Depends(allowed(Permission.OWN_READ))]
MONTHS_MAX = 36


class MonthRead(BaseModel):
    month: str = Field(examples=["2026-03"])
    usage: int | None = Field(description="Null where the month is not completely read: missing is not zero.")
    baseline: int | None = Field(
        description="What you would have used: the mean of the same month in the years before."
    )
    days_covered: int
    days_estimated: int


class CommodityUsage(BaseModel):
    commodity: Commodity
    unit: str = Field(description="Wh, or L.")
    months: list[MonthRead]


class OwnAward(BaseModel):
    """One award with the numbers behind it. Quantities in Wh or L; in grams CO2e where the commodity is `combined`."""

    id: str = Field(description="Its name, for its explanation.", examples=["12-3456-electricity"])
    period: str
    policy_digest: str = Field(description="SHA-256 of the policy that settled it; its text is at `/v1/policies/...`.")
    commodity: str
    outcome: str
    usage: int | None
    baseline: int | None = Field(description="Rounded half up; what decides is the exact fraction.")
    reduction_percent: str | None = Field(description="Two decimals, rounded down.")
    points: int
    avoided_g: int | None
    review: str = Field(description="`held` until a person has looked at it.")
    findings: list[dict[str, Any]]


class Points(BaseModel):
    """`held` is set aside; `debt` is paid off by the next awards."""

    available: int = Field(
        description="What can be spent today: what remains of the lots that have not expired. Points that expired at midnight are "
        "gone from here at once; the statement shows their posting within the hour."
    )
    held: int
    debt: int
    lots: list[Lot] = Field(description="What expires when, the soonest first.")
    statement: list[PostingRead] = Field(description="The newest first.")
    next: str | None = Field(description="The cursor of the older part of the statement.")


@router.get("/usage", summary="Your use by month, beside your baseline")
async def get_usage(
    session: Reading, now: Now, actor: Member, months: Annotated[int, Query(ge=1, le=MONTHS_MAX)] = 12
) -> list[CommodityUsage]:
    grouped: dict[Commodity, CommodityUsage] = {}
    for each in await usage_of(session, actor, now, months):
        of = grouped.setdefault(each.commodity, CommodityUsage(commodity=each.commodity, unit=each.unit, months=[]))
        of.months.append(
            MonthRead(
                month=month_text(each.month),
                usage=each.usage,
                baseline=_rounded(each.baseline_num, each.baseline_den),
                days_covered=each.days_covered,
                days_estimated=each.days_estimated,
            )
        )
    return list(grouped.values())


@router.get("/awards", summary="Your awards, and why")
async def get_awards(session: Reading, actor: Member) -> list[OwnAward]:
    """Of every settlement that has been posted, the newest period first."""
    found = []
    for settlement, digest, award in await service.awards_of_household(session, actor):
        num = None if award.baseline_num is None else int(award.baseline_num)
        den = None if award.baseline_den is None else int(award.baseline_den)
        found.append(
            OwnAward(
                id=str(AwardId(award.settlement_id, award.household_id, award.commodity)),
                period=settlement.period,
                policy_digest=digest,
                commodity=award.commodity,
                outcome=award.outcome,
                usage=award.usage,
                baseline=_rounded(num, den),
                reduction_percent=_percent(award.usage, num, den),
                points=award.points,
                avoided_g=award.avoided_g,
                review=award.review,
                findings=award.findings,
            )
        )
    return found


@router.get("/points", summary="Your points: balance, what expires when, statement")
async def get_points(session: Reading, now: Now, actor: Member, cursor: Cursor = None, limit: Limit = 50) -> Points:
    household_id = actor.of_household()
    city = await registry.get_city(session, actor.of_city())
    account = await ledger.get_account(session, household_id)
    lots = await ledger.spendable_lots(session, household_id, clock.local_day(now, city.time_zone))
    key = read_cursor(cursor, (int,))
    rows = await ledger.statement(session, household_id, int(key[0]) if key else None, limit + 1)
    items, following = page_of(rows, limit, lambda row: [row.seq])
    return Points(
        available=sum(lot.remaining for lot in lots),
        held=account.held,
        debt=account.debt,
        lots=[Lot.model_validate(lot) for lot in lots],
        statement=[PostingRead.model_validate(item) for item in items],
        next=following,
    )


def _rounded(num: int | None, den: int | None) -> int | None:
    exact = fraction(num, den)
    return None if exact is None else half_up(exact)


def _percent(usage: int | None, num: int | None, den: int | None) -> str | None:
    if usage is None or num is None or den is None:
        return None
    return hundredths_text((num - usage * den) * 10_000 // num)
