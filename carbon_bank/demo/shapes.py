"""How people live in the demo city and what they use: the figures, and the occupants of a block drawn from them.

Each figure has its source, or the word assumed, in docs/demo-city.md. Units: `_SHARE` and `_RATIO` are parts of one;
`monthly_by_residents` is kWh or m3 in a mean month; spreads and noise are standard deviations of the logarithm.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from carbon_bank.foundation.calendar import MONTHS_PER_YEAR, first_day
from carbon_bank.foundation.units import Commodity

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


DISTRICTS = (
    ("dong-gu", "Dong-gu", "동구", 105_909),
    ("seo-gu", "Seo-gu", "서구", 287_401),
    ("nam-gu", "Nam-gu", "남구", 212_379),
    ("buk-gu", "Buk-gu", "북구", 424_707),
    ("gwangsan-gu", "Gwangsan-gu", "광산구", 400_654),
)
"""Code, name in English and Korean, registered residents (the weight in the draw)."""

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

SAVER_SHARE = 0.18
"""Changed something for good on some day of the window (a refrigerator, insulation, a shower head)."""
SAVER_COMMODITY_SHARE = 0.6
SAVING_MIN, SAVING_SPREAD, SAVING_SHAPE = 0.05, 0.34, (1.5, 5.0)
"""What a saver saves: `SAVING_MIN + SAVING_SPREAD * beta(SAVING_SHAPE)`, 13 % in the mean."""
AWAY_SHARE, AWAY_MONTHS, AWAY_RATIO = 0.004, 5, 0.06
"""Nobody at home for some months: the cases that a reviewer should find."""

SHARED_SPREAD_SHARE = 0.4
"""How much of the spread between households is one for all three commodities (large home, many hours at home)."""
GROWTH_PER_YEAR, GROWTH_SPREAD = 0.02, 0.018
"""The city's yearly growth of use per household, and the spread of the households' own around it."""
WEATHER, NOISE = 0.008, 0.06
"""What a month differs by from the same month of another year: the whole city, and one household."""
DWELLING_SPREAD = 0.2
"""Between the old and the new dwelling of a mover."""


@dataclass(frozen=True)
class Profile:
    """How a commodity is used, billed and read. `shape` is by month from January; estimates outside and in winter."""

    commodity: Commodity
    utility: str
    decimals: int
    monthly_by_residents: tuple[float, ...]
    shape: tuple[float, ...]
    spread: float
    mid_month_share: float
    two_monthly_share: float
    estimated_shares: tuple[float, float]


PROFILES = (
    Profile(
        commodity=Commodity.ELECTRICITY,
        utility="elec",
        decimals=1,
        monthly_by_residents=(195, 255, 290, 310, 330, 345),
        shape=(1.04, 0.98, 0.92, 0.87, 0.83, 0.90, 1.13, 1.45, 1.14, 0.82, 0.88, 0.96),
        spread=0.35,
        mid_month_share=0.0,
        two_monthly_share=0.0,
        estimated_shares=(0.02, 0.02),
    ),
    Profile(
        commodity=Commodity.GAS,
        utility="gas",
        decimals=2,
        monthly_by_residents=(34, 45, 52, 56, 60, 63),
        shape=(2.24, 1.98, 1.55, 0.95, 0.58, 0.39, 0.33, 0.32, 0.36, 0.52, 1.00, 1.78),
        spread=0.45,
        mid_month_share=0.35,
        two_monthly_share=0.0,
        estimated_shares=(0.04, 0.04),
    ),
    Profile(
        commodity=Commodity.WATER,
        utility="water",
        decimals=1,
        monthly_by_residents=(8.4, 12.8, 15.9, 18.6, 20.9, 23.2),
        shape=(0.98, 0.97, 0.98, 0.98, 1.00, 1.02, 1.04, 1.05, 1.02, 1.00, 0.98, 0.98),
        spread=0.35,
        mid_month_share=0.35,
        two_monthly_share=0.5,
        estimated_shares=(0.04, 0.13),
    ),
)
"""In the order of `Commodity`. `two_monthly_share` is of detached houses only."""

GAS = list(Commodity).index(Commodity.GAS)
SCALES = np.array([10.0**profile.decimals for profile in PROFILES])
DIGITS = "5"
CALORIFIC_VALUE = "11.861"
MID_MONTH_DAY = 15
WINTER = (11, 0, 1)
"""December to February, counted from January: deemed reads where a water meter lies frozen or under snow."""
MISSING_SHARE = 0.01
EXCHANGE_SHARE_PER_MONTH = 0.005
ESTIMATE_ERROR, ESTIMATE_ERRORS = 0.12, (-0.25, 0.25)
"""Of the smaller of the estimated period's use and the next one's, which makes up for it: so none falls below zero."""
REPLACED_SHARE = 0.10
"""Of the estimates: replaced later by what the register says, and the reading after them with it."""
MISREAD_SHARE, MISREAD_RATIOS = 0.001, (1.5, 4.0)
MISREAD_CORRECTED_SHARE = 0.8


BLOCK = 500
"""Households that are drawn together; docs/demo-city.md has the rule."""


@dataclass(frozen=True)
class Window:
    """The months of the demo. Days are counted from the first one; `day_end` is the day after the last."""

    first_day: date
    month_starts: Ints
    month_days: Ints
    calendar_months: Ints
    weather: Floats
    """By commodity and month, of the whole city: what it makes of a normal month's use."""

    @property
    def months(self) -> int:
        return len(self.month_days)

    @property
    def day_end(self) -> int:
        return int(self.month_starts[-1])

    @cached_property
    def day_texts(self) -> pl.Series:
        return self.text_of(np.arange(self.day_end + 1))

    def text_of(self, days: Ints) -> pl.Series:
        return pl.Series(np.datetime64(self.first_day) + days).cast(pl.Date).cast(pl.String)

    def month_at(self, days: Ints) -> Ints:
        """The window's month that each day lies in; the last one for the day after it."""
        return np.minimum(np.searchsorted(self.month_starts, days, side="right"), self.months) - 1

    def winter_at(self, days: Ints) -> Ints:
        return np.isin(self.calendar_months[self.month_at(days - 1)], WINTER).astype(np.int64)

    @classmethod
    def of(cls, first_month: int, months: int, seed: int) -> Window:
        start = first_day(first_month)
        starts = np.array([(first_day(first_month + each) - start).days for each in range(months + 1)], np.int64)
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, 0])))
        weather = np.exp(WEATHER * rng.standard_normal((len(PROFILES), months)))
        return cls(start, starts, np.diff(starts), (first_month + np.arange(months)) % MONTHS_PER_YEAR, weather)


