"""Messages on their way: signed, at least once, again after a failure, and nobody waits for somebody else's server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

import psycopg
import pytest
from standardwebhooks.webhooks import Webhook

from carbon_bank import worker
from carbon_bank.foundation.sealed import Sealer
from carbon_bank.identity.permissions import Role
from carbon_bank.settings import Settings
from carbon_bank.webhooks import delivery_service
from carbon_bank.webhooks.calling import Caller
from carbon_bank.webhooks.delivery_service import Claimed, Outcome
from carbon_bank.webhooks.events import Event
from carbon_bank.webhooks.retries import ATTEMPTS_MAX, PAUSES
from carbon_bank.webhooks.service import emit
from carbon_bank.webhooks.signatures import sign
from carbon_bank.worker import Post, deliver_webhooks
from tests.webhooks.receiver import Receiver
from tests.webhooks.sending import DELIVERIES, ENDPOINTS, Office, jobs


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what a server on this machine sees."""
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it did not come about")


async def test_a_worker_delivers_what_was_written_and_the_public_library_takes_it(
    office: Office, receiver: Receiver, settings: Settings, owner: psycopg.Connection
) -> None:
    endpoint = await office.register(receiver.url)
    assert await office.tell(7) == 1
    assert jobs(owner) == [("calls", "webhooks.deliver")]
    await worker.work(office.database, settings, until_empty=True)
    [got] = receiver.got
    told = Webhook(endpoint["secret"]).verify(got.body, got.headers)
    assert told == {
        "type": "settlement.posted",
        "timestamp": office.now.isoformat().replace("+00:00", "Z"),
        "data": {"settlement_id": 7},
    }
    assert got.headers["content-type"] == "application/json"
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert not {"cookie", "authorization"} & set(got.headers)
    [delivery] = await office.deliveries("partner")
    assert (delivery["state"], delivery["attempts"], delivery["last_status"]) == ("delivered", 1, 204)
    assert (delivery["webhook_id"], delivery["event"]) == (receiver.ids[0], "settlement.posted")
    await worker.work(office.database, settings, until_empty=True)
    assert len(receiver.got) == 1


async def test_for_a_day_after_a_rotation_both_secrets_sign(office: Office, receiver: Receiver) -> None:
    first = await office.register(receiver.url)
    answer = await office.ask("POST", f"{ENDPOINTS}/{first['id']}/rotate", "partner")
    second = answer.json()
    assert (answer.status_code, second["id"]) == (200, first["id"])
    assert second["secret"] != first["secret"]
    office.later(seconds=1)
    await office.tell(1)
    await deliver_webhooks(office.post())
    for secret in (first["secret"], second["secret"]):
        assert Webhook(secret).verify(receiver.got[0].body, receiver.got[0].headers)["data"] == {"settlement_id": 1}
    office.later(hours=24)
    await office.tell(2)
    await deliver_webhooks(office.post())
    got = receiver.got[1]
    signature = sign(second["secret"], receiver.ids[1], int(office.now.timestamp()), got.body)
    assert got.headers["webhook-signature"] == signature


async def test_a_failing_endpoint_is_tried_for_three_days_then_dead_then_replayed(
    office: Office, receiver: Receiver, other_receiver: Receiver, owner: psycopg.Connection
) -> None:
    await office.register(receiver.url)
    await office.register(other_receiver.url)
    receiver.statuses, receiver.body = [500, 404, 503] + [500] * (ATTEMPTS_MAX - 3), b"<h1>no\0" + b"y" * 2000
    begun = office.now
    await office.tell()
    seen: list[tuple[timedelta, str]] = []
    receiver.on_request = lambda: seen.append((office.now - begun, receiver.ids[-1]))
    for pause in (*PAUSES, timedelta(days=1)):
        assert await deliver_webhooks(office.post()) in {1, 2}
        assert await deliver_webhooks(office.post()) == 0, "it is not due before its pause is over"
        office.now += pause
    assert [at for at, _ in seen] == [sum(PAUSES[:number], timedelta()) for number in range(ATTEMPTS_MAX)]
    assert len({webhook_id for _, webhook_id in seen}) == 1
    assert len({got.headers["webhook-timestamp"] for got in receiver.got}) == ATTEMPTS_MAX, (
        "each attempt is signed anew"
    )
    assert len(other_receiver.got) == 1
    soon = owner.execute("SELECT count(*) FROM procrastinate_jobs WHERE scheduled_at IS NOT NULL").fetchall()
    assert soon == [(1,)], "a pause shorter than the look that comes round has a job of its own"

    [dead] = await office.deliveries(state="dead")
    assert (dead["attempts"], dead["last_status"], dead["next_at"]) == (ATTEMPTS_MAX, 500, None)
    assert dead["last_error"].startswith("answered 500: <h1>no\ufffdyyy")
    assert len(dead["last_error"]) == 500
    replayed = await office.ask("POST", f"{DELIVERIES}/{dead['id']}/replay", "operator")
    assert (replayed.status_code, replayed.json()["state"], replayed.json()["attempts"]) == (202, "waiting", 0)
    again = await office.ask("POST", f"{DELIVERIES}/{dead['id']}/replay", "operator")
    assert (again.status_code, again.json()["type"]) == (409, "urn:carbon-bank:problem:webhooks.delivery_waiting")
    office.later(days=1)
    await deliver_webhooks(office.post())
    assert await office.deliveries(state="dead") == []
    assert len(set(receiver.ids)) == 1

    delivered = await office.ask("POST", f"{DELIVERIES}/{dead['id']}/replay", "partner")
    assert delivered.status_code == 202, "what was delivered can be asked for again, too"
    office.later(days=1)
    await deliver_webhooks(office.post())
    assert len(receiver.got) == ATTEMPTS_MAX + 2
    acts = owner.execute("SELECT by, act FROM trail WHERE act = 'webhook.delivery_replayed' ORDER BY id").fetchall()
    assert [by.partition(":")[0] for by, _ in acts] == ["person", "client"]


