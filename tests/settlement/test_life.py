"""The life of a settlement: who may do what to it in which state, and what PostgreSQL refuses to anybody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from carbon_bank import worker
from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.database import Database
from carbon_bank.foundation.errors import Conflict, Forbidden, InvalidInput, NotFound, Refusal
from carbon_bank.programme.policy import parse_policy
from carbon_bank.settlement import service
from tests.ledger.books import as_application
from tests.settlement.town import H1_2024, JULY_2024, KOREA, request
from tests.small_city import SmallCity

LATER = datetime(2024, 7, 21, 3, 0, tzinfo=UTC)


async def act(database: Database, step: Callable[..., Awaitable[Any]], *arguments: Any, **named: Any) -> Any:
    async with database.write() as session:
        return await step(session, *arguments, **named)


async def refusal(
    kind: type[Refusal], database: Database, step: Callable[..., Awaitable[Any]], *arguments: Any, **named: Any
) -> Refusal:
    with pytest.raises(kind) as caught:
        await act(database, step, *arguments, **named)
    return caught.value


async def computed(database: Database, city: SmallCity, preparer: str = "operator") -> int:
    number = await request(database, city.actors[preparer])
    await worker.compute(database, number, 100)
    return number


async def approved(database: Database, city: SmallCity) -> int:
    number = await computed(database, city)
    await act(database, service.approve, city.actors["approver"], LATER, number)
    return number


def state(owner: psycopg.Connection, number: int) -> str:
    return str(owner.execute("SELECT state FROM settlement WHERE id = %s", [number]).fetchall()[0][0])


@pytest.mark.parametrize("period", ["2024-Q1", "2024", "2024-04/6"])
async def test_a_period_that_is_not_the_policys_is_refused_with_the_one_that_fits(
    database: Database, small_city: SmallCity, period: str
) -> None:
    with pytest.raises(InvalidInput, match="The one that holds its first month is 2024-H1") as caught:
        await request(database, small_city.actors["operator"], period=Period.parse(period))
    assert caught.value.code == "programme.period"


async def test_a_period_is_settled_from_the_day_after_it_where_the_city_is(
    database: Database, small_city: SmallCity
) -> None:
    # In Seoul it is July from 15:00 UTC on.
    with pytest.raises(InvalidInput, match="today is 2024-06-30") as caught:
        await request(database, small_city.actors["operator"], now=datetime(2024, 6, 30, 14, 59, tzinfo=UTC))
    assert caught.value.code == "settlement.period_not_over"
    await request(database, small_city.actors["operator"], now=datetime(2024, 6, 30, 15, 0, tzinfo=UTC))


async def test_a_period_has_one_settlement_at_a_time(database: Database, small_city: SmallCity) -> None:
    first = await request(database, small_city.actors["operator"])
    with pytest.raises(Conflict, match=f"Settlement {first} of 2024-H1 is there already") as caught:
        await request(database, small_city.actors["both"])
    assert (caught.value.code, caught.value.facts) == ("settlement.exists", {"settlement_id": first})
    await request(database, small_city.actors["far_operator"])


async def test_the_exact_text_of_the_policy_is_kept_once(
    database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    for name in ("operator", "far_operator"):
        await request(database, small_city.actors[name])
    other = parse_policy(KOREA.text + "\n# another text, another policy\n")
    second_half, february = Period.parse("2024-H2"), datetime(2025, 2, 1, tzinfo=UTC)
    await request(database, small_city.actors["operator"], other, second_half, february)
    kept = owner.execute("SELECT text, digest FROM policy ORDER BY id").fetchall()
    assert kept == [(KOREA.text, KOREA.digest), (other.text, other.digest)]


async def test_who_prepared_a_settlement_cannot_approve_it(
    database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    number = await computed(database, small_city, "both")
    refused = await refusal(Forbidden, database, service.approve, small_city.actors["both"], LATER, number)
    assert refused.code == "settlement.own"
    assert state(owner, number) == "computed"
    settlement = await act(database, service.approve, small_city.actors["approver"], LATER, number)
    assert settlement.approved_by == small_city.actors["approver"].subject
    assert settlement.computed_at is not None and settlement.approved_at is not None
    assert (
        settlement.approved_at > settlement.computed_at
    )  # when it had the city's lock, whatever the caller's clock says


async def test_four_eyes_hold_whatever_program_writes_the_row(
    database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    number = await computed(database, small_city)
    by_preparer = (
        "UPDATE settlement SET state = 'approved', approved_at = now(), approved_by = prepared_by WHERE id = %s"
    )
    by_nobody = "UPDATE settlement SET state = 'posting' WHERE id = %s"
    for statement, rule in ((by_preparer, "settlement_four_eyes_check"), (by_nobody, "settlement_approved_check")):
        with pytest.raises(psycopg.errors.CheckViolation, match=rule):
            owner.execute(statement, [number])
        with as_application(owner), pytest.raises(psycopg.errors.CheckViolation, match=rule):
            owner.execute(statement, [number])
    assert state(owner, number) == "computed"


async def test_each_step_waits_for_the_one_before(database: Database, small_city: SmallCity) -> None:
    operator, approver = small_city.actors["operator"], small_city.actors["approver"]
    number = await request(database, operator)
    early = await refusal(Conflict, database, service.approve, approver, LATER, number)
    assert (early.code, early.facts) == ("settlement.state", {"state": "requested", "needed": ["computed"]})
    await worker.compute(database, number, 100)
    early = await refusal(Conflict, database, service.start_posting, operator, LATER, number)
    assert (early.code, early.facts) == ("settlement.state", {"state": "computed", "needed": ["approved"]})
    with pytest.raises(Conflict, match="has to be posting"):
        await worker.post(database, number, 100)
    await act(database, service.approve, approver, LATER, number)
    with pytest.raises(Conflict, match=f"Settlement {number} is approved; to approve it"):
        await act(database, service.approve, approver, LATER, number)


async def test_posting_is_started_once_and_what_is_posted_stays(
    database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    number = await approved(database, small_city)
    operator = small_city.actors["operator"]
    for _ in range(2):
        await act(database, service.start_posting, operator, LATER, number, in_background=False)
        assert state(owner, number) == "posting"
    started = owner.execute("SELECT count(*) FROM trail WHERE act = 'settlement.posting_started'").fetchall()
    assert started == [(1,)], "asking again while it is under way changes nothing"
    await worker.post(database, number, 100)
    refused = await refusal(Conflict, database, service.start_posting, operator, LATER, number)
    assert refused.code == "settlement.posted"
    refused = await refusal(Conflict, database, service.withdraw, operator, LATER, number, "no")
    assert (refused.code, refused.facts["state"]) == ("settlement.state", "posted")


async def test_a_withdrawn_settlement_stays_on_record_and_its_period_is_settled_anew(
    database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    operator = small_city.actors["operator"]
    number = await computed(database, small_city)
    await act(database, service.withdraw, operator, LATER, number, "readings were missing")
    refused = await refusal(Conflict, database, service.approve, small_city.actors["approver"], LATER, number)
    assert refused.facts["state"] == "withdrawn"
    again = await request(database, operator)
    await worker.compute(database, again, 100)
    row = owner.execute(
        "SELECT state, withdrawn_by, withdrawn_reason FROM settlement WHERE id = %s", [number]
    ).fetchall()
    assert row == [("withdrawn", operator.subject, "readings were missing")]
    counts = owner.execute("SELECT settlement_id, count(*) FROM award GROUP BY 1 ORDER BY 1").fetchall()
    assert counts == [(number, 6), (again, 6)], "two households with three meters each, both times"


async def test_an_approved_settlement_can_no_longer_be_withdrawn(database: Database, small_city: SmallCity) -> None:
    number = await approved(database, small_city)
    refused = await refusal(Conflict, database, service.withdraw, small_city.actors["operator"], LATER, number, "no")
    assert refused.facts == {"state": "approved", "needed": ["computed", "requested", "computing"]}


async def test_another_citys_settlement_is_not_there(database: Database, small_city: SmallCity) -> None:
    number = await computed(database, small_city)
    for stranger, there in (("far_operator", number), ("operator", number + 1000)):
        actor = small_city.actors[stranger]
        for step, more in ((service.approve, ()), (service.start_posting, ()), (service.withdraw, ("why",))):
            refused = await refusal(NotFound, database, step, actor, LATER, there, *more)
            assert refused.code == "settlement.unknown"
        async with database.read() as session:
            with pytest.raises(NotFound):
                await service.get_settlement(session, actor, there)
    async with database.read() as session:
        assert await service.list_settlements(session, small_city.actors["far_operator"], None, 10) == []


async def test_every_step_is_on_the_trail_in_the_name_of_who_did_it(
    database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    number = await approved(database, small_city)
    operator, approver = small_city.actors["operator"].subject, small_city.actors["approver"].subject
    await act(database, service.start_posting, small_city.actors["operator"], LATER, number, in_background=False)
    await worker.post(database, number, 100)
    trail = owner.execute(
        "SELECT act, by FROM trail WHERE subject = %s AND city_id = %s ORDER BY id",
        [f"settlement:{number}", small_city.city_id],
    ).fetchall()
    worked = "system:worker"
    assert trail == [
        ("settlement.requested", operator),
        ("settlement.computed", worked),
        ("settlement.approved", approver),
        ("settlement.posting_started", operator),
        ("settlement.posted", worked),
    ]
    [facts] = owner.execute("SELECT facts FROM trail WHERE act = 'settlement.requested'").fetchall()
    assert facts[0] == {"period": str(H1_2024), "policy": KOREA.reference, "policy_digest": KOREA.digest}
    assert JULY_2024 in {at for (at,) in owner.execute("SELECT at FROM trail WHERE act = 'settlement.requested'")}
