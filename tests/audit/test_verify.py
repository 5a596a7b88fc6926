"""Somebody with the run of the database changes one thing after the other, each column of each audited table: it is noticed, and told.

The check constraints of these tables are dropped first and no trigger fires: what remains is what `audit verify` sees.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg import sql

from carbon_bank import worker
from carbon_bank.audit.verify import service as verify_service
from carbon_bank.foundation.database import METADATA, Database
from carbon_bank.identity.actor import WORKER
from carbon_bank.ledger.check_service import Check
from tests.audit.log_reader import keys_in
from tests.rewards.shop import Shop
from tests.settlement.test_posting import posting
from tests.settlement.town import stored
from tests.small_city import SmallCity

CHOSEN = {
    "account": "version > 0",
    "reading": "period_start >= '2024-02-01'",
    "award": "review = 'clear' AND points > 0",
    "lot_use": "true",
    "hold": "ended_seq IS NOT NULL",
    "trail": "act = 'settlement.approved'",
    "journal": "kind = 'award'",
    "posting": "kind = 'award'",
    "policy_adoption": "state = 'approved'",
}
"""Which row of a table is changed, where not any."""
AUDITED = (
    *(
        "posting",
        "lot",
        "lot_use",
        "hold",
        "journal",
        "account",
        "award",
        "award_review",
        "reading",
        "reading_batch",
        "policy",
    ),
    *("policy_adoption", "settlement", "settlement_total", "trail"),
    *("log", "log_secret", "log_checkpoint", "log_tile", "log_leaf"),
)
UNSEEN = {
    ("account", "closed_at"): "the closing itself is a posting; its moment stands there",
    ("policy_adoption", "state"): "what an adoption became after its approval is told by the trail",
    ("policy_adoption", "closed_by"): "as its state",
    ("policy_adoption", "closed_at"): "as its state",
    ("policy_adoption", "closed_reason"): "as its state",
    ("log", "begun_at"): "says when, and proves nothing",
    ("log_checkpoint", "sealed_at"): "says when, and proves nothing: a witness's signature has the time in it",
    ("log_checkpoint", "server"): "says on which server, and proves nothing: of another one the sealer asks more",
}
"""Columns whose change is not noticed, and why nothing depends on it."""
OTHERS = {
    "bigint": "{0} + 1000",
    "integer": "{0} + 1",
    "smallint": "{0} + 1",
    "numeric": "{0} + 1",
    "text": "{0} || 'x'",
    "date": "{0} + 1",
    "timestamp with time zone": "{0} + interval '1 second'",
    "uuid": "gen_random_uuid()",
    "jsonb": """'[{{"code": "x"}}]'::jsonb""",
    "bytea": "set_byte({0}, 0, get_byte({0}, 0) # 1)",
    "xid8": "({0}::text::bigint + 1000)::text::xid8",
    "USER-DEFINED": "(SELECT e FROM unnest(enum_range({0})) AS e WHERE e <> {0} LIMIT 1)",
}
"""Another value of a type."""
SET = {
    "bigint": "1",
    "smallint": "1",
    "text": "'x'",
    "numeric": "1",
    "date": "'2026-01-01'",
    "uuid": "gen_random_uuid()",
}
SET |= {"timestamp with time zone": "now()", "integer": "1", "USER-DEFINED": "(enum_range({0}))[1]"}
"""A value where there is none."""


ENTRY, TREE = "each entry is of the row that it is about", "its entries make its tiles and every checkpoint"
ADDED_OR_GONE = {
    "DELETE FROM trail WHERE act = 'settlement.approved'": f"the log: {ENTRY}",
    "DELETE FROM posting WHERE kind = 'redemption'": f"the log: {ENTRY}",
    "DELETE FROM award WHERE points = 0 AND outcome = 'no_reduction'": f"the log: {ENTRY}",
    "DELETE FROM reading WHERE period_start = '2024-03-01' AND revision = 1": f"the log: {ENTRY}",
    "DELETE FROM log_secret WHERE household_id > 3": f"the log: {ENTRY}",
    "DELETE FROM log_leaf WHERE leaf = 5": f"the log: {ENTRY}",
    "DELETE FROM log_tile WHERE level = 0": f"the log: {TREE}",
    "INSERT INTO log_tile SELECT city_id, level, place + 1, width, data FROM log_tile WHERE level = 0": f"the log: {TREE}",
    "INSERT INTO reading SELECT meter_id, period_start, period_end, 2, quantity, quality, 'corrected', NULL, batch_id, recorded_at "
    "FROM reading WHERE period_start = '2024-02-01'": f"the log: {ENTRY}",
    "INSERT INTO settlement_population (settlement_id, place, commodity, households, usage_total) "
    "SELECT max(id), 0, 'water', 1, 1 FROM settlement": f"the log: {ENTRY}",
}
"""A row that is put in or taken out, and a check that notices."""
PAGE = Path(__file__).parents[2] / "docs" / "verify.md"
ROW = re.compile(r"^\| `(\w+)` \| (.+?) \|$", re.MULTILINE)
LOG = re.compile(r"the log of here \([^)]+\): ")


@pytest.fixture
async def sealed(
    database: Database, small_city: SmallCity, client: httpx.AsyncClient, owner: psycopg.Connection, tmp_path: Path
) -> SmallCity:
    """A city with some of everything that counts, all of it sealed."""
    number = await posting(database, small_city)
    await worker.post(database, number, 5)
    held = next(award for award in await stored(database, number) if award["review"] == "held")
    shop = Shop(client, database, small_city)
    award = f"{number}-{held['household_id']}-{held['commodity']}"
    await shop.do("approver", f"/v1/awards/{award}/release", {"reason": "the household was abroad"})
    await shop.terms()
    await shop.grant(small_city.alder, 1000)
    await shop.redeem(await shop.reward("donation", points_least=50, points_most=500, points_step=10), 60)
    await worker.seal_city(database, keys_in(tmp_path), small_city.city_id, "here")
    return small_city


async def broken(database: Database, folder: Path) -> list[Check]:
    async with database.read() as session:
        checks = [each async for each in verify_service.verify(session, WORKER, keys_in(folder).verifying)]
    return [each for each in checks if each.faults]


@contextmanager
def tampered(owner: psycopg.Connection, table: str, column: str) -> Iterator[bool]:
    """One row changed in one column, and put back afterwards. False where the table has no row."""
    kind = owner.execute(
        "SELECT data_type, udt_name FROM information_schema.columns WHERE table_name = %s AND column_name = %s",
        [table, column],
    ).fetchone()
    assert kind is not None
    dtype = "xid8" if kind[1] == "xid8" else str(kind[0])
    name, field = sql.Identifier(table), sql.Identifier(column)
    where = sql.SQL(CHOSEN.get(table, "true"))  # type: ignore[arg-type]
    chosen = owner.execute(
        sql.SQL("SELECT ctid::text, {1} IS NULL FROM {0} WHERE {2} ORDER BY {1} IS NULL, ctid LIMIT 1").format(
            name, field, where
        )
    ).fetchone()
    if chosen is None:
        yield False
        return
    other = (SET if chosen[1] else OTHERS)[dtype].format(f'"{column}"')
    owner.execute(sql.SQL("CREATE TEMP TABLE kept AS SELECT * FROM {} WHERE ctid = %s::tid").format(name), [chosen[0]])
    change = sql.SQL("UPDATE {} SET {} = {} WHERE ctid = %s::tid RETURNING ctid::text").format(
        name, field, sql.SQL(other)
    )  # type: ignore[arg-type]
    (row,) = owner.execute(change, [chosen[0]]).fetchall()
    try:
        yield True
    finally:
        owner.execute(sql.SQL("DELETE FROM {} WHERE ctid = %s::tid").format(name), row)
        owner.execute(sql.SQL("INSERT INTO {} SELECT * FROM kept").format(name))
        owner.execute("DROP TABLE kept")


def defenceless(owner: psycopg.Connection) -> None:
    """No trigger, no key of another table and no check stands in the way."""
    owner.execute("SET session_replication_role = replica")
    found = owner.execute(
        "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'c' AND conrelid::regclass::text = ANY(%s)",
        [list(AUDITED)],
    ).fetchall()
    for table, constraint in found:
        owner.execute(
            sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(sql.Identifier(table), sql.Identifier(constraint))
        )
    for table in AUDITED:
        for each in METADATA.tables[table].columns:
            if each.identity is not None:
                owner.execute(
                    sql.SQL("ALTER TABLE {} ALTER {} DROP IDENTITY").format(
                        sql.Identifier(table), sql.Identifier(each.name)
                    )
                )
            if each.computed is not None:  # PostgreSQL makes it from the others: there is nothing to change
                owner.execute(
                    sql.SQL("ALTER TABLE {} ALTER {} DROP EXPRESSION").format(
                        sql.Identifier(table), sql.Identifier(each.name)
                    )
                )
            if not each.primary_key:
                owner.execute(
                    sql.SQL("ALTER TABLE {} ALTER {} DROP NOT NULL").format(
                        sql.Identifier(table), sql.Identifier(each.name)
                    )
                )


async def test_each_column_of_each_audited_table_is_watched(
    database: Database, sealed: SmallCity, owner: psycopg.Connection, tmp_path: Path
) -> None:
    assert await broken(database, tmp_path) == []
    defenceless(owner)
    unseen: list[tuple[str, str]] = []
    seen: dict[str, set[str]] = {table: set() for table in AUDITED}
    for table in AUDITED:
        for column in METADATA.tables[table].columns:
            if column.computed is not None:
                continue
            with tampered(owner, table, column.name) as is_changed:
                found = await broken(database, tmp_path) if is_changed else []
            if is_changed and not found:
                unseen.append((table, column.name))
            seen[table] |= {LOG.sub("the log: ", each.promise) for each in found}
    assert unseen == list(UNSEEN)
    assert await broken(database, tmp_path) == [], "all is put back"
    told = {table: set(noticed.split("; ")) for table, noticed in ROW.findall(PAGE.read_text("utf-8"))}
    assert told == seen, "docs/verify.md tells which check notices a change of which table"


async def test_rows_that_are_added_or_taken_out_are_noticed(
    database: Database, sealed: SmallCity, owner: psycopg.Connection, tmp_path: Path
) -> None:
    defenceless(owner)
    for change, promise in ADDED_OR_GONE.items():
        table = re.search(r"(?:INTO|FROM) (\w+)", change)
        assert table is not None
        name = sql.Identifier(table[1])
        owner.execute(sql.SQL("CREATE TEMP TABLE kept AS SELECT * FROM {}").format(name))
        assert owner.execute(change).rowcount > 0, change  # type: ignore[arg-type]
        found = {LOG.sub("the log: ", each.promise) for each in await broken(database, tmp_path)}
        owner.execute(sql.SQL("DELETE FROM {}").format(name))
        owner.execute(sql.SQL("INSERT INTO {} SELECT * FROM kept").format(name))
        owner.execute("DROP TABLE kept")
        assert promise in found, (change, found)
    assert await broken(database, tmp_path) == []