async def test_an_endpoint_that_is_gone_is_disabled_and_nothing_waits_for_it(
    office: Office, receiver: Receiver, owner: psycopg.Connection
) -> None:
    endpoint = await office.register(receiver.url)
    receiver.statuses = [500, 410]
    await office.tell(1)
    await deliver_webhooks(office.post())
    await office.tell(2)
    await deliver_webhooks(office.post())
    first, second = await office.deliveries()
    assert (first["state"], first["last_error"]) == ("dead", "the endpoint is disabled: it answered 410 Gone")
    assert (second["state"], second["last_status"]) == ("dead", 410)
    assert await office.tell(3) == 0
    [shown] = (await office.ask("GET", ENDPOINTS, "partner")).json()["items"]
    assert shown["disabled_reason"] == "it answered 410 Gone"
    for path in (f"{DELIVERIES}/{first['id']}/replay", f"{ENDPOINTS}/{endpoint['id']}/test"):
        refused = await office.ask("POST", path, "partner")
        assert (refused.status_code, refused.json()["type"]) == (
            409,
            "urn:carbon-bank:problem:webhooks.endpoint_disabled",
        )
    assert owner.execute("SELECT by, reason FROM trail WHERE act = 'webhook.endpoint_disabled'").fetchall() == [
        ("system:worker", "it answered 410 Gone")
    ]
    await office.register(receiver.url)  # anew


async def test_a_redirect_is_not_followed(office: Office, receiver: Receiver, other_receiver: Receiver) -> None:
    await office.register(receiver.url)
    receiver.statuses = [302, 307, 308]
    for place in (other_receiver.url, "http://169.254.169.254/latest/meta-data/", "https://10.0.0.1/"):
        receiver.headers = {"Location": place}
        await deliver_webhooks(office.post())
        await office.tell()
        await deliver_webhooks(office.post())
    assert len(receiver.got) == 3
    assert other_receiver.got == []
    assert {each["state"] for each in await office.deliveries()} == {"waiting"}
    assert sorted(each["last_status"] for each in await office.deliveries()) == [302, 307, 308]


async def test_an_endpoint_that_hangs_holds_up_nobody_and_is_given_up(
    office: Office, receiver: Receiver, other_receiver: Receiver, owner: psycopg.Connection
) -> None:
    def delivered() -> int:
        [(count,)] = owner.execute("SELECT count(*) FROM webhook_delivery WHERE state = 'delivered'").fetchall()
        return int(count)

    await office.register(receiver.url)
    await office.register(other_receiver.url)
    receiver.hang = True
    for number in range(40):  # more than are sent at a time
        await office.tell(number)
    sending = asyncio.create_task(deliver_webhooks(office.post()))
    await until(lambda: delivered() == 40)
    assert len(receiver.got) == 2, "so many are sent to one endpoint at a time"
    await office.tell(40)
    await until(lambda: delivered() == 41)  # while the first still hangs
    sending.cancel()  # the worker dies
    with suppress(asyncio.CancelledError):
        await sending
    cut_off = set(receiver.ids)

    assert await deliver_webhooks(office.post()) == 0, "the dead worker's lease holds for a minute"
    office.later(seconds=61)
    await deliver_webhooks(office.post(Caller(allow_loopback=True, timeout_seconds=0.05)))
    waiting = await office.deliveries(state="waiting")
    assert len(waiting) == 41
    assert {(each["attempts"], each["last_error"]) for each in waiting} == {(1, "no answer within 0.05 seconds")}
    receiver.hang = False
    office.later(seconds=6)
    receiver.got.clear()
    assert await deliver_webhooks(office.post()) == 41
    assert {each["state"] for each in await office.deliveries()} == {"delivered"}
    assert len(set(receiver.ids)) == 41
    assert cut_off < set(receiver.ids), "what nobody recorded is sent again, under the same id"


