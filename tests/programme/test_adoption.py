"""The life of a policy in a city: who may do what to it in which state, and from when it may be active."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import httpx
import psycopg
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from carbon_bank.foundation.calendar import Period, first_day
from carbon_bank.foundation.database import Database
from carbon_bank.foundation.errors import Conflict, InvalidInput, Refusal
from carbon_bank.programme import adoption_service as service
from carbon_bank.programme.adoption import Adopted, in_force, require_place
from carbon_bank.programme.policy import Policy, parse_policy
from tests.ledger.books import as_application
from tests.settlement.town import KOREA, adopt, policy_with
from tests.small_city import SmallCity

TODAY = date(2026, 11, 24)
NEXT_YEAR = date(2027, 1, 1)
PROBLEM = "urn:carbon-bank:problem:"


def of_length(months: int, effective_from: str = "2024-01-01") -> Policy:
    return policy_with(
        period_months=months,
        effective_from=yaml.safe_load(effective_from),
        baseline={"method": "same_months_mean"},
        version=f"{months}m",
    )


HALF_YEARS, QUARTERS, YEARS = of_length(6), of_length(3), of_length(12)


@pytest.mark.parametrize(
    ("policy", "active_from", "adopted", "code"),
    [
        (HALF_YEARS, date(2023, 7, 1), [], "programme.active_from"),
        (HALF_YEARS, date(2024, 1, 2), [], "programme.active_from"),
        (HALF_YEARS, date(2024, 4, 1), [], "programme.active_from"),
        (HALF_YEARS, date(2024, 1, 1), [], None),
        (QUARTERS, NEXT_YEAR, [(HALF_YEARS, date(2024, 1, 1))], None),
        (QUARTERS, date(2027, 4, 1), [(HALF_YEARS, date(2024, 1, 1))], "programme.active_from"),
        (QUARTERS, date(2026, 7, 1), [(HALF_YEARS, date(2024, 1, 1))], "programme.begun"),
        (QUARTERS, NEXT_YEAR, [(HALF_YEARS, NEXT_YEAR)], "programme.active_from_taken"),
        (HALF_YEARS, date(2024, 1, 1), [(QUARTERS, date(2024, 4, 1))], "programme.active_from"),
        (HALF_YEARS, date(2024, 1, 1), [(QUARTERS, date(2024, 7, 1))], None),
        (
            YEARS,
            date(2028, 1, 1),
            [(HALF_YEARS, date(2024, 1, 1)), (QUARTERS, date(2028, 7, 1))],
            "programme.active_from",
        ),
        (YEARS, date(2028, 1, 1), [(HALF_YEARS, date(2024, 1, 1)), (QUARTERS, date(2029, 1, 1))], None),
    ],
)
def test_a_policy_is_active_from_the_first_day_of_a_period_that_no_rule_has_begun_to_settle(
    policy: Policy, active_from: date, adopted: list[tuple[Policy, date]], code: str | None
) -> None:
    known = [Adopted(number, each, day) for number, (each, day) in enumerate(adopted, start=1)]
    try:
        require_place(policy, active_from, TODAY, known)
    except Refusal as refusal:
        assert refusal.code == code
        assert str(active_from) in refusal.message
    else:
        assert code is None


@given(
    st.lists(st.tuples(st.sampled_from([HALF_YEARS, QUARTERS, YEARS]), st.integers(2024 * 12, 2031 * 12)), max_size=8)
)
def test_every_month_is_settled_by_at_most_one_period_of_one_policy(asked: list[tuple[Policy, int]]) -> None:
    adopted: list[Adopted] = []
    for number, (policy, month) in enumerate(asked):
        day = first_day(month)
        try:
            require_place(policy, day, date(2024, 1, 1), adopted)
        except (Conflict, InvalidInput):
            continue
        adopted = sorted([*adopted, Adopted(number, policy, day)], key=lambda each: each.active_from)
    settled: dict[int, list[str]] = {}
    for start in range(2024 * 12, 2032 * 12):
        found = in_force(adopted, first_day(start))
        if found is None:
            continue
        period = Period(start, found.policy.period_months)
        if period.is_aligned(found.policy.anchor_month):
            for month in period.months:
                settled.setdefault(month, []).append(str(period))
    assert all(len(periods) == 1 for periods in settled.values()), settled
    assert not adopted or set(range(min(settled), 2032 * 12)) <= set(settled), "no month falls between two policies"


async def drafted(client: httpx.AsyncClient, city: SmallCity, by: str = "operator", **changes: Any) -> dict[str, Any]:
    new = {"policy": "korea-carbon-point@2024", "active_from": "2024-01-01"} | changes
    answer = await client.post("/v1/adoptions", json=new, headers=city.bearer(by))
    assert answer.status_code == 201, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def act(
    client: httpx.AsyncClient, city: SmallCity, name: str, number: int, step: str, body: dict[str, str] | None = None
) -> tuple[int, Any]:
    path = f"/v1/adoptions/{number}/{step}"
    answer = await client.post(path, json=body, headers=city.bearer(name))
    return answer.status_code, answer.json().get("state") or answer.json()["type"].removeprefix(PROBLEM)


async def test_a_policy_is_drafted_proposed_and_approved_by_its_digest(
    client: httpx.AsyncClient, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    text = KOREA.text.replace('version: "2024"', 'version: "here-1"')
    made = await drafted(client, small_city, policy=None, text=text)
    assert (made["state"], made["policy"], made["approved_by"]) == ("draft", "korea-carbon-point@here-1", None)
    number, right = made["id"], {"digest": parse_policy(text).digest}
    assert made["policy_digest"] == right["digest"]
    shown = await client.get(f"/v1/adoptions/{number}/text", headers=small_city.bearer("approver"))
    assert shown.text == text
    assert await act(client, small_city, "approver", number, "approve", right) == (409, "programme.state")
    assert await act(client, small_city, "operator", number, "propose") == (200, "proposed")
    wrong = {"digest": KOREA.digest}
    assert await act(client, small_city, "approver", number, "approve", wrong) == (409, "programme.digest")
    public = f"/v1/policies/{right['digest']}"
    assert (await client.get(public)).status_code == 404, "a proposal is not public"
    assert await act(client, small_city, "approver", number, "approve", right) == (200, "approved")
    assert (await client.get(public)).text == text
    listed = (await client.get("/v1/adoptions", headers=small_city.bearer("auditor"))).json()["items"]
    assert [each["approved_by"] for each in listed] == [small_city.actors["approver"].subject]
    trail = owner.execute("SELECT act, by, facts FROM trail WHERE subject = %s ORDER BY id", [f"adoption:{number}"])
    operator, approver = (small_city.actors[name].subject for name in ("operator", "approver"))
    rows = trail.fetchall()
    assert [row[:2] for row in rows] == [
        ("policy.drafted", operator),
        ("policy.proposed", operator),
        ("policy.approved", approver),
    ]
    assert {row[2]["policy_digest"] for row in rows} == {right["digest"]}


async def test_nobody_approves_what_they_drafted_or_proposed(
    client: httpx.AsyncClient, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    digest = {"digest": KOREA.digest}
    for drafter, proposer in (("both", "operator"), ("operator", "both")):
        number = (await drafted(client, small_city, by=drafter))["id"]
        assert (await act(client, small_city, proposer, number, "propose"))[0] == 200
        assert await act(client, small_city, "both", number, "approve", digest) == (403, "programme.own")
        with pytest.raises(psycopg.errors.CheckViolation, match="four_eyes"):
            owner.execute(
                "UPDATE policy_adoption SET state = 'approved', approved_at = now(), approved_by = %s WHERE id = %s",
                [small_city.actors["both"].subject, number],
            )


async def test_a_draft_changes_until_it_is_proposed_and_never_after(
    client: httpx.AsyncClient, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    number = (await drafted(client, small_city))["id"]
    other = {"text": KOREA.text + "\n# other words\n", "active_from": "2024-07-01"}
    headers = small_city.bearer("operator")
    changed = await client.put(f"/v1/adoptions/{number}", json=other, headers=headers)
    assert (changed.status_code, changed.json()["active_from"]) == (200, "2024-07-01")
    assert changed.json()["policy_digest"] != KOREA.digest
    await act(client, small_city, "operator", number, "propose")
    late = await client.put(f"/v1/adoptions/{number}", json=other, headers=headers)
    assert (late.status_code, late.json()["type"]) == (409, f"{PROBLEM}programme.state")
    for change in ("active_from = '2025-01-01'", "policy_id = 1", "state = 'draft'", "drafted_by = 'person:1'"):
        with pytest.raises(psycopg.errors.RestrictViolation, match="never changed"):
            owner.execute(f"UPDATE policy_adoption SET {change} WHERE id = %s", [number])
    for statement in ("DELETE FROM policy_adoption", "TRUNCATE policy_adoption"):
        with pytest.raises(psycopg.errors.RestrictViolation):
            owner.execute(statement)
        with as_application(owner), pytest.raises(psycopg.errors.InsufficientPrivilege):
            owner.execute(statement)


async def test_a_policy_without_title_or_source_is_not_proposed(
    client: httpx.AsyncClient, small_city: SmallCity
) -> None:
    text = yaml.safe_dump(
        {key: each for key, each in yaml.safe_load(KOREA.text).items() if key not in {"title", "source"}}
    )
    number = (await drafted(client, small_city, policy=None, text=text))["id"]
    answer = await client.post(f"/v1/adoptions/{number}/propose", headers=small_city.bearer("operator"))
    assert answer.status_code == 422
    assert {fault["where"] for fault in answer.json()["faults"]} == {"title", "source"}


async def test_a_wrong_policy_is_refused_with_all_its_faults(client: httpx.AsyncClient, small_city: SmallCity) -> None:
    text = KOREA.text.replace('factor: "2.24"', "factor: 2.24").replace("points: 750}", "points: -750}")
    new = {"text": text, "active_from": "2024-01-01"}
    answer = await client.post("/v1/adoptions", json=new, headers=small_city.bearer("operator"))
    assert answer.status_code == 422
    assert {fault["where"] for fault in answer.json()["faults"]} == {
        "commodities.gas.factor",
        "reduction.tiers.water[0].points",
    }
    for wrong in ({}, {"text": text, "policy": "korea-carbon-point@2024"}):
        both = await client.post(
            "/v1/adoptions", json={"active_from": "2024-01-01"} | wrong, headers=small_city.bearer("operator")
        )
        assert (both.status_code, both.json()["type"]) == (422, f"{PROBLEM}programme.one_policy")


async def test_a_proposal_is_rejected_or_withdrawn_with_a_reason_and_its_day_is_free_again(
    client: httpx.AsyncClient, small_city: SmallCity
) -> None:
    why = {"reason": "the council wants to see it first"}
    first, second, third = [(await drafted(client, small_city))["id"] for _ in range(3)]
    for number in (first, second):
        await act(client, small_city, "operator", number, "propose")
    assert await act(client, small_city, "approver", first, "reject", why) == (200, "rejected")
    assert await act(client, small_city, "operator", second, "withdraw", why) == (200, "withdrawn")
    assert await act(client, small_city, "approver", first, "approve", {"digest": KOREA.digest}) == (
        409,
        "programme.state",
    )
    assert await act(client, small_city, "approver", third, "reject", why) == (409, "programme.state")
    shown = (await client.get(f"/v1/adoptions/{first}", headers=small_city.bearer("auditor"))).json()
    assert (shown["closed_reason"], shown["closed_by"]) == (why["reason"], small_city.actors["approver"].subject)
    await act(client, small_city, "operator", third, "propose")
    assert (await act(client, small_city, "approver", third, "approve", {"digest": KOREA.digest}))[0] == 200


async def test_an_approved_policy_is_taken_back_until_the_day_it_is_active(
    database: Database, small_city: SmallCity
) -> None:
    city, approver = small_city.city_id, small_city.actors["approver"]
    number = await adopt(database, city, active_from=date(2024, 7, 1))
    for moment, fine in (
        (datetime(2024, 6, 30, 15, 0, tzinfo=UTC), False),
        (datetime(2024, 6, 30, 14, 59, tzinfo=UTC), True),
    ):
        async with database.write() as session:
            if fine:
                taken = await service.reject(session, approver, moment, number, "the budget was cut")
                assert taken.state == "rejected"
            else:  # in Seoul it is July
                with pytest.raises(Conflict, match="active since 2024-07-01") as caught:
                    await service.reject(session, approver, moment, number, "the budget was cut")
                assert caught.value.code == "programme.begun"
    async with database.read() as session:
        assert await service.policy_in_force(session, city, date(2024, 7, 1)) is None


async def test_the_policy_in_force_is_the_latest_that_is_active_and_each_city_has_its_own(
    database: Database, small_city: SmallCity
) -> None:
    later = policy_with(version="2025", effective_from=date(2025, 1, 1))
    await adopt(database, small_city.city_id)
    await adopt(database, small_city.city_id, later)
    async with database.read() as session:

        async def version(day: date, city: int = small_city.city_id) -> str | None:
            found = await service.policy_in_force(session, city, day)
            return found[1].version if found else None

        assert [await version(date(*day)) for day in ((2023, 12, 1), (2024, 1, 1), (2024, 12, 31), (2025, 1, 1))] == [
            None,
            "2024",
            "2024",
            "2025",
        ]
        assert await version(date(2025, 1, 1), small_city.other_city_id) is None


async def test_of_two_approvals_of_one_day_one_stands(database: Database, small_city: SmallCity) -> None:
    await adopt(database, small_city.city_id, active_from=NEXT_YEAR)
    with pytest.raises(Conflict, match="Choose another day") as caught:
        await adopt(database, small_city.city_id, policy_with(version="other"), active_from=NEXT_YEAR)
    assert caught.value.code == "programme.active_from_taken"


async def test_another_citys_adoption_is_not_there(client: httpx.AsyncClient, small_city: SmallCity) -> None:
    number = (await drafted(client, small_city))["id"]
    for name, path in (("far_auditor", ""), ("far_operator", "/text")):
        answer = await client.get(f"/v1/adoptions/{number}{path}", headers=small_city.bearer(name))
        assert (answer.status_code, answer.json()["type"]) == (404, f"{PROBLEM}programme.unknown_adoption")
    assert await act(client, small_city, "far_operator", number, "propose") == (404, "programme.unknown_adoption")
