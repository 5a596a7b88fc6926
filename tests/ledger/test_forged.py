"""What PostgreSQL refuses of holds, reversals, adjustments and budgets, whoever writes the SQL by hand."""

from __future__ import annotations

import psycopg
import pytest

from tests.ledger.books import as_application
from tests.ledger.test_check import households

__all__ = ["households"]  # the fixture: two households with some of everything, and books that hold

POSTING = """
    INSERT INTO posting (household_id, seq, journal_id, kind, contra, amount, available_after, held_after, debt_after,
                         effective_on, recorded_at, settlement_id, restatement_id, commodity, reverses)
"""
ADJUSTMENT = """
    INSERT INTO adjustment (city_id, household_id, points, reason, reason_text, state, prepared_by, prepared_at, decided_by,
                            decided_at, journal_id)
    SELECT city_id, household_id, points, reason, reason_text, state, prepared_by, prepared_at, prepared_by, decided_at, journal_id
    FROM adjustment
"""
FORGED: dict[str, list[str]] = {
    "a hold ends once": [
        "UPDATE hold SET spent = 1 WHERE ended_seq IS NOT NULL",
        "UPDATE hold SET ended_seq = NULL, spent = NULL WHERE ended_seq IS NOT NULL",
        "UPDATE hold SET points = points + 1 WHERE ended_seq IS NULL",
        "UPDATE hold SET deadline_at = now() WHERE ended_seq IS NULL",
    ],
    "hold_ended_check": [
        "UPDATE hold SET ended_seq = hold_id + 1, spent = points + 1 WHERE ended_seq IS NULL",
        "UPDATE hold SET ended_seq = hold_id, spent = 0 WHERE ended_seq IS NULL",
        "UPDATE hold SET spent = 1 WHERE ended_seq IS NULL",
    ],
    "what was prepared or decided is never changed": [
        "UPDATE adjustment SET points = 1",
        "UPDATE adjustment SET state = 'prepared', decided_by = NULL, decided_at = NULL, journal_id = NULL",
    ],
    "adjustment_four_eyes_check": [ADJUSTMENT],
    "budget_four_eyes_check": ["UPDATE budget SET approved_by = prepared_by"],
    "budget_used_check": ["UPDATE budget SET used = points + 1"],
    "budget_use_subject_key": [
        "INSERT INTO budget_use (budget_id, subject, points, at) SELECT id, 'adjustment:1', 1, now() "
        "FROM budget CROSS JOIN generate_series(1, 2)"
    ],
    "account_debt_first_check": ["UPDATE account SET debt = 1 WHERE available > 0"],
    "posting_reverses_key": [
        f"{POSTING} SELECT household_id, seq + 1, journal_id, kind, contra, amount, available_after + amount, held_after, debt_after, "
        "effective_on, recorded_at, NULL, NULL, NULL, reverses FROM posting WHERE kind = 'reversal'"
    ],
    "posting_restatement_key": [
        f"{POSTING} SELECT household_id, seq + n, journal_id, 'restatement', 'issuance', 1, available_after + n, held_after, "
        "debt_after, effective_on, recorded_at, 1, 1, 'gas', NULL "
        "FROM posting CROSS JOIN generate_series(1, 2) AS n WHERE kind = 'reversal'"
    ],
    "journal_reverses_key": [
        "INSERT INTO journal (id, city_id, kind, by, recorded_at, reverses) "
        "SELECT gen_random_uuid(), city_id, kind, by, recorded_at, reverses FROM journal WHERE kind = 'reversal'"
    ],
    "what counted is never changed or removed": [
        "UPDATE budget SET points = 1",
        "DELETE FROM hold",
        "DELETE FROM adjustment",
        "DELETE FROM budget",
        "UPDATE budget_use SET points = 1",
        "TRUNCATE hold CASCADE",
    ],
}


async def test_each_forgery_is_refused_by_its_rule(owner: psycopg.Connection, households: list[int]) -> None:
    for rule, statements in FORGED.items():
        for statement in statements:
            with pytest.raises(psycopg.errors.IntegrityError, match=rule):
                owner.execute(statement)  # type: ignore[call-overload]
            with as_application(owner), pytest.raises(psycopg.errors.Error) as caught:
                owner.execute(statement)  # type: ignore[call-overload]
            refused = (psycopg.errors.IntegrityError, psycopg.errors.InsufficientPrivilege)
            assert isinstance(caught.value, refused), statement
