"""The digest of a settlement's awards has every award in it, whatever number somebody gave its household."""

from __future__ import annotations

from hashlib import sha256

import psycopg
import pytest

from carbon_bank.audit.log.evidence_queries import AWARD_LINE, award_digest
from carbon_bank.foundation.database import Database
from tests.audit.honest_town import found_honest_town
from tests.ledger.books import without_triggers
from tests.small_city import SmallCity


@pytest.mark.parametrize("household_id", [-5, -(2**63), 0, 10**6, 2**63 - 1])
async def test_an_award_under_any_number_is_in_the_digest(
    database: Database, small_city: SmallCity, owner: psycopg.Connection, household_id: int
) -> None:
    settlement_id = (await found_honest_town(database, small_city, owner)).settlement_id
    with without_triggers(owner):
        owner.execute(
            "UPDATE award SET household_id = %s WHERE ctid = (SELECT min(ctid) FROM award WHERE settlement_id = %s)",
            [household_id, settlement_id],
        )
    query = f"""SELECT string_agg(line || E'\\n', '' ORDER BY household_id, commodity) FROM (
        SELECT a.household_id, a.commodity, {AWARD_LINE} AS line FROM award a WHERE settlement_id = %s
    ) AS lines GROUP BY household_id / 1000 ORDER BY household_id / 1000"""
    pieces = [text for (text,) in owner.execute(query, [settlement_id]).fetchall()]
    async with database.read() as session:
        rows, digest = await award_digest(session, settlement_id)
    assert rows == sum(text.count("\n") for text in pieces)
    assert digest == sha256(b"".join(sha256(text.encode()).digest() for text in pieces)).hexdigest()
