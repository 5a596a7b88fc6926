"""How large the numbers of a policy may be, so that every product of the rules stays inside 128 bits.

The largest are these, with usage up to MONTH_USAGE_MAX (10^13) a month, 12 months and lcm(1..5) = 60:

- a baseline of months: numerator 60 x 10^13 x 12 x 12 < 10^17, denominator 60 x 12;
- a combined baseline in grams: three commodities over the product of their denominators (720 each) and of the factors'
  common one (10^6), each worth up to 1.2 x 10^14 x 100: numerator < 1.4 x 10^31, denominator < 4 x 10^14;
- a baseline of peers: numerator POPULATION_MAX x 1.2 x 10^14, denominator POPULATION_MAX; combined, it is refused above
  NUMERATOR_MAX and COMBINED_DENOMINATOR_MAX when it occurs, since no policy bounds the sizes of three groups at one time;
- compared with a share: NUMERATOR_MAX x DENOMINATOR_MAX = 10^38 < 2^127 = 1.7 x 10^38.

Source: tests/programme/test_bounds.py carries the proof out with the largest accepted values.
"""

from __future__ import annotations

from fractions import Fraction

POLICY_BYTES_MAX = 256 * 1024
NESTING_MAX = 12
DENOMINATOR_MAX = 10**6
"""Of any rational in a policy, and of the factors of a combined rate together."""
SHARE_MAX = Fraction(1)
FACTOR_MAX = Fraction(100)
"""kg CO2e for a kWh or m3. Coal power is 1, natural gas 2.2."""
POINTS_MAX = 10**9
POINTS_PER_UNIT_MAX = Fraction(10**5)
USAGE_PER_DAY_MAX = Fraction(10**6)
"""kWh or m3."""
LOOKBACK_YEARS_MAX = 5
STREAK_MAX = 100
TIERS_MAX = 20
VALID_MONTHS_MAX = 1200
POPULATION_MAX = 10**8
"""Households in one city."""
NUMERATOR_MAX = 10**32
"""Of the exact baseline of an award."""
COMBINED_DENOMINATOR_MAX = 10**20
"""Times the numerator of points for a unit (10^11) and of `counted_max` (10^6) it is 10^37."""
