"""The figures of the demo city. Each has its source, or the word assumed, in docs/demo-city.md.

Units: `_share` and `_ratio` are parts of one; `monthly` is kWh or m3 in a mean month; spreads are standard deviations
of the logarithm.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from carbon_bank.foundation.units import Commodity


@dataclass(frozen=True)
class District:
    """A district and its weight in the draw: registered residents, December 2022."""

    code: str
    name_en: str
    name_ko: str
    residents: int


DISTRICTS = (
    District("dong-gu", "Dong-gu", "동구", 105_909),
    District("seo-gu", "Seo-gu", "서구", 287_401),
    District("nam-gu", "Nam-gu", "남구", 212_379),
    District("buk-gu", "Buk-gu", "북구", 424_707),
    District("gwangsan-gu", "Gwangsan-gu", "광산구", 400_654),
)

RESIDENTS_SHARES = (0.345, 0.272, 0.186, 0.150, 0.038, 0.009)
"""Households of one to six people."""

DWELLING_TYPES = ("apartment", "row_house", "detached", "studio")
STUDIO = DWELLING_TYPES.index("studio")
DETACHED = DWELLING_TYPES.index("detached")
DWELLING_SHARES_SINGLE = (0.489, 0.046, 0.340, 0.125)
DWELLING_SHARES_FAMILY = (0.742, 0.085, 0.165, 0.008)
ALL_ELECTRIC_SHARE = 0.6
"""Of the studios: no gas."""
ALL_ELECTRIC_RATIO = 1.3
"""Electricity of such a studio against one with gas."""

JOINED = (
    (date(2008, 5, 1), 0.0),
    (date(2008, 9, 1), 0.05),
    (date(2010, 9, 1), 0.14),
    (date(2012, 12, 31), 0.76),
    (date(2013, 6, 30), 0.82),
)
"""Day, and the share of the older members that had joined by then; from there evenly to the window's first day."""
NEWCOMER_SHARE = 0.08
"""Joined on a day inside the window."""
MOVER_SHARE = 0.03
"""Moved once within their district during the window."""
EMPTY_DAYS_MAX = 30
"""Between a mover's leaving and another household's taking over the dwelling."""
EMPTY_RATIO = 0.05
"""Use of an empty dwelling."""

SAVER_SHARE = 0.13
"""Changed something for good on some day of the window (a refrigerator, insulation, a shower head)."""
SAVER_COMMODITY_SHARE = 0.6
SAVING_MIN, SAVING_SPREAD, SAVING_SHAPE = 0.04, 0.30, (1.6, 6.0)
"""What a saver saves: `SAVING_MIN + SAVING_SPREAD * beta(SAVING_SHAPE)`, 10 % in the mean."""
AWAY_SHARE, AWAY_MONTHS, AWAY_RATIO = 0.004, 5, 0.06
"""Nobody at home for some months: the cases that a reviewer should find."""

SHARED_SPREAD_SHARE = 0.4
"""How much of the spread between households is one for all three commodities (large home, many hours at home)."""
GROWTH_SPREAD = 0.018
"""Of a household's own yearly growth around the city's."""
DWELLING_SPREAD = 0.2
"""Between the old and the new dwelling of a mover."""


@dataclass(frozen=True)
class Profile:
    """How a commodity is used, billed and read. Tuples by month start in January, those by residents at one person."""

    commodity: Commodity
    utility: str
    utility_name: str
    unit: str
    decimals: int
    digits: int
    calorific_value: str
    monthly_by_residents: tuple[float, ...]
    shape: tuple[float, ...]
    weather: float
    spread: float
    noise: float
    growth_per_year: float
    mid_month_share: float
    two_monthly_share: float
    estimated_share: tuple[float, ...]


def _water_m3(litres_per_day: tuple[int, ...]) -> tuple[float, ...]:
    return tuple(litres * 365 / 12 / 1000 for litres in litres_per_day)


PROFILES = (
    Profile(
        commodity=Commodity.ELECTRICITY,
        utility="elec",
        utility_name="Gwangju Demo Electricity",
        unit="kWh",
        decimals=1,
        digits=5,
        calorific_value="",
        monthly_by_residents=(195, 255, 290, 310, 330, 345),
        shape=(1.04, 0.98, 0.92, 0.87, 0.83, 0.90, 1.13, 1.45, 1.14, 0.82, 0.88, 0.96),
        weather=0.015,
        spread=0.35,
        noise=0.060,
        growth_per_year=0.025,
        mid_month_share=0.0,
        two_monthly_share=0.0,
        estimated_share=(0.02,) * 12,
    ),
    Profile(
        commodity=Commodity.GAS,
        utility="gas",
        utility_name="Gwangju Demo Gas",
        unit="m3",
        decimals=2,
        digits=5,
        calorific_value="11.861",
        monthly_by_residents=(34, 45, 52, 56, 60, 63),
        shape=(2.24, 1.98, 1.55, 0.95, 0.58, 0.39, 0.33, 0.32, 0.36, 0.52, 1.00, 1.78),
        weather=0.015,
        spread=0.45,
        noise=0.065,
        growth_per_year=0.025,
        mid_month_share=0.35,
        two_monthly_share=0.0,
        estimated_share=(0.04,) * 12,
    ),
    Profile(
        commodity=Commodity.WATER,
        utility="water",
        utility_name="Gwangju Demo Water",
        unit="m3",
        decimals=1,
        digits=4,
        calorific_value="",
        monthly_by_residents=_water_m3((276, 420, 522, 610, 687, 764)),
        shape=(0.98, 0.97, 0.98, 0.98, 1.00, 1.02, 1.04, 1.05, 1.02, 1.00, 0.98, 0.98),
        weather=0.005,
        spread=0.35,
        noise=0.060,
        growth_per_year=0.025,
        mid_month_share=0.35,
        two_monthly_share=0.5,
        estimated_share=(0.13, 0.13, 0.04, 0.04, 0.04, 0.04, 0.04, 0.04, 0.04, 0.04, 0.04, 0.13),
    ),
)
"""In the order of `Commodity`. `two_monthly_share` is of detached houses only, and comes before `mid_month_share`."""

MID_MONTH_DAY = 15
MISSING_SHARE = 0.01
EXCHANGE_SHARE_PER_MONTH = 0.005
ESTIMATE_ERROR, ESTIMATE_ERROR_MAX = 0.12, 0.25
REPLACED_SHARE = 0.10
"""Of the estimates: replaced later by what the register says, and the reading after them with it."""
MISREAD_SHARE, MISREAD_RATIO_MIN, MISREAD_RATIO_MAX = 0.001, 1.5, 4.0
MISREAD_CORRECTED_SHARE = 0.8
