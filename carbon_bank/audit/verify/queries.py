"""What must hold between the log and the tables that it is about, as queries for the rows where it does not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from uuid import UUID

from carbon_bank.foundation.database import ReadSession

_HEAD = "(SELECT DISTINCT ON (city_id) * FROM log_checkpoint ORDER BY city_id, size DESC)"

CHECKS: Mapping[str, str] = {
    "checkpoints, tiles and leaves are of the log of a city": """
        SELECT NULL::bigint AS household_id, kept || ' of city ' || city_id || ': there is no such log' AS fault FROM (
            SELECT DISTINCT 'checkpoints' AS kept, city_id FROM log_checkpoint
            UNION SELECT 'tiles', city_id FROM log_tile
            UNION SELECT 'leaves', city_id FROM log_leaf
            UNION SELECT 'a log', city_id FROM log WHERE city_id NOT IN (SELECT id FROM city)
        ) AS kept WHERE city_id NOT IN (SELECT city_id FROM log JOIN city ON city.id = log.city_id)
    """,
    "witnesses signed under checkpoints that the log signed": """
        SELECT NULL::bigint, c.name || ' signed a checkpoint of ' || c.size || ' leaves, which the log did not'
        FROM log_cosignature c LEFT JOIN log_checkpoint USING (city_id, size) WHERE log_checkpoint.size IS NULL
    """,
    "holds end with the posting that they name": """
        SELECT h.household_id, 'hold ' || h.hold_id || ' says that posting ' || h.ended_seq || ' ended it, which it did not'
        FROM hold h LEFT JOIN posting p ON p.household_id = h.household_id AND p.seq = h.ended_seq
        WHERE h.ended_seq IS NOT NULL AND p.hold_id IS DISTINCT FROM h.hold_id
    """,
    "every act up to the last checkpoint stands in the log": f"""
        SELECT NULL::bigint, 'act ' || t.id || ' (' || t.act || ' of ' || t.subject || ') has no leaf'
        FROM {_HEAD} AS head JOIN trail t ON t.city_id = head.city_id
        WHERE (t.made_in, t.id) <= (head.act_made_in, head.act_id)
          AND NOT EXISTS (SELECT 1 FROM log_leaf l WHERE l.act_id = t.id AND l.part = 0 AND l.city_id = t.city_id)
    """,
    "every posting up to the last checkpoint stands in the log": f"""
        SELECT DISTINCT p.household_id, 'posting ' || p.seq || ' of journal ' || j.id || ' (' || j.kind || ') has no leaf'
        FROM {_HEAD} AS head JOIN journal j ON j.city_id = head.city_id
        JOIN posting p ON p.journal_id = j.id
        WHERE (j.made_in, j.id) <= (head.journal_made_in, head.journal_id)
          AND NOT EXISTS (SELECT 1 FROM log_leaf l WHERE l.household_id = p.household_id AND l.journal_id = j.id)
    """,
    "leaves stand in the order in which their rows were made": """
        SELECT NULL::bigint, 'leaf ' || leaf || ' is of transaction ' || made_in || ', and the one before it of ' || before FROM (
            SELECT l.leaf, coalesce(t.made_in, j.made_in) AS made_in,
                   lag(coalesce(t.made_in, j.made_in)) OVER (PARTITION BY l.city_id ORDER BY l.leaf) AS before
            FROM log_leaf l LEFT JOIN trail t ON t.id = l.act_id LEFT JOIN journal j ON j.id = l.journal_id
        ) AS line WHERE made_in < before
    """,
    "checkpoints tell how far their leaves go": f"""
        SELECT NULL::bigint, 'the checkpoint of ' || head.size || ' leaves goes to act ' || head.act_id || ' and journal '
               || head.journal_id || ', which no leaf or row bears out'
        FROM {_HEAD} AS head
        LEFT JOIN LATERAL (
            SELECT t.id, t.made_in FROM log_leaf l JOIN trail t ON t.id = l.act_id
            WHERE l.city_id = head.city_id ORDER BY l.leaf DESC LIMIT 1
        ) AS act ON true
        LEFT JOIN LATERAL (
            SELECT j.id, j.made_in FROM log_leaf l JOIN journal j ON j.id = l.journal_id
            WHERE l.city_id = head.city_id ORDER BY l.leaf DESC LIMIT 1
        ) AS last ON true
        LEFT JOIN journal named ON (named.id, named.made_in) = (head.journal_id, head.journal_made_in)
        WHERE (coalesce(act.id, 0), coalesce(act.made_in, '0')) IS DISTINCT FROM (head.act_id, head.act_made_in)
           OR last.id IS NOT NULL AND (last.made_in, last.id) > (head.journal_made_in, head.journal_id)
           OR named.id IS NULL AND (head.journal_made_in, head.journal_id) <> ('0', '00000000-0000-0000-0000-000000000000')
    """,
    "every batch of readings was recorded by an act": """
        SELECT NULL::bigint, 'reading batch ' || b.id || ' has no act' FROM reading_batch b
        WHERE NOT EXISTS (SELECT 1 FROM trail t WHERE t.subject = 'reading_batch:' || b.id AND t.act = 'readings.recorded'
                                                  AND t.city_id = b.city_id)
    """,
    "readings were recorded when their batch was": """
        SELECT NULL::bigint, 'the reading of meter ' || r.meter_id || ' from ' || r.period_start || ' to ' || r.period_end
               || ', revision ' || r.revision || ', says ' || r.recorded_at || ', and its batch ' || b.id || ' says ' || b.recorded_at
        FROM reading r JOIN reading_batch b ON b.id = r.batch_id WHERE r.recorded_at <> b.recorded_at
    """,
    "policies are the text of their digest": """
        SELECT NULL::bigint, 'policy ' || id || ' (' || name || '@' || version || ') has another text than its digest says'
        FROM policy WHERE digest <> encode(sha256(convert_to(text, 'UTF8')), 'hex')
    """,
    "posted settlements paid what they awarded": """
        SELECT NULL::bigint, 'settlement ' || s.id || ' has ' || coalesce(a.awards, 0) || ' awards of ' || coalesce(a.points, 0)
               || ' points to post, and ' || coalesce(p.postings, 0) || ' postings of ' || coalesce(p.points, 0)
        FROM settlement s
        LEFT JOIN (SELECT settlement_id, count(*) AS awards, sum(points) AS points FROM award
                   WHERE points > 0 AND review IN ('clear', 'released') GROUP BY 1) AS a ON a.settlement_id = s.id
        LEFT JOIN (SELECT settlement_id, count(*) AS postings, sum(amount) AS points FROM posting
                   WHERE kind = 'award' GROUP BY 1) AS p ON p.settlement_id = s.id
        WHERE s.state = 'posted' AND (coalesce(a.awards, 0), coalesce(a.points, 0))
                                     IS DISTINCT FROM (coalesce(p.postings, 0), coalesce(p.points, 0))
    """,
    "held awards were decided by a person, or wait": """
        SELECT a.household_id, 'the award ' || a.settlement_id || '-' || a.household_id || '-' || a.commodity || ' is ' || a.review
               || ', and the decision is ' || coalesce(r.decision, 'none')
        FROM award a LEFT JOIN award_review r USING (settlement_id, household_id, commodity)
        WHERE a.review <> coalesce(r.decision, CASE WHEN a.review = 'held' THEN 'held' ELSE 'clear' END)
    """,
    "settlements are in the state that their acts led to": """
        SELECT NULL::bigint, 'settlement ' || s.id || ' is ' || s.state || ', and its last act is ' || coalesce(t.act, 'none')
        FROM settlement s LEFT JOIN LATERAL (
            SELECT act FROM trail WHERE subject = 'settlement:' || s.id AND act LIKE 'settlement.%' ORDER BY id DESC LIMIT 1
        ) AS t ON true
        WHERE t.act IS DISTINCT FROM 'settlement.' || CASE s.state WHEN 'computing' THEN 'requested'
                                                                   WHEN 'posting' THEN 'posting_started' ELSE s.state END
    """,
}
"""What must hold -> a query for the rows at fault: `household_id` (or null), and what is wrong."""


class LeafRow(NamedTuple):
    leaf: int
    act_id: int | None
    part: int | None
    journal_id: UUID | None
    household_id: int | None


async def leaf_rows(session: ReadSession, city_id: int, first: int, end: int) -> list[LeafRow]:
    """What the leaves of [first, end) are about, in their order."""
    statement = """
        SELECT leaf, act_id, part, journal_id, household_id FROM log_leaf
        WHERE city_id = :city_id AND leaf >= :first AND leaf < :end ORDER BY leaf
    """
    rows = await session.sql(statement, {"city_id": city_id, "first": first, "end": end})
    return [LeafRow._make(row) for row in rows]


@asynccontextmanager
async def looking_up(session: ReadSession) -> AsyncIterator[None]:
    """Rows are found by their keys and in no other way: to read a whole table beside some thousand keys looks as cheap to the
    planner, and each part of a log would read it once more.
    """
    await session.sql("SET LOCAL enable_hashjoin = off")
    await session.sql("SET LOCAL enable_mergejoin = off")
    yield
    await session.sql("SET LOCAL enable_hashjoin = on")
    await session.sql("SET LOCAL enable_mergejoin = on")


async def forgotten(session: ReadSession, city_id: int) -> dict[int, int]:
    """The households that were forgotten, with the leaf of the last act that says so: those before it are not to be opened any more.

    An act that is not sealed yet comes behind all leaves.
    """
    statement = """
        SELECT substring(t.subject FROM '^household:([0-9]{1,18})$')::bigint, max(coalesce(l.leaf, 9223372036854775807))
        FROM trail t LEFT JOIN log_leaf l ON l.act_id = t.id AND l.part = 0 AND l.city_id = t.city_id
        WHERE t.city_id = :city_id AND t.act = 'log.household_forgotten' GROUP BY 1
    """
    rows = await session.sql(statement, {"city_id": city_id})
    return dict(_pair(row) for row in rows if row[0] is not None)


async def counts(session: ReadSession, city_id: int) -> tuple[int, int]:
    """How many rows there are of leaves and of tiles."""
    statement = """
        SELECT (SELECT count(*) FROM log_leaf WHERE city_id = :city_id), (SELECT count(*) FROM log_tile WHERE city_id = :city_id)
    """
    return _pair((await session.sql(statement, {"city_id": city_id})).one())


async def waiting(session: ReadSession) -> tuple[int, int]:
    """Acts and journals that no checkpoint covers yet."""
    statement = f"""
        SELECT (SELECT count(*) FROM trail t LEFT JOIN {_HEAD} AS head USING (city_id)
                WHERE t.city_id IS NOT NULL AND (head.size IS NULL OR (t.made_in, t.id) > (head.act_made_in, head.act_id))),
               (SELECT count(*) FROM journal j LEFT JOIN {_HEAD} AS head USING (city_id)
                WHERE head.size IS NULL OR (j.made_in, j.id) > (head.journal_made_in, head.journal_id))
    """
    return _pair((await session.sql(statement)).one())


def _pair(row: Sequence[Any]) -> tuple[int, int]:
    return int(row[0]), int(row[1])
