"""What PostgreSQL itself refuses, whoever asks: the application's role, and the owner of the tables."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors

from tests.ledger.books import (
    JOURNAL,
    add_journal,
    add_posting,
    add_row,
    as_application,
    everything,
    found_accounts,
    rows,
)

CHANGES = {
    "posting": ["UPDATE posting SET amount = 1", "DELETE FROM posting", "TRUNCATE posting CASCADE"],
    "journal": ["UPDATE journal SET by = 'me'", "DELETE FROM journal", "TRUNCATE journal"],
    "lot_use": ["UPDATE lot_use SET amount = 1", "DELETE FROM lot_use", "TRUNCATE lot_use"],
    "account": ["DELETE FROM account", "TRUNCATE account CASCADE"],
    "lot": [
        "UPDATE lot SET granted = 200",
        "UPDATE lot SET expires_on = '2999-12-31'",
        "DELETE FROM lot",
        "TRUNCATE lot CASCADE",
    ],
}


@pytest.fixture
def households(owner: psycopg.Connection) -> list[int]:
    """Two households. The first has a posting of 100 points with its lot, of which 40 were used."""
    first, second = found_accounts(owner)
    add_journal(owner)
    with owner.transaction():
        add_posting(owner, first, 1)
        add_row(owner, "lot", {"household_id": first, "lot_id": 1, "granted": 100, "remaining": 60})
        add_row(owner, "lot_use", {"household_id": first, "seq": 1, "lot_id": 1, "amount": 40})
        owner.execute("UPDATE account SET available = 100, version = 1 WHERE household_id = %s", [first])
    return [first, second]


@pytest.fixture(params=["owner", "application"])
def writer(
    request: pytest.FixtureRequest, owner: psycopg.Connection, households: list[int]
) -> Iterator[psycopg.Connection]:
    """Somebody who writes SQL by hand, once as the owner of the tables and once under the application's role."""
    if request.param == "owner":
        yield owner
        return
    with as_application(owner):
        yield owner


def refused_by(connection: psycopg.Connection, statement: str, *parameters: object) -> str:
    """The name of the rule that refuses a statement."""
    with pytest.raises(psycopg.errors.IntegrityError) as caught:
        connection.execute(statement, parameters)
    return caught.value.diag.constraint_name or ""


@pytest.mark.parametrize("column", ["available", "held", "debt", "version"])
def test_no_number_of_an_account_is_ever_negative(
    owner: psycopg.Connection, households: list[int], column: str
) -> None:
    statement = f"UPDATE account SET {column} = -1 WHERE household_id = %s"
    assert refused_by(owner, statement, households[0]) == f"account_{column}_check"
    with as_application(owner):
        assert refused_by(owner, statement, households[0]) == f"account_{column}_check"


def test_no_posting_leaves_anything_negative(writer: psycopg.Connection, households: list[int]) -> None:
    for after in (
        {"available_after": -1, "held_after": 201},
        {"held_after": -1, "available_after": 201},
        {"debt_after": -1, "available_after": 199},
    ):
        with pytest.raises(errors.CheckViolation, match="posting_after_check"):
            add_posting(writer, households[0], 2, **after)


def test_a_posting_cannot_leave_a_gap(writer: psycopg.Connection, households: list[int]) -> None:
    for household, seq, available in ((households[0], 3, 200), (households[1], 2, 100)):
        with pytest.raises(errors.CheckViolation, match=f"posting {seq} of household {household} does not continue"):
            add_posting(writer, household, seq, available_after=available)


def test_a_posting_continues_from_the_one_before(writer: psycopg.Connection, households: list[int]) -> None:
    for after in ({"available_after": 199}, {"available_after": 201}, {"available_after": 200, "debt_after": 1}):
        with pytest.raises(errors.CheckViolation, match="does not continue from the one before it"):
            add_posting(writer, households[0], 2, **after)
    add_posting(writer, households[0], 2, available_after=200)


def test_a_first_posting_begins_from_nothing(writer: psycopg.Connection, households: list[int]) -> None:
    with pytest.raises(errors.CheckViolation, match=r"posting 1 .* does not continue"):
        add_posting(writer, households[1], 1, available_after=150)
    add_posting(writer, households[1], 1)


def test_a_number_is_used_once(writer: psycopg.Connection, households: list[int]) -> None:
    with pytest.raises(errors.UniqueViolation, match="posting_pkey"):
        add_posting(writer, households[0], 1, settlement_id=7)


def test_an_award_is_posted_once(writer: psycopg.Connection, households: list[int]) -> None:
    again = {"available_after": 200, "settlement_id": 1}
    with pytest.raises(errors.UniqueViolation, match="posting_award_key"):
        add_posting(writer, households[0], 2, **again)
    add_posting(writer, households[0], 2, **again, commodity="water")


def test_an_award_grants_points_of_a_settlement_out_of_issuance(
    writer: psycopg.Connection, households: list[int]
) -> None:
    wrong: list[dict[str, object]] = [{"amount": 0}, {"amount": -5}, {"settlement_id": None}, {"contra": "redeemed"}]
    for changes in wrong:
        with pytest.raises(errors.CheckViolation, match="posting_kind_check"):
            add_posting(writer, households[0], 2, **({"available_after": 200} | changes))


def test_a_posting_needs_an_account(writer: psycopg.Connection, households: list[int]) -> None:
    with pytest.raises(errors.ForeignKeyViolation, match="posting_household_id_fkey"):
        add_posting(writer, households[1] + 1000, 1)


