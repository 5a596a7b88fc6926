"""The explanation of an award as it is answered: the steps of the law, field by field."""

from __future__ import annotations

from datetime import date, datetime
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from carbon_bank.foundation.calendar import month_text
from carbon_bank.foundation.units import Quality
from carbon_bank.programme.explanation_steps import LeftOut, NoBaseline, NotAdded
from carbon_bank.programme.rationals import rational_text
from carbon_bank.programme.rules import Outcome
from carbon_bank.readings.intake import Reason


def _exact_text(value: object) -> object:
    return f"{value.numerator}/{value.denominator}" if isinstance(value, Fraction) else value


def _policy_text(value: object) -> object:
    return rational_text(value) if isinstance(value, Fraction) else value


def _month_text(value: object) -> object:
    return month_text(value) if isinstance(value, int) else value


Exact = Annotated[
    str, BeforeValidator(_exact_text), Field(description="Exact: numerator/denominator.", examples=["5220000/3"])
]
Rational = Annotated[
    str, BeforeValidator(_policy_text), Field(description="Exact, as policies write it.", examples=["0.05", "1/3"])
]
Month = Annotated[str, BeforeValidator(_month_text), Field(examples=["2026-03"])]


class _Step(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class HeldMeter(_Step):
    """A tenure that counts for the period."""

    meter_id: int
    starts_on: date
    ends_on: date | None = Field(description="The first day that no longer counts; null: it goes on.")
    shared: bool = Field(description="Whether another household claims the meter for some of the same days.")


class PartOfReading(_Step):
    """The part of one reading that lies in the month. The reading is among `readings`."""

    meter_id: int
    period_start: date
    period_end: date = Field(description="The first day that the reading does not cover.")
    reading_quantity: int = Field(description="Of the whole reading, in Wh or L.")
    estimated: bool
    days: int = Field(description="How many of the reading's days lie in the month and count for the household.")
    quantity: int = Field(description="Of the part: all parts of a reading add up to it.")


class UsedMonth(_Step):
    month: Month
    days: int
    days_covered: int = Field(description="Days on which every meter held has a reading.")
    days_estimated: int = Field(description="Covered days with an estimated reading.")
    quantity: int = Field(description="The sum of the parts, in Wh or L.")
    usage: int | None = Field(description="Null where too few days are covered: missing is not zero.")
    scaled: bool = Field(description="Whether the usage was scaled up from the covered days to the month.")
    parts: list[PartOfReading]


class EarlierMonth(_Step):
    step: UsedMonth
    left_out: LeftOut | None = Field(description="Why it does not count; null: it does.")


class BaselineOfMonth(_Step):
    """What a month would have used: the mean of the same month in the earlier years that count."""

    month: Month
    years: list[EarlierMonth]
    years_counted: int
    baseline: Exact | None


class PeerGroup(_Step):
    """Households of the same kind in the city, with which a newcomer is compared."""

    dwelling_type: str | None
    residents_band: int | None = Field(description="Number of residents; 4 stands for four and more.")
    households: int = Field(description="Those of the group with complete usage.")
    usage_total: int = Field(description="What they used together in the period, in Wh or L.")
    households_min: int = Field(description="How many the policy asks for.")


class BaselineRead(_Step):
    months: list[BaselineOfMonth]
    months_counted: int = Field(description="Months of the period that have a baseline of their own.")
    months_min: int = Field(description="How many the policy asks for.")
    months_total: Exact = Field(
        description="Their sum. The baseline is the sum times months / `months_counted`: a month without takes the mean."
    )
    newcomer: bool = Field(description="Whether the tenure is too short, however complete the readings.")
    peers: PeerGroup | None = Field(description="Where the policy gives newcomers the mean of their peers.")
    baseline: Exact | None
    none: NoBaseline | None = Field(description="Why there is no baseline.")


class UsedCommodity(_Step):
    """What the household used of one commodity, in Wh or L, and its baseline."""

    commodity: str
    tenures: list[HeldMeter]
    history_since: date = Field(description="The beginning of the latest tenure.")
    months: list[UsedMonth]
    usage: int | None = Field(description="The sum of the months; null where one is not known.")
    baseline: BaselineRead


class EmissionPartRead(_Step):
    commodity: str
    factor: Rational = Field(description="kg CO2e of one kWh or m3.")
    usage: Exact | None = Field(description="Grams CO2e.")
    baseline: Exact | None = Field(description="Grams CO2e.")
    not_added: NotAdded | None = Field(description="Why the commodity is left out; null: it is added.")


class CombinedRead(_Step):
    parts: list[EmissionPartRead]
    required: list[str] = Field(description="Commodities that must be added.")
    commodities_min: int
    commodities_added: int


class TierRead(_Step):
    tier: int
    bound: Rational
    bound_itself: bool = Field(description="Whether a rate equal to the bound reaches the tier.")
    holds: bool
    points: int | None
    points_per_unit: Rational | None = Field(description="For each kWh, m3 or kg CO2e of the counted reduction.")


class ReductionRead(_Step):
    """In Wh or L; where the award is `combined`, in grams CO2e."""

    usage: Exact
    baseline: Exact
    reduction: Exact = Field(description="Baseline less usage.")
    rate: Exact = Field(description="Reduction over baseline: what the tiers are compared with.")
    rate_bp: int = Field(description="The rate in hundredths of a percent, rounded down.")
    tiers: list[TierRead]
    applied: int | None = Field(description="The last tier that holds.")
    counted_max: Rational | None = Field(description="Up to which share of the baseline a reduction is counted.")
    counted: Exact = Field(description="The counted reduction.")


class MaintenanceRead(_Step):
    after: int = Field(description="How long a run of reductions must be.")
    points: int
    holds: bool


class StreakRead(_Step):
    left_before: int = Field(description="The run of reductions as the period before left it.")
    before: int = Field(description="As far as it counts: 0 for a new tenure.")
    after: int


class StandardUseRead(_Step):
    share: Rational
    households: int = Field(description="Households of the city with complete usage.")
    usage_total: int
    most: Exact | None = Field(description="The share of their mean.")
    holds: bool
    points: int


class PointsRead(_Step):
    tier: int
    maintenance: int
    standard_use: int
    uncapped: int = Field(description="The sum of the three.")
    household_points_max: int | None
    earlier: int = Field(description="What the household's commodities before this one take of its most.")
    points: int


class FindingRead(_Step):
    code: str
    severity: str
    numbers: dict[str, Any]


class AvoidedRead(_Step):
    factor: Rational | None = Field(description="kg CO2e of one kWh or m3; null where the award is `combined`.")
    grams: int


class Steps(_Step):
    """Every step from readings to points, by the law that settled the award, on this household's rows."""

    commodities: list[UsedCommodity] = Field(description="One; where the award is `combined`, each that is held.")
    combined: CombinedRead | None
    reduction: ReductionRead | None = Field(description="Null where usage or baseline is not known.")
    maintenance: MaintenanceRead | None = Field(description="Null where the policy has none for the commodity.")
    streak: StreakRead
    standard_use: StandardUseRead | None = Field(description="Null where the policy has none for the commodity.")
    findings: list[FindingRead]
    avoided: AvoidedRead | None
    outcome: Outcome
    usage: int | None
    baseline: Exact | None
    tier: int | None
    held: bool = Field(description="Whether a finding held it back when it was computed.")
    points: PointsRead


class RevisionOfReading(_Step):
    revision: int
    quantity: int | None = Field(description="In Wh or L; null: this revision cancels the reading.")
    quality: Quality
    reason: Reason | None
    reason_text: str | None
    recorded_at: datetime
    stood: bool = Field(description="Whether it was this one that the settlement read.")


class ReadingRead(BaseModel):
    """A reading that a month is made of, with everything that was ever recorded for it."""

    meter_id: int
    period_start: date
    period_end: date
    revisions: list[RevisionOfReading]
