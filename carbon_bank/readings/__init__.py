"""Readings: what utilities send, kept in every revision, and the monthly usage that follows from it.

The words: a *reading* is a quantity for the days [period_start, period_end) of a meter; (meter, period_start, period_end)
is its natural key; a *revision* is a later version of it, with a reason; a *batch* is what was sent together.

What always holds:
- a reading is never overwritten or removed: a revision adds a row, a cancellation adds a row without a quantity;
- the same reading again is a duplicate and has no effect, however much later;
- readings that stand for one meter do not overlap;
- a row is accepted or refused on its own, with its line, column, value, a code and a sentence; an atomic batch whole or not;
- `recorded_at` is taken under a lock that a settlement takes too, so that what was recorded up to a moment stays the same.
"""