def test_an_account_equals_the_posting_that_it_stands_at(writer: psycopg.Connection, households: list[int]) -> None:
    before = everything(writer)
    wrong = [
        "available = available + 1",
        "held = 1",
        "available = 0, debt = 1",
        "version = 2",
        "version = 0",
        "available = 0, version = 5",
        "available = 0, version = 0",  # as it stood before the posting that there is
    ]
    for change in wrong:
        with pytest.raises(errors.CheckViolation, match=f"household {households[0]} does not equal its last posting"):
            writer.execute(f"UPDATE account SET {change} WHERE household_id = %s", [households[0]])
    assert everything(writer) == before


def test_an_account_begins_empty(owner: psycopg.Connection, households: list[int]) -> None:
    owner.execute(
        "INSERT INTO household (city_id, number, district_id, joined_on) "
        "SELECT city_id, 'late', district_id, joined_on FROM household LIMIT 1"
    )
    with as_application(owner):
        late = rows(owner, "SELECT id FROM household WHERE number = 'late'")[0]["id"]
        values = {"household_id": late, "available": 0, "held": 0, "debt": 0, "version": 0}
        with pytest.raises(errors.CheckViolation, match="does not equal its last posting"):
            add_row(owner, "account", values | {"available": 5000})
        add_row(owner, "account", values)


@pytest.mark.parametrize("table", CHANGES)
def test_nobody_changes_or_removes_what_counted(owner: psycopg.Connection, households: list[int], table: str) -> None:
    before = everything(owner)
    for statement in CHANGES[table]:
        with pytest.raises(errors.RestrictViolation, match="what counted is never changed or removed"):
            owner.execute(statement)
        with as_application(owner), pytest.raises(errors.InsufficientPrivilege):
            owner.execute(statement)
    assert everything(owner) == before


@pytest.mark.parametrize("remaining", [-1, 101])
def test_a_lot_never_holds_less_than_nothing_or_more_than_was_granted(
    writer: psycopg.Connection, households: list[int], remaining: int
) -> None:
    assert refused_by(writer, "UPDATE lot SET remaining = %s", remaining) == "lot_remaining_check"
    for allowed in (0, 100):
        writer.execute("UPDATE lot SET remaining = %s", [allowed])


def test_a_lot_stands_on_a_posting_and_a_use_on_a_lot(writer: psycopg.Connection, households: list[int]) -> None:
    with pytest.raises(errors.ForeignKeyViolation, match="lot_household_id_lot_id_fkey"):
        add_row(writer, "lot", {"household_id": households[1], "lot_id": 1, "granted": 1, "remaining": 1})
    with pytest.raises(errors.ForeignKeyViolation, match="lot_use_household_id_"):
        add_row(writer, "lot_use", {"household_id": households[0], "seq": 1, "lot_id": 9, "amount": 1})
    with pytest.raises(errors.CheckViolation, match="lot_use_amount_check"):
        add_row(writer, "lot_use", {"household_id": households[0], "seq": 1, "lot_id": 1, "amount": 0})


def test_each_posting_has_two_sides_that_sum_to_zero(owner: psycopg.Connection, households: list[int]) -> None:
    add_posting(owner, households[0], 2, amount=30, available_after=130)
    add_posting(owner, households[1], 1)
    sides = rows(
        owner,
        "SELECT household_id, seq, array_agg(account ORDER BY account) AS accounts, sum(amount)::int AS sum "
        "FROM entry GROUP BY 1, 2 ORDER BY 1, 2",
    )
    expected = [(households[0], 1), (households[0], 2), (households[1], 1)]
    assert [(side["household_id"], side["seq"]) for side in sides] == expected
    assert {(tuple(side["accounts"]), side["sum"]) for side in sides} == {(("household", "issuance"), 0)}
    issued = rows(owner, "SELECT sum(amount)::int AS sum FROM entry WHERE account = 'issuance'")
    assert issued == [{"sum": -230}]


SPREAD = ["account", "posting", "lot", "lot_use", "hold", "kept_answer", "objection"]


def test_every_key_leads_with_the_household_so_that_the_tables_can_be_spread_over_nodes(
    owner: psycopg.Connection,
) -> None:
    keys = rows(
        owner,
        """
        SELECT conname AS name, attname AS leads_with FROM pg_constraint
        JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]
        WHERE conrelid = ANY(%s::regclass[]) AND contype IN ('p', 'u', 'f')
        UNION
        SELECT relname, attname FROM pg_index
        JOIN pg_class ON pg_class.oid = indexrelid
        JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
        WHERE indrelid = ANY(%s::regclass[]) AND indisunique
        """,
        SPREAD,
        SPREAD,
    )
    assert {key["name"] for key in keys} >= {
        *("account_pkey", "posting_pkey", "posting_award_key", "lot_pkey", "lot_use_pkey"),
        *("account_household_id_fkey", "posting_household_id_fkey", "lot_household_id_lot_id_fkey"),
    }
    assert [key for key in keys if key["leads_with"] != "household_id"] == []


def test_the_journal_of_a_posting_is_named_and_not_chained(owner: psycopg.Connection, households: list[int]) -> None:
    """A batch's journal belongs to many households: a foreign key to it would cross nodes."""
    references = rows(
        owner,
        "SELECT conname FROM pg_constraint WHERE contype = 'f' AND confrelid = 'journal'::regclass",
    )
    assert references == []
    assert rows(owner, "SELECT DISTINCT journal_id FROM posting") == [{"journal_id": JOURNAL}]
