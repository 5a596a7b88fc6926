"""The bank asks its witnesses: what they sign is verified and kept, and none of them keeps anything from going on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from carbon_bank.audit.formats.checkpoint import cosign, open_checkpoint, parse_checkpoint
from carbon_bank.audit.formats.note import COSIGNATURE, SigningKey
from carbon_bank.audit.formats.tiles import Tile
from carbon_bank.audit.witnesses import service
from carbon_bank.audit.witnesses.protocol import with_cosignatures
from carbon_bank.audit.witnesses.service import Answered
from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database
from carbon_bank.foundation.errors import Refusal
from carbon_bank.identity.actor import Actor
from carbon_bank.webhooks.calling import Caller
from carbon_bank.witness.cosigning import Witness
from carbon_bank.worker import look_after_cosignatures, post_by, request_cosignatures
from tests.audit.made_up import KEY, OTHER_WITNESS, WITNESS, MadeUpLog, entry
from tests.small_city import SmallCity
from tests.webhooks.receiver import Receiver, receiving
from tests.witness.places import MadeUpStore, grown_log, growth, made_witness, witness_at

NOBODY = "http://127.0.0.1:9"


@dataclass
class Bench:
    """A city with a log of 300 entries, and two witnesses that run."""

    database: Database
    city: SmallCity
    owner: psycopg.Connection
    log: MadeUpLog
    witnesses: list[Witness]
    urls: list[str]
    caller: Caller

    @property
    def clerk(self) -> Actor:
        return Actor("system:test", city_id=self.city.city_id)

    async def add(self, key: SigningKey, url: str) -> None:
        async with self.database.write() as session:
            await service.add(session, self.clerk, clock.now(), vkey=str(key.verifier), url=url)

    async def ask(self) -> int:
        """Have the latest checkpoint signed."""
        return await request_cosignatures(self.database, post_by(self.caller), self.city.city_id, MadeUpStore(self.log))

    async def listed(self) -> list[tuple[str, int | None, str | None]]:
        async with self.database.read() as session:
            rows = await service.listed(session, self.clerk)
        return [(row.witness.name, row.size, row.witness.last_error) for row in rows]

    async def checkpoint(self, size: int | None = None) -> bytes:
        """As the city serves it."""
        async with self.database.read() as session:
            lines = await service.cosignature_lines(session, self.city.city_id, size or self.log.size)
        return with_cosignatures(bytes(self.log.publish()), lines)

    def grow(self, more: int) -> None:
        self.log.add([entry(index) for index in range(self.log.size, self.log.size + more)])


@pytest.fixture
def bench(database: Database, small_city: SmallCity, owner: psycopg.Connection, tmp_path: Path) -> Iterator[Bench]:
    witnesses = [made_witness(tmp_path, key) for key in (WITNESS, OTHER_WITNESS)]
    with ExitStack() as stack:
        urls = [stack.enter_context(witness_at(each)) for each in witnesses]
        yield Bench(database, small_city, owner, grown_log(300), witnesses, urls, Caller(allow_loopback=True))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


async def test_each_witness_signs_each_checkpoint_and_stands_under_it(bench: Bench) -> None:
    await bench.add(WITNESS, bench.urls[0])
    await bench.add(OTHER_WITNESS, f"{bench.urls[1]}/")
    witnesses = [WITNESS.verifier, OTHER_WITNESS.verifier]
    for more in (0, 1, 300):
        bench.grow(more)
        assert await bench.ask() == 2
        assert await bench.ask() == 0, "they have signed this one"
        opened = open_checkpoint(await bench.checkpoint(), [KEY.verifier], witnesses, 2)
        assert opened.checkpoint.size == bench.log.size
    assert await bench.listed() == [(key.name, 601, None) for key in (WITNESS, OTHER_WITNESS)]
    assert await bench.checkpoint(1) == bytes(bench.log.publish())
    for statement in (
        "UPDATE log_cosignature SET line = 'x'",
        "DELETE FROM log_cosignature",
        "DELETE FROM log_witness",
    ):
        with pytest.raises(psycopg.errors.RestrictViolation):
            bench.owner.execute(statement)


async def test_a_witness_that_is_down_keeps_nobody_and_signs_the_next_one(bench: Bench) -> None:
    await bench.add(WITNESS, bench.urls[0])
    await bench.add(OTHER_WITNESS, NOBODY)
    assert await bench.ask() == 1
    [one, down] = await bench.listed()
    assert one == (WITNESS.name, 300, None)
    assert down[:2] == (OTHER_WITNESS.name, None)
    assert "no connection" in (down[2] or "")
    bench.grow(5)
    bench.owner.execute("UPDATE log_witness SET url = %s WHERE url = %s", [bench.urls[1], NOBODY])
    async with bench.database.read() as session:
        assert await service.cities_with_witnesses(session) == [bench.city.city_id]
    await look_after_cosignatures(bench.database, post_by(bench.caller), lambda city_id: MadeUpStore(bench.log))
    assert await bench.listed() == [(key.name, 305, None) for key in (WITNESS, OTHER_WITNESS)]


async def test_a_witness_that_knows_the_log_from_elsewhere_is_asked_from_the_size_it_has(bench: Bench) -> None:
    bench.witnesses[0].add_checkpoint(bytes(growth(bench.log, 0)), 1)
    bench.grow(40)
    await bench.add(WITNESS, bench.urls[0])
    assert await bench.ask() == 1
    assert await bench.listed() == [(WITNESS.name, 340, None)]


async def test_no_transaction_is_open_while_a_tile_is_read_or_a_witness_asked(bench: Bench) -> None:
    busy = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
    seen: list[tuple[str, int]] = []

    def note(what: str) -> None:
        [(count,)] = bench.owner.execute(busy).fetchall()
        seen.append((what, count))

    async def post(url: str, body: bytes) -> Answered:
        note("ask")
        return await post_by(bench.caller)(url, body)

    class Store(MadeUpStore):
        async def latest(self) -> tuple[int, bytes] | None:
            note("latest")
            return await super().latest()

        async def read_tile(self, tile: Tile) -> bytes:
            note("tile")
            return await super().read_tile(tile)

    bench.witnesses[0].add_checkpoint(bytes(growth(grown_log(7), 0)), 1)
    await bench.add(WITNESS, bench.urls[0])
    assert await request_cosignatures(bench.database, post, bench.city.city_id, Store(bench.log)) == 1
    assert [what for what, _ in seen] == ["latest", "ask", "tile", "tile", "ask"]
    assert [count for _, count in seen] == [0] * 5


async def test_a_witness_that_has_seen_more_than_there_is_or_another_tree_is_told(bench: Bench) -> None:
    larger = grown_log(310)
    bench.witnesses[0].add_checkpoint(bytes(growth(larger, 0)), 1)
    bench.witnesses[1].add_checkpoint(bytes(growth(grown_log(200, twist=1), 0)), 1)
    await bench.add(WITNESS, bench.urls[0])
    await bench.add(OTHER_WITNESS, bench.urls[1])
    assert await bench.ask() == 0
    [ahead, other] = await bench.listed()
    assert "has signed a tree of 310 entries" in (ahead[2] or "")
    assert "answered 422: the proof does not show" in (other[2] or "")
    assert await bench.checkpoint() == bytes(bench.log.publish())


async def test_what_a_witness_answers_is_verified_before_it_is_kept(bench: Bench, receiver: Receiver) -> None:
    await bench.add(WITNESS, receiver.url)
    tree = parse_checkpoint(bench.log.publish().text)
    other_tree = parse_checkpoint(grown_log(300, twist=1).publish().text)
    now = int(clock.now().timestamp())
    impostor = SigningKey(WITNESS.name, bytes(32), COSIGNATURE)
    for status, body, headers in [
        (200, str(cosign(other_tree, WITNESS, now)).encode(), {}),
        (200, str(cosign(tree, impostor, now)).encode(), {}),
        (200, str(cosign(tree, WITNESS, now + 86_400)).encode(), {}),
        (200, b"<html>" + b"x" * 100_000, {}),
        (204, b"", {}),
        (302, b"", {"Location": f"{bench.urls[0]}/add-checkpoint"}),
        (409, b"-1\n", {}),
        (409, b"301\n", {}),
        (503, b"\xff" * 1000, {}),
    ]:
        receiver.statuses, receiver.body, receiver.headers = [status], body, dict(headers)
        assert await bench.ask() == 0
        [(_, size, error)] = await bench.listed()
        assert size is None
        assert error
    receiver.statuses, receiver.body, receiver.headers = [409, 409], b"7\n", {}
    before = len(receiver.got)
    assert await bench.ask() == 0
    assert len(receiver.got) - before == 2, "asked once more, and not again"
    assert [got.body.split(b"\n")[0] for got in receiver.got[-2:]] == [b"old 0", b"old 7"]
    receiver.statuses, receiver.body = [200], str(cosign(tree, WITNESS, now)).encode()
    assert await bench.ask() == 1
    assert receiver.got[-1].path == "/hook/add-checkpoint"


async def test_a_witness_that_hangs_is_given_up(bench: Bench, receiver: Receiver) -> None:
    receiver.hang = True
    bench.caller = Caller(allow_loopback=True, timeout_seconds=0.2)
    await bench.add(WITNESS, receiver.url)
    await bench.add(OTHER_WITNESS, bench.urls[1])
    assert await bench.ask() == 1
    assert [error for _, _, error in await bench.listed()] == ["no answer within 0.2 seconds", None]


async def test_an_address_inside_the_network_is_never_called(bench: Bench, receiver: Receiver) -> None:
    await bench.add(WITNESS, receiver.url)
    bench.caller = Caller()
    assert await bench.ask() == 0
    assert receiver.got == []
    [(_, _, error)] = await bench.listed()
    assert error


async def test_who_is_asked_is_the_city_s_own_affair(bench: Bench) -> None:
    await bench.add(WITNESS, bench.urls[0])
    stranger = Actor("system:test", city_id=bench.city.other_city_id)
    alias = SigningKey("witness.example/alias", WITNESS.seed, COSIGNATURE)
    for key, url, code in [
        (WITNESS, bench.urls[1], "audit.witness_exists"),
        (alias, bench.urls[1], "audit.witness_exists"),
        (KEY, bench.urls[1], "audit.witness_key"),
        (OTHER_WITNESS, "https://witness.example/?a=b", "audit.witness_url"),
    ]:
        with pytest.raises(Refusal) as refused:
            await bench.add(key, url)
        assert refused.value.code == code
    async with bench.database.write() as session:
        assert await service.listed(session, stranger) == []
        with pytest.raises(Refusal) as refused:
            await service.remove(session, stranger, clock.now(), WITNESS.name)
        assert refused.value.code == "audit.unknown_witness"
    assert await bench.ask() == 1
    async with bench.database.write() as session:
        await service.remove(session, bench.clerk, clock.now(), WITNESS.name)
    bench.grow(1)
    assert await bench.ask() == 0
    assert await bench.listed() == []
    rows = bench.owner.execute(
        "SELECT act, facts->>'name' FROM trail WHERE act LIKE 'witness.%' ORDER BY id"
    ).fetchall()
    assert rows == [("witness.added", WITNESS.name), ("witness.removed", WITNESS.name)]
    await bench.add(WITNESS, bench.urls[0])
    for number in range(3, 14):
        await bench.add(SigningKey(f"w{number}", bytes([number] * 32), COSIGNATURE), NOBODY)
    with pytest.raises(Refusal) as refused:
        await bench.add(SigningKey("w14", bytes([14] * 32), COSIGNATURE), NOBODY)
    assert refused.value.code == "audit.witnesses_max"


async def test_the_witnesses_are_asked_for_in_the_transaction_that_seals(bench: Bench) -> None:
    async with bench.database.write() as session:
        await service.ask_for_cosignatures(session, bench.city.city_id)
    assert bench.owner.execute("SELECT 1 FROM procrastinate_jobs").fetchall() == [], "there are none to ask"
    await bench.add(WITNESS, NOBODY)
    async with bench.database.write() as session:
        await service.ask_for_cosignatures(session, bench.city.city_id)
    [job] = bench.owner.execute("SELECT queue_name, task_name, lock, args FROM procrastinate_jobs").fetchall()
    city_id = bench.city.city_id
    assert job == ("calls", service.COSIGN_TASK, f"witnesses:{city_id}", {"city_id": city_id})
