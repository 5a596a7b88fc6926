"""What must always hold in the books, as queries for the rows where it does not."""

from __future__ import annotations

from collections.abc import Mapping

from carbon_bank.foundation.database import ReadSession

CHECKS: Mapping[str, str] = {
    "entries sum to zero": """
        SELECT NULL::bigint AS household_id, 'all entries together come to ' || sum(amount) AS fault FROM entry
        HAVING sum(amount) <> 0
    """,
    "postings are numbered 1, 2, 3, ... and continue": """
        SELECT household_id, 'posting ' || seq || ' does not continue from the one before it' FROM (
            SELECT household_id, seq, amount, available_after + held_after - debt_after AS owned,
                   lag(seq, 1, 0::bigint) OVER running AS seq_before,
                   lag(available_after + held_after - debt_after, 1, 0::bigint) OVER running AS owned_before
            FROM posting WINDOW running AS (PARTITION BY household_id ORDER BY seq)
        ) AS line WHERE seq <> seq_before + 1 OR owned <> owned_before + amount
    """,
    "accounts stand at their last posting": """
        SELECT account.household_id, 'the account shows ' || account.available || ' available, ' || account.held || ' held, '
               || account.debt || ' debt, its last posting (' || coalesce(last.seq, 0) || ') '
               || coalesce(last.available_after, 0) || ', ' || coalesce(last.held_after, 0) || ', ' || coalesce(last.debt_after, 0)
        FROM account LEFT JOIN (
            SELECT DISTINCT ON (household_id) household_id, seq, available_after, held_after, debt_after
            FROM posting ORDER BY household_id, seq DESC
        ) AS last USING (household_id)
        WHERE (account.version, account.available, account.held, account.debt)
              IS DISTINCT FROM (coalesce(last.seq, 0), coalesce(last.available_after, 0), coalesce(last.held_after, 0),
                                coalesce(last.debt_after, 0))
    """,
    "accounts equal the sum of their postings": """
        SELECT household_id, 'the account owns ' || account.available + account.held - account.debt || ', its postings come to '
               || coalesce(total.amount, 0)
        FROM account LEFT JOIN (SELECT household_id, sum(amount) AS amount FROM posting GROUP BY household_id) AS total
             USING (household_id)
        WHERE account.available + account.held - account.debt <> coalesce(total.amount, 0)
    """,
    "what is available is what remains of the lots": """
        SELECT household_id, account.available || ' are available, and ' || coalesce(total.remaining, 0) || ' remain of the lots'
        FROM account LEFT JOIN (SELECT household_id, sum(remaining) AS remaining FROM lot GROUP BY household_id) AS total
             USING (household_id)
        WHERE account.available <> coalesce(total.remaining, 0)
    """,
    "lots hold what was granted, less what was taken": """
        SELECT household_id, 'lot ' || lot_id || ': of ' || lot.granted || ' remain ' || lot.remaining || ', and '
               || coalesce(used.amount, 0) || ' were taken'
        FROM lot LEFT JOIN (SELECT household_id, lot_id, sum(amount) AS amount FROM lot_use GROUP BY household_id, lot_id) AS used
             USING (household_id, lot_id)
        WHERE lot.remaining <> lot.granted - coalesce(used.amount, 0)
    """,
    "what is held is the open holds": """
        SELECT household_id, account.held || ' are held, and open holds come to ' || coalesce(total.points, 0)
        FROM account LEFT JOIN (SELECT household_id, sum(points) AS points FROM hold WHERE ended_seq IS NULL GROUP BY household_id)
             AS total USING (household_id)
        WHERE account.held <> coalesce(total.points, 0)
    """,
    "every posting has its journal": """
        SELECT household_id, 'posting ' || seq || ' names journal ' || journal_id || ', which is not there'
        FROM posting WHERE NOT EXISTS (SELECT 1 FROM journal WHERE journal.id = posting.journal_id)
    """,
    "reversals take back what they name": """
        SELECT undone.household_id, 'posting ' || undone.seq || ' takes back ' || undone.reverses || ' and moves '
               || undone.amount - undone.forgiven || ' for ' || was.amount
        FROM posting AS undone
        LEFT JOIN posting AS was ON was.household_id = undone.household_id AND was.seq = undone.reverses
        WHERE undone.kind = 'reversal' AND undone.amount - undone.forgiven IS DISTINCT FROM -was.amount
    """,
    "budgets are used as far as was reserved": """
        SELECT NULL::bigint, 'budget ' || budget.id || ' shows ' || budget.used || ' used, and '
               || coalesce(total.points, 0) || ' were reserved'
        FROM budget LEFT JOIN (SELECT budget_id, sum(points) AS points FROM budget_use GROUP BY budget_id) AS total
             ON total.budget_id = budget.id
        WHERE budget.used <> coalesce(total.points, 0)
    """,
    "approved adjustments are posted": """
        SELECT adjustment.household_id, 'adjustment ' || adjustment.id || ' of ' || adjustment.points || ' points is approved, and '
               || 'its posting moves ' || coalesce((posting.amount - posting.forgiven)::text, 'nothing')
        FROM adjustment LEFT JOIN posting ON posting.household_id = adjustment.household_id
             AND posting.journal_id = adjustment.journal_id AND posting.kind = 'adjustment'
        WHERE adjustment.state = 'approved' AND adjustment.points IS NOT NULL
          AND posting.amount - posting.forgiven IS DISTINCT FROM adjustment.points
    """,
}
"""What must hold -> a query for the rows at fault: `household_id` (or null), and what is wrong."""


async def faults(session: ReadSession, query: str, limit: int) -> list[tuple[int | None, str]]:
    rows = await session.sql(f"{query} LIMIT :limit", {"limit": limit})
    return [(household_id, str(fault)) for household_id, fault in map(tuple, rows)]


async def count_postings(session: ReadSession) -> int:
    return int((await session.sql("SELECT count(*) FROM posting")).scalar_one())


async def as_of_one_moment(session: ReadSession) -> None:
    """All that follows in this transaction sees the same state of the database, whatever others commit meanwhile."""
    await session.sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