async def test_of_two_workers_each_message_is_sent_by_one(office: Office, receiver: Receiver) -> None:
    await office.register(receiver.url)
    for number in range(25):
        await office.tell(number)
    done = await asyncio.gather(*(deliver_webhooks(office.post()) for _ in range(3)))
    assert sum(done) == len(receiver.got) == len(set(receiver.ids)) == 25
    assert sorted(json.loads(got.body)["data"]["settlement_id"] for got in receiver.got) == list(range(25))


async def test_a_body_without_end_is_not_read_to_its_end(office: Office, receiver: Receiver) -> None:
    await office.register(receiver.url)
    receiver.endless, receiver.statuses, receiver.body = True, [500], b"no"
    await office.tell()
    await deliver_webhooks(office.post())
    [delivery] = await office.deliveries()
    assert len(delivery["last_error"]) == 500


async def test_nothing_listens_and_retry_after_is_heeded(office: Office, receiver: Receiver) -> None:
    receiver.statuses, receiver.headers = [429], {"Retry-After": "3600"}
    await office.register(receiver.url)
    await office.register("http://127.0.0.1:9/nobody")
    await office.tell()
    await deliver_webhooks(office.post())
    busy, nobody = await office.deliveries()
    assert datetime.fromisoformat(busy["next_at"]) == office.now + timedelta(hours=1)
    assert nobody["last_status"] is None
    assert nobody["last_error"].startswith("no connection or no whole answer: ")


async def test_a_secret_whose_key_is_lost_is_a_failed_attempt_and_the_others_go_on(
    office: Office, receiver: Receiver, other_receiver: Receiver
) -> None:
    await office.register(receiver.url)
    lost = office.post()
    office.app.state.sealer = Sealer({"00000000": bytes(32)})
    await office.register(other_receiver.url)
    await office.tell()
    both = Sealer(office.app.state.sealer.keys)
    await deliver_webhooks(Post(lost.database, both, lost.caller, lost.now, lost.chance))
    assert (len(receiver.got), len(other_receiver.got)) == (0, 1)
    first, _ = await office.deliveries()
    assert (first["state"], first["attempts"]) == ("waiting", 1)
    assert first["last_error"] == "the bank could not sign it; its operators have to look into it"


async def test_a_worker_that_comes_back_after_its_lease_records_nothing(office: Office) -> None:
    await office.register("http://127.0.0.1:9/nobody")
    await office.tell()

    async def claim() -> Claimed:
        async with office.database.write() as session:
            [claimed] = await delivery_service.claim(session, office.now, 10)
        return claimed

    async def record(claimed: Claimed, outcome: Outcome) -> str | None:
        async with office.database.write() as session:
            return await delivery_service.record_outcome(session, office.now, claimed, outcome, 0.0)

    stalled = await claim()
    office.later(seconds=61)
    following = await claim()
    assert stalled.public_id == following.public_id
    assert await record(stalled, Outcome(None, "no answer within 15 seconds")) is None
    assert await record(following, Outcome(204)) == "delivered"
    assert await record(stalled, Outcome(410, "answered 410: ")) is None
    [delivery] = await office.deliveries()
    assert (delivery["state"], delivery["attempts"], delivery["last_error"]) == ("delivered", 1, None)
    assert await office.tell(2) == 1, "nor is the endpoint disabled"


async def test_nothing_waits_for_an_endpoint_that_was_removed_meanwhile(
    office: Office, owner: psycopg.Connection
) -> None:
    endpoint = await office.register("http://127.0.0.1:9/nobody")
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with office.database.write() as session:
        facts = {"settlement_id": 1}
        at = {"city_id": office.city.city_id, "event": Event.SETTLEMENT_POSTED, "audience": Role.PARTNER}
        assert await emit(session, office.now, facts=facts, **at) == 1
        removing = asyncio.create_task(office.ask("DELETE", f"{ENDPOINTS}/{endpoint['id']}", "partner"))
        await until(lambda: owner.execute(waiting).fetchall() == [(1,)])
    assert (await removing).status_code == 200
    assert [each["state"] for each in await office.deliveries()] == ["dead"]
