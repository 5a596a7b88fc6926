"""Killed in the middle of sealing, the log goes on, consistent with every checkpoint that was ever served. Of two processes one seals.

Here a spread of the steps; all of them, and PostgreSQL killed as well, by `scripts/crashtest --seal`.
"""

from __future__ import annotations

import signal
from pathlib import Path

import psycopg

from carbon_bank import worker
from carbon_bank.foundation.database import Database
from tests.audit.dying_sealer import Fate, start
from tests.audit.log_reader import check_order, check_whole, keys_in, notes
from tests.audit.test_seal import act
from tests.ledger.books import grant
from tests.small_city import SmallCity

SPREAD = 12
"""Steps that are tried."""


async def more(database: Database, city: SmallCity, number: int) -> None:
    """An act and a journal, so that each kind of leaf is in each step."""
    await act(database, city, number)
    async with database.write() as session:
        await grant(session, [(city.alder, "gas", 10), (city.birch, "water", 5)], settlement_id=1000 + number)


async def test_a_sealer_killed_at_any_step_leaves_a_log_that_goes_on(
    database: Database, small_city: SmallCity, database_url: str, owner: psycopg.Connection, tmp_path: Path
) -> None:
    keys = keys_in(tmp_path)
    keys.signing("here")
    await more(database, small_city, 0)
    code, steps = start(database_url, tmp_path, small_city.city_id).end()
    assert code == 0 and steps is not None and steps > 2 * SPREAD
    served = notes(owner, small_city.city_id)
    kills = 0
    for number, last in enumerate(range(1, steps + 1, steps // SPREAD), 1):
        await more(database, small_city, number)
        code, _ = start(database_url, tmp_path, small_city.city_id, Fate(last)).end()
        if code == 0:  # the first time a log is begun, too: later on there are fewer steps
            break
        assert code == -signal.SIGKILL, f"killed at step {last}"
        kills += 1
        assert notes(owner, small_city.city_id)[: len(served)] == served
        check_whole(owner, small_city.city_id, keys)
        await worker.seal_city(database, keys, small_city.city_id, "here")
        check_whole(owner, small_city.city_id, keys)
        found = notes(owner, small_city.city_id)
        assert found[: len(served)] == served and len(found) > len(served), "nothing is lost, and the log goes on"
        served = found
    assert kills >= SPREAD // 2
    check_order(owner, small_city.city_id)
    unsealed = owner.execute(
        "SELECT (SELECT count(*) FROM trail t WHERE city_id = %(city)s AND NOT EXISTS (SELECT FROM log_leaf WHERE act_id = t.id)),"
        "       (SELECT count(*) FROM posting p WHERE NOT EXISTS "
        "           (SELECT FROM log_leaf l WHERE (l.household_id, l.journal_id) = (p.household_id, p.journal_id)))",
        {"city": small_city.city_id},
    )
    assert unsealed.fetchall() == [(0, 0)]


async def test_of_two_processes_at_once_one_seals_and_nothing_is_skipped_or_doubled(
    database: Database, small_city: SmallCity, database_url: str, owner: psycopg.Connection, tmp_path: Path
) -> None:
    keys = keys_in(tmp_path)
    keys.signing("here")
    for number in range(3):
        await more(database, small_city, number)
        both = [start(database_url, tmp_path, small_city.city_id, Fate(sources_max=1)) for _ in range(2)]
        assert [each.end()[0] for each in both] == [0, 0]
        await worker.seal_city(database, keys, small_city.city_id, "here")
        check_whole(owner, small_city.city_id, keys)
    rows = owner.execute(
        "SELECT count(*), count(DISTINCT act_id), count(*) FILTER (WHERE journal_id IS NOT NULL) FROM log_leaf WHERE city_id = %s",
        [small_city.city_id],
    ).fetchall()
    leaves, acts, sides = rows[0]
    assert leaves == acts + sides and sides == 3 * 2
    check_order(owner, small_city.city_id)
