"""Where a settlement puts the points of a bucket for the ledger to post."""

from __future__ import annotations

GRANTS = "points_to_grant"
"""A temporary table `(household_id bigint, commodity text, points bigint)`, dropped with the transaction."""