@dataclass(frozen=True)
class Occupants:
    """A block's households, one per row. `daily_use` is (household, commodity, month), in kWh or m3 a day.

    `joins` and `moves` are days of the window: joined long before it where negative, never moving where past its end.
    """

    residents: Ints
    dwelling_type: Ints
    district: Ints
    all_electric: Mask
    joins: Ints
    moves: Ints
    daily_use: Floats

    def use_until(self, window: Window, occupant: Ints, commodity: Ints, days: Ints) -> Floats:
        """What an occupant would have used from the window's first day to each of the days in its row."""
        before = np.pad(np.cumsum(self.daily_use * window.month_days, axis=2), ((0, 0), (0, 0), (1, 0)))
        month = window.month_at(days)
        at = occupant[:, None], commodity[:, None], month
        return np.asarray(before[at] + self.daily_use[at] * (days - window.month_starts[month]))


def draw_occupants(rng: np.random.Generator, window: Window) -> Occupants:
    """The `BLOCK` households of a block."""
    residents = 1 + rng.choice(len(RESIDENTS_SHARES), BLOCK, p=RESIDENTS_SHARES)
    lot = rng.random(BLOCK)
    dwelling_type = np.where(
        residents == 1,
        np.searchsorted(np.cumsum(DWELLING_SHARES_SINGLE)[:-1], lot, side="right"),
        np.searchsorted(np.cumsum(DWELLING_SHARES_FAMILY)[:-1], lot, side="right"),
    )
    weights = np.array([weight for *_, weight in DISTRICTS])
    district = rng.choice(len(DISTRICTS), BLOCK, p=weights / weights.sum())
    all_electric = (dwelling_type == STUDIO) & (rng.random(BLOCK) < ALL_ELECTRIC_SHARE)
    joins = _draw_joins(rng, window)
    days = rng.integers(window.day_end // 10, window.day_end * 9 // 10, BLOCK)
    moves = np.where((rng.random(BLOCK) < MOVER_SHARE) & (joins < 0), days, window.day_end + 1)
    daily_use = _draw_daily_use(rng, window, residents, all_electric)
    return Occupants(residents, dwelling_type, district, all_electric, joins, moves, daily_use)


def _draw_joins(rng: np.random.Generator, window: Window) -> Ints:
    known = [((day - window.first_day).days, share) for day, share in JOINED if day < window.first_day]
    days, shares = zip(*known, (-1, 1.0), strict=True) if known else ((-MONTHS_PER_YEAR * 30, -1), (0.0, 1.0))
    older = np.interp(rng.random(BLOCK), shares, days)
    newer = rng.integers(0, window.day_end, BLOCK)
    return np.where(rng.random(BLOCK) < NEWCOMER_SHARE, newer, older).astype(np.int64)


def _draw_daily_use(rng: np.random.Generator, window: Window, residents: Ints, all_electric: Mask) -> Floats:
    def per_commodity(attribute: str) -> Any:
        return np.array([getattr(profile, attribute) for profile in PROFILES])

    spread, count = per_commodity("spread"), len(PROFILES)
    own = rng.standard_normal((BLOCK, count))
    common = SHARED_SPREAD_SHARE**0.5 * rng.standard_normal((BLOCK, 1)) + (1 - SHARED_SPREAD_SHARE) ** 0.5 * own
    level = per_commodity("monthly_by_residents").T[residents - 1] * np.exp(spread * common - spread**2 / 2)
    level[:, 0] *= np.where(all_electric, ALL_ELECTRIC_RATIO, 1)

    months = np.arange(window.months)
    growth = GROWTH_PER_YEAR + GROWTH_SPREAD * rng.standard_normal((BLOCK, count))
    saver = (rng.random((BLOCK, 1)) < SAVER_SHARE) & (rng.random((BLOCK, count)) < SAVER_COMMODITY_SHARE)
    saving = np.where(saver, SAVING_MIN + SAVING_SPREAD * rng.beta(*SAVING_SHAPE, (BLOCK, count)), 0)
    since = rng.integers(0, window.months, (BLOCK, 1, 1))
    away = np.where(
        rng.random((BLOCK, 1, 1)) < AWAY_SHARE, rng.integers(0, window.months, (BLOCK, 1, 1)), window.months
    )
    noise = NOISE * rng.standard_normal((BLOCK, count, window.months))

    use = level[:, :, None] * np.exp(growth[:, :, None] * months / MONTHS_PER_YEAR + noise)
    use *= per_commodity("shape")[:, window.calendar_months] * window.weather
    use *= np.where(months >= since, 1 - saving[:, :, None], 1)
    use *= np.where((months >= away) & (months < away + AWAY_MONTHS), AWAY_RATIO, 1)
    return np.asarray(use * MONTHS_PER_YEAR / 365)


CALENDAR, MID_MONTH, TWO_MONTHLY = range(3)


def draw_billing_cycles(rng: np.random.Generator, dwelling_type: Ints) -> Ints:
    """By dwelling and commodity."""
    lot = rng.random((len(dwelling_type), len(PROFILES)))
    two_monthly = np.array([each.two_monthly_share for each in PROFILES]) * (dwelling_type == DETACHED)[:, None]
    mid_month = np.array([each.mid_month_share for each in PROFILES])
    return np.select([lot < two_monthly, lot >= 1 - mid_month], [TWO_MONTHLY, MID_MONTH], CALENDAR)


def billing_days(window: Window) -> Ints:
    """The days on which each cycle reads its meters, filled up with the window's end to one length."""
    firsts, end = window.month_starts, window.day_end
    odd = firsts[:-1][window.calendar_months % 2 == 0]
    middle = firsts[:-1] + MID_MONTH_DAY - 1
    cycles = [firsts, np.concatenate([[0], middle]), np.concatenate([[0], odd[odd > 0]])]
    return np.stack([np.pad(days, (0, len(firsts) + 1 - len(days)), constant_values=end) for days in cycles])
