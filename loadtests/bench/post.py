"""Posting an approved settlement, beside bare INSERT ... SELECT of the same rows.

Ours: `worker.post`, bucket by bucket: accounts locked, what was posted before left out, debt paid first, and the triggers
that compare each posting with the one before and each account with its last posting.
Limit: as many postings and lots and the accounts brought up to them, in three statements and one transaction, on tables
with the same columns, keys, checks and foreign keys, without triggers.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import ClassVar

from psycopg import sql

from carbon_bank import worker
from carbon_bank.identity.actor import Actor
from carbon_bank.ledger.service import Posted
from carbon_bank.programme import service as programme
from carbon_bank.programme.policy import load_shipped
from carbon_bank.settings import Settings
from carbon_bank.settlement import service as settlement
from carbon_bank.settlement.tables import Settlement
from loadtests.bench import city
from loadtests.bench.harness import Bank

POLICY = "korea-carbon-point@2024"
OPERATOR = Actor("bench:operator", city_id=city.CITY_ID)
APPROVER = Actor("bench:approver", city_id=city.CITY_ID)
NOW = datetime(2026, 7, 20, tzinfo=UTC)

_LIMIT_TABLES = """
    CREATE TABLE limit_account (LIKE account INCLUDING ALL, FOREIGN KEY (household_id) REFERENCES household);
    CREATE TABLE limit_posting (LIKE posting INCLUDING ALL, FOREIGN KEY (household_id) REFERENCES limit_account);
    CREATE TABLE limit_lot (LIKE lot INCLUDING ALL, FOREIGN KEY (household_id, lot_id) REFERENCES limit_posting);
"""
_LIMIT = (
    """
    INSERT INTO limit_posting (household_id, seq, journal_id, kind, contra, amount, available_after, held_after, debt_after,
                               effective_on, recorded_at, settlement_id, commodity)
    SELECT household_id, row_number() OVER running, '01981d2c-0000-7000-8000-000000000000', 'award', 'issuance', points,
           sum(points) OVER running, 0, 0, '2026-06-30', now(), settlement_id, commodity
    FROM award WHERE settlement_id = %(settlement_id)s AND points > 0 AND review IN ('clear', 'released')
    WINDOW running AS (PARTITION BY household_id ORDER BY commodity)
    """,
    """
    INSERT INTO limit_lot (household_id, lot_id, granted, remaining, expires_on)
    SELECT household_id, seq, amount, amount, '2031-07-31' FROM limit_posting
    """,
    """
    UPDATE limit_account SET version = last.seq, available = last.points
    FROM (SELECT household_id, max(seq) AS seq, sum(amount) AS points FROM limit_posting GROUP BY household_id) AS last
    WHERE limit_account.household_id = last.household_id
    """,
)


class Post:
    unit: ClassVar[str] = "postings"
    goal: ClassVar[str] = ">= 0.5"
    by_speed: ClassVar[bool] = True

    def __init__(self, bank: Bank, households: int) -> None:
        self._bank, self._households = bank, households
        self._settlement_id = 0

    async def fill(self) -> int:
        """Every award earns points: more than in a real city, so that it is posting that is measured."""
        city.fill_registry(self._bank, self._households)
        self._bank.owner.execute(_LIMIT_TABLES)
        self._bank.owner.execute("INSERT INTO limit_account SELECT * FROM account")
        self._settlement_id = await self._computed()
        rows = self._fill_awards()
        async with self._bank.database.write() as session:
            await settlement.approve(session, APPROVER, NOW, self._settlement_id)
        async with self._bank.database.write() as session:
            await settlement.start_posting(session, OPERATOR, NOW, self._settlement_id, in_background=False)
        self._bank.settle_down("award", "account", "limit_account", "settlement")
        return rows

    async def _computed(self) -> int:
        async with self._bank.database.write() as session:
            made = Settlement(
                city_id=city.CITY_ID,
                policy_id=await programme.keep_policy(session, OPERATOR, NOW, load_shipped(POLICY)),
                period=str(city.PERIOD),
                first_month=city.PERIOD.first_month,
                months=city.PERIOD.length,
                state="computed",
                prepared_by=OPERATOR.subject,
                requested_at=NOW - timedelta(days=1),
                as_of=NOW - timedelta(days=1),
            )
            session.add(made)
        assert made.id is not None
        return made.id

    def _fill_awards(self) -> int:
        statement = """
            INSERT INTO award (settlement_id, household_id, commodity, outcome, usage, baseline_num, baseline_den, points,
                               avoided_g, tier, streak, review, findings)
            SELECT %s, household.id, commodity, 'reduction', 1700000, 3800000, 2, 750 * (1 + household.id %% 4), 95000, 1, 1,
                   'clear', '[]'
            FROM household, unnest(%s::text[]) AS commodity ORDER BY household.id, commodity
        """
        return self._bank.owner.execute(statement, [self._settlement_id, city.COMMODITIES]).rowcount

    async def ours(self) -> None:
        posted: Posted = await worker.post(self._bank.database, self._settlement_id, Settings().bucket_households)
        assert posted.postings == self._households * len(city.COMMODITIES)

    async def before_limit(self) -> None:
        pass

    async def limit(self) -> None:
        owner = self._bank.owner
        with owner.transaction():
            for statement in _LIMIT:
                owner.execute(statement, {"settlement_id": self._settlement_id})

    async def reset(self) -> None:
        with self._bank.unguarded() as owner:
            owner.execute(
                "TRUNCATE account, posting, lot, lot_use, journal, limit_account, limit_posting, limit_lot CASCADE"
            )
            for table in ("account", "limit_account"):
                owner.execute(
                    sql.SQL("INSERT INTO {} SELECT id, 0, 0, 0, 0 FROM household ORDER BY id").format(
                        sql.Identifier(table)
                    )
                )
            owner.execute("UPDATE settlement SET state = 'posting', posted_to = 0, posted_at = NULL")
        self._bank.settle_down("account", "limit_account", "posting", "limit_posting", "lot", "limit_lot", "settlement")
