"""Where a room puts the households of a set that are to be told of the same thing."""

from __future__ import annotations

NOTICES = "to_notify"
"""A temporary table `(household_id bigint, facts jsonb)`, one row for each household; `notify_many` drops it."""

MAKE_NOTICES = f"CREATE TEMPORARY TABLE {NOTICES} (household_id bigint, facts jsonb) ON COMMIT DROP"
