"""How redemptions are shown, to households, city staff and partners."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel, ConfigDict, Field

from carbon_bank.rewards.channels import Channel
from carbon_bank.rewards.redemption_states import RedemptionState
from carbon_bank.rewards.redemption_view_service import Shown
from carbon_bank.rewards.terms_service import value_of
from carbon_bank.rewards.worth import amount_text, worth_of


class Money(BaseModel):
    """What the points come to, rounded down to what the currency can pay."""

    amount: str = Field(examples=["6000"])
    currency: str
    point_value: str = Field(description="Of one point, exact.", examples=["2", "7/5"])
    rest: str = Field(
        description="What rounding left, in the currency's smallest unit: below 1.", examples=["0", "1/2"]
    )


class RedemptionRead(BaseModel):
    """Points on their way into a reward. Times are null until they come."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    household_id: int
    reward_id: int
    reward: str = Field(description="Its code.")
    reward_name: dict[str, str]
    channel: Channel
    points: int
    money: Money | None
    state: RedemptionState
    occasion: str | None = Field(description="What made it, where no person did, as `settlement:12`.")
    requested_at: datetime
    deadline_at: datetime | None = Field(description="Then it expires, and its points return.")
    fulfilling_at: datetime | None
    ended_at: datetime | None
    returned_at: datetime | None = Field(description="When a bank sent paid money back, and the points with it.")
    reason: str | None
    reason_text: str | None
    reference: str | None = Field(description="The partner's own number for it.")

    @classmethod
    def of(cls, shown: Shown) -> RedemptionRead:
        return cls.model_validate({**_common(shown), **shown.row.model_dump()})


class OwnRedemption(RedemptionRead):
    """With what only its household sees. `pickup_svg`: the code as a QR, to show at the counter."""

    voucher: str | None
    voucher_expires_on: date | None
    pickup_code: str | None
    pickup_svg: str | None


class PartnerRedemption(BaseModel):
    """What a partner needs to fulfil it."""

    id: int
    reward: str
    points: int
    state: RedemptionState
    requested_at: datetime
    deadline_at: datetime | None
    ended_at: datetime | None
    reason: str | None
    reference: str | None

    @classmethod
    def of(cls, shown: Shown) -> PartnerRedemption:
        return cls.model_validate({**shown.row.model_dump(), "reward": shown.reward.code})


def _common(shown: Shown) -> dict[str, object]:
    row, reward = shown.row, shown.reward
    money = None
    if row.currency is not None and row.money_minor is not None:
        worth = worth_of(row.points, value_of(shown.terms), row.currency)
        money = Money(
            amount=amount_text(row.money_minor, row.currency),
            currency=row.currency,
            point_value=str(value_of(shown.terms)),
            rest=str(worth.rest),
        )
    return {"reward": reward.code, "reward_name": reward.name, "channel": reward.channel, "money": money}
