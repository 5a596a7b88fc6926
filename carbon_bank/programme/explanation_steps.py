"""What an explanation tells: every step from readings to an award, as values.

Units: quantities in base units (Wh, L), of a combined case in grams CO2e; exact throughout.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from fractions import Fraction
from typing import Any

from carbon_bank.programme.award import Outcome


class LeftOut(StrEnum):
    """Why a month of an earlier year does not count."""

    BEFORE_TENURE = "before_tenure"
    INCOMPLETE = "incomplete"
    TOO_FEW_YEARS = "too_few_years"


class NoBaseline(StrEnum):
    """Why there is no baseline. `newcomer`: the tenure is too short; `history`: readings are missing."""

    HISTORY = "history"
    NEWCOMER = "newcomer"
    PEERS_TOO_FEW = "peers_too_few"
    PEERS_UNKNOWN = "peers_unknown"
    ZERO = "zero"


class NotAdded(StrEnum):
    """Why a combined case goes without a commodity."""

    INCOMPLETE = "incomplete"
    NO_BASELINE = "no_baseline"
    NO_METER = "no_meter"


@dataclass(frozen=True)
class TenureStep:
    """A tenure that counts for the period. `shared`: another household claims the meter at the same time."""

    meter_id: int
    starts_on: date
    ends_on: date | None
    shared: bool


@dataclass(frozen=True)
class ReadingPart:
    """The part of a reading (`reading_quantity` from `period_start` up to `period_end`) that lies in one month."""

    meter_id: int
    period_start: date
    period_end: date
    reading_quantity: int
    estimated: bool
    days: int
    quantity: int


@dataclass(frozen=True)
class MonthStep:
    """`quantity`: the sum of the parts. `usage`: that of the month; null where too few days are covered."""

    month: int
    days: int
    days_covered: int
    days_estimated: int
    quantity: int
    usage: int | None
    scaled: bool
    parts: tuple[ReadingPart, ...]


@dataclass(frozen=True)
class PastMonth:
    """A month of an earlier year; `left_out` is null where it counts."""

    step: MonthStep
    left_out: LeftOut | None


@dataclass(frozen=True)
class MonthBaseline:
    """b_m: the mean of a month in the `years_counted` years that count; null where too few do."""

    month: int
    years: tuple[PastMonth, ...]
    years_counted: int
    baseline: Fraction | None


@dataclass(frozen=True)
class PeerStep:
    """The peer group of a newcomer. `households`, `usage_total`: of those with complete usage."""

    dwelling_type: str | None
    residents_band: int | None
    households: int
    usage_total: int
    households_min: int


@dataclass(frozen=True)
class BaselineStep:
    """`months_total`: the sum of the months' baselines. `peers`: where the rule about newcomers was asked."""

    months: tuple[MonthBaseline, ...]
    months_counted: int
    months_min: int
    months_total: Fraction
    newcomer: bool
    peers: PeerStep | None
    baseline: Fraction | None
    none: NoBaseline | None


@dataclass(frozen=True)
class CommodityStep:
    """What a household used of one commodity, and its baseline. `history_since`: the beginning of its latest tenure."""

    commodity: str
    tenures: tuple[TenureStep, ...]
    history_since: date
    months: tuple[MonthStep, ...]
    usage: int | None
    baseline: BaselineStep


@dataclass(frozen=True)
class EmissionPart:
    """What one commodity adds to a combined case, in grams CO2e; null where it is left out."""

    commodity: str
    factor: Fraction
    usage: Fraction | None
    baseline: Fraction | None
    not_added: NotAdded | None


@dataclass(frozen=True)
class CombinedStep:
    """`required`, `commodities_min`: what must be added for the household to be evaluable."""

    parts: tuple[EmissionPart, ...]
    required: tuple[str, ...]
    commodities_min: int
    commodities_added: int


@dataclass(frozen=True)
class TierStep:
    """A tier and whether its bound holds; `points` or `points_per_unit` (per kWh, m3 or kg CO2e) as the policy has it."""

    tier: int
    bound: Fraction
    bound_itself: bool
    holds: bool
    points: int | None
    points_per_unit: Fraction | None


@dataclass(frozen=True)
class ReductionStep:
    """R = baseline - usage and r = R / baseline. `counted`: R as far as the policy counts it."""

    usage: Fraction
    baseline: Fraction
    reduction: Fraction
    rate: Fraction
    rate_bp: int
    tiers: tuple[TierStep, ...]
    applied: int | None
    counted_max: Fraction | None
    counted: Fraction


@dataclass(frozen=True)
class MaintenanceStep:
    """`points`: what it pays for this commodity; `holds`: whether the outcome is maintenance."""

    after: int
    points: int
    holds: bool


@dataclass(frozen=True)
class StreakStep:
    """The run of reductions: as the period before left it, as it counts (0 for a new tenure), and after this period."""

    left_before: int
    before: int
    after: int


@dataclass(frozen=True)
class StandardUseStep:
    """Use compared with a share of the city's mean, `usage_total` / `households`; `most` is that share of the mean."""

    share: Fraction
    households: int
    usage_total: int
    most: Fraction | None
    holds: bool
    points: int


@dataclass(frozen=True)
class PointsStep:
    """How the points add up. `earlier`: what the household's commodities before this one take of its most."""

    tier: int
    maintenance: int
    standard_use: int
    uncapped: int
    household_points_max: int | None
    earlier: int
    points: int


@dataclass(frozen=True)
class FindingStep:
    """A finding with the numbers behind it: whole numbers and texts."""

    code: str
    severity: str
    numbers: dict[str, Any]


@dataclass(frozen=True)
class AvoidedStep:
    """`factor`: kg CO2e of one kWh or m3; null for a combined case, whose parts have theirs."""

    factor: Fraction | None
    grams: int


@dataclass(frozen=True)
class Explanation:
    """One award, from its readings to its points. `usage` and `baseline` as the award has them."""

    household_id: int
    commodity: str
    period: str
    policy: str
    commodities: tuple[CommodityStep, ...]
    combined: CombinedStep | None
    reduction: ReductionStep | None
    maintenance: MaintenanceStep | None
    streak: StreakStep
    standard_use: StandardUseStep | None
    findings: tuple[FindingStep, ...]
    avoided: AvoidedStep | None
    outcome: Outcome
    usage: int | None
    baseline: Fraction | None
    tier: int | None
    held: bool
    points: PointsStep
