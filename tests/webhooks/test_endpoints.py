"""Endpoints over HTTP: registered by the client itself, seen by whom they concern, with a secret that is shown once."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
import pytest

from carbon_bank.foundation import clock
from carbon_bank.webhooks import received_service
from carbon_bank.webhooks.calling import Caller
from carbon_bank.webhooks.endpoint_service import ENDPOINTS_MAX
from carbon_bank.webhooks.events import Event, OfUtility
from carbon_bank.webhooks.service import emit
from tests.webhooks.sending import DELIVERIES, ENDPOINTS, Office, jobs

HOOK = "http://127.0.0.1:9/hook"


def problem(answer) -> tuple[int, str]:  # type: ignore[no-untyped-def]
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


async def test_a_client_registers_sees_and_removes_its_endpoint(office: Office, owner: psycopg.Connection) -> None:
    nobody = await office.client.post(ENDPOINTS, json={"url": HOOK, "events": ["import.finished"]})
    assert problem(nobody) == (401, "identity.no_token")
    made = await office.register(HOOK, "elec", "settlement.posted", "import.finished")
    assert made["secret"].startswith("whsec_")
    assert made["events"] == ["import.finished", "settlement.posted"]
    [(stored,)] = owner.execute("SELECT secret FROM webhook_endpoint").fetchall()
    assert made["secret"] not in stored
    for name, sees in {"elec": 1, "gas": 0, "partner": 0, "operator": 1, "auditor": 1, "far_operator": 0}.items():
        listed = await office.ask("GET", ENDPOINTS, name)
        assert len(listed.json()["items"]) == sees, name
        assert "whsec_" not in listed.text
    path = f"{ENDPOINTS}/{made['id']}"
    for name in ("gas", "partner", "far_utility"):
        for method, where in (("DELETE", path), ("POST", f"{path}/rotate"), ("POST", f"{path}/test")):
            assert problem(await office.ask(method, where, name)) == (404, "webhooks.unknown_endpoint")
    await office.tell(audience=office.city.actors["elec"].client_id or 0)
    removed = await office.ask("DELETE", path, "elec")
    assert (removed.status_code, removed.json()["removed_at"] is not None) == (200, True)
    assert problem(await office.ask("POST", f"{path}/rotate", "elec")) == (409, "webhooks.endpoint_removed")
    assert owner.execute("SELECT secret, former_secret FROM webhook_endpoint").fetchall() == [(None, None)]
    [delivery] = await office.deliveries("elec", state="dead")
    assert delivery["last_error"] == "the endpoint was removed"
    assert (await office.ask("GET", ENDPOINTS, "elec")).json()["items"] == []
    acts = owner.execute("SELECT act FROM trail WHERE act LIKE 'webhook%' ORDER BY id").fetchall()
    assert acts == [("webhook.endpoint_added",), ("webhook.endpoint_removed",)]


async def test_what_a_client_may_not_have_is_refused_with_its_names(office: Office) -> None:
    asked = {"url": HOOK, "events": ["redemption.requested", "import.finished"]}
    refused = await office.ask("POST", ENDPOINTS, "elec", json=asked)
    assert problem(refused) == (422, "webhooks.events")
    assert refused.json()["facts"]["refused"] == ["redemption.requested"]
    for url, code in {
        "http://hooks.example.com/": "webhooks.url",
        "https://user@hooks.example.com/": "webhooks.url",
        "https://hooks.example.com:25/": "webhooks.url",
    }.items():
        refused = await office.ask("POST", ENDPOINTS, "elec", json={"url": url, "events": ["import.finished"]})
        assert problem(refused) == (422, code)


async def test_a_host_inside_is_refused_when_it_is_registered(office: Office) -> None:
    async def inside(host: str, port: int) -> Sequence[str]:
        return {"hooks.example.com": ["93.184.216.34"], "both.example.com": ["93.184.216.34", "10.0.0.1"]}.get(host, [])

    office.app.state.caller = Caller(resolve=inside)
    for host in ("both.example.com", "nowhere.example.com"):
        asked = {"url": f"https://{host}/", "events": ["settlement.posted"]}
        assert problem(await office.ask("POST", ENDPOINTS, "partner", json=asked)) == (422, "webhooks.address")
    asked = {"url": HOOK, "events": ["settlement.posted"]}
    assert problem(await office.ask("POST", ENDPOINTS, "partner", json=asked)) == (422, "webhooks.url")
    await office.register("https://hooks.example.com/")


async def test_a_client_has_so_many_endpoints_each_at_an_address_of_its_own(office: Office) -> None:
    first = await office.register(HOOK)
    again = {"url": HOOK, "events": ["settlement.posted"]}
    assert problem(await office.ask("POST", ENDPOINTS, "partner", json=again)) == (409, "webhooks.endpoint_exists")
    for number in range(1, ENDPOINTS_MAX):
        await office.register(f"{HOOK}/{number}")
    more = {"url": f"{HOOK}/more", "events": ["settlement.posted"]}
    assert problem(await office.ask("POST", ENDPOINTS, "partner", json=more)) == (409, "webhooks.endpoints_max")
    await office.ask("DELETE", f"{ENDPOINTS}/{first['id']}", "partner")
    await office.register(HOOK)
    await office.register(HOOK, "elec")  # another client's own
    page = (await office.ask("GET", ENDPOINTS, "operator", params={"limit": 6})).json()
    rest = (await office.ask("GET", ENDPOINTS, "operator", params={"limit": 6, "cursor": page["next"]})).json()
    assert (len(page["items"]), len(rest["items"]), rest.get("next")) == (6, ENDPOINTS_MAX - 5, None)


async def test_a_test_goes_to_one_endpoint_one_at_a_time(office: Office) -> None:
    endpoint, _ = await office.register(HOOK), await office.register(f"{HOOK}/other")
    path = f"{ENDPOINTS}/{endpoint['id']}/test"
    sent = await office.ask("POST", path, "partner")
    assert sent.status_code == 202
    again = await office.ask("POST", path, "partner")
    assert problem(again) == (429, "webhooks.test_waiting")
    assert again.headers["retry-after"] == "30"
    [delivery] = await office.deliveries("partner")
    assert (delivery["id"], delivery["event"], delivery["endpoint_id"]) == (
        sent.json()["delivery_id"],
        "webhook.test",
        endpoint["id"],
    )


async def test_a_message_goes_to_whom_it_is_for_and_to_no_other(office: Office, owner: psycopg.Connection) -> None:
    for name in ("elec", "gas", "far_utility"):
        await office.register(HOOK, name, "import.finished", "settlement.posted")
    await office.register(HOOK, "partner", "redemption.requested")
    elec, partner = office.city.actors["elec"], office.city.actors["partner"]
    assert await office.tell(1, OfUtility(elec.utility_id or 0), Event.IMPORT_FINISHED) == 1
    assert await office.tell(2, elec.client_id or 0, Event.SETTLEMENT_POSTED) == 1
    assert await office.tell(3, office.city.actors["elec"].roles.__iter__().__next__()) == 2, (
        "all utilities of the city"
    )
    assert await office.tell(4) == 0, "the partner did not ask for it"
    assert await office.tell(5, partner.client_id or 0, Event.REDEMPTION_REQUESTED) == 1
    owner.execute("UPDATE client SET disabled_at = now() WHERE id = %s", [elec.client_id])
    assert [each["event"] for each in await office.deliveries("gas")] == ["settlement.posted"]
    assert [each["event"] for each in await office.deliveries("partner")] == ["redemption.requested"]
    assert len(await office.deliveries("elec")) == 3
    assert len(await office.deliveries("auditor")) == 5
    assert await office.deliveries("far_operator") == []


async def test_a_message_of_an_act_that_was_rolled_back_was_never_written(
    office: Office, owner: psycopg.Connection
) -> None:
    await office.register(HOOK)

    class Killed(Exception):
        pass

    with pytest.raises(Killed):
        async with office.database.write() as session:
            await emit(
                session,
                office.now,
                city_id=office.city.city_id,
                event=Event.SETTLEMENT_POSTED,
                audience=next(iter(office.city.actors["partner"].roles)),
                facts={},
            )
            raise Killed
    assert owner.execute("SELECT count(*) FROM webhook_message").fetchall() == [(0,)]
    assert owner.execute("SELECT count(*) FROM webhook_delivery").fetchall() == [(0,)]
    assert jobs(owner) == []


async def test_the_application_cannot_change_a_message_or_take_one_back(
    office: Office, owner: psycopg.Connection
) -> None:
    await office.tell()
    for statement in (
        "UPDATE webhook_message SET body = ''",
        "DELETE FROM webhook_message",
        "DELETE FROM webhook_delivery",
        "DELETE FROM webhook_received",
        "DELETE FROM webhook_endpoint",
    ):
        with pytest.raises(psycopg.errors.RestrictViolation):
            owner.execute(statement)


async def test_another_clients_delivery_is_as_if_it_were_not_there(office: Office) -> None:
    await office.register(HOOK)
    await office.tell()
    [delivery] = await office.deliveries()
    for name in ("elec", "far_operator"):
        answer = await office.ask("POST", f"{DELIVERIES}/{delivery['id']}/replay", name)
        assert problem(answer) == (404, "webhooks.unknown_delivery")
    assert problem(await office.ask("POST", f"{DELIVERIES}/{delivery['id']}/replay", "auditor"))[0] == 403


async def test_a_callback_is_remembered_once_for_each_client(office: Office) -> None:
    one, other = (office.city.actors[name].client_id or 0 for name in ("partner", "elec"))

    async def remember(client_id: int, webhook_id: str) -> bool:
        async with office.database.write() as session:
            return await received_service.remember(session, clock.now(), client_id, webhook_id)

    assert await remember(one, "evt_1")
    assert not await remember(one, "evt_1")
    assert await remember(other, "evt_1")
    assert await remember(one, "evt_2")

    class Refused(Exception):
        pass

    with pytest.raises(Refused):
        async with office.database.write() as session:
            assert await received_service.remember(session, clock.now(), one, "evt_3")
            raise Refused
    assert await remember(one, "evt_3"), "what was not acted on may come again"
