"""Witnesses of a city's log: whom it asks for a cosignature under each checkpoint, and what they signed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from carbon_bank.audit.formats.note import COSIGNATURE, Signature, VerifierKey
from carbon_bank.audit.formats.tiles import Tile, hashes_from
from carbon_bank.audit.witnesses import queries
from carbon_bank.audit.witnesses.protocol import Status, cosignature_in, growth_request, parse_stale, tiles_for_growth
from carbon_bank.audit.witnesses.tables import LogCosignature
from carbon_bank.audit.witnesses.tables import LogWitness as LogWitness
from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.errors import Conflict, InvalidInput, NotFound, Refusal
from carbon_bank.foundation.jobs import CALLS, enqueue
from carbon_bank.identity.actor import Actor
from carbon_bank.trail.service import Act, record

COSIGN_TASK = "audit.request_cosignatures"
WITNESSES_MAX = 12
LINES_MAX = 14
"""Beside two of the log's own while it changes keys: 16 is what every verifier takes. Source: signed-note, Format."""
NAME_LENGTH_MAX = 200
ERROR_LENGTH_MAX = 500


class SealedLog(Protocol):
    """A city's log as it is stored. Neither call is made inside a transaction."""

    async def latest(self) -> tuple[int, bytes] | None:
        """Size and note of the latest checkpoint, signed by the log; null where there is none."""

    async def read_tile(self, tile: Tile) -> bytes:
        """A tile of the latest checkpoint's tree, partial ones as that tree has them."""


class Sealed(NamedTuple):
    """A checkpoint of a city's log: the tree's size, and the note as the log signed it."""

    size: int
    note: bytes


@dataclass(frozen=True)
class Answered:
    """What a witness answered. Args: body: its beginning, long enough for the signatures of several keys."""

    status: int
    body: bytes


Post = Callable[[str, bytes], Awaitable[Answered]]
"""Sends a body to an address. Raises: Refusal, when nothing came back."""


@dataclass(frozen=True)
class Asked:
    """A witness that has not signed a tree yet. Args: size: of the largest one that it has signed for all we know."""

    witness_id: int
    key: VerifierKey
    url: str
    size: int


@dataclass(frozen=True)
class Listed:
    """A witness, the size of the largest tree that it signed, and when that came; null where it never did."""

    witness: LogWitness
    size: int | None
    cosigned_at: datetime | None


async def ask_for_cosignatures(session: WriteSession, city_id: int) -> None:
    """Have the witnesses, if there are any, asked once this transaction has committed: the one that seals a checkpoint."""
    if city_id in await queries.cities(session):
        await enqueue(session, COSIGN_TASK, {"city_id": city_id}, f"witnesses:{city_id}", queue=CALLS)


async def cities_with_witnesses(session: ReadSession) -> Sequence[int]:
    return await queries.cities(session)


async def to_ask(session: ReadSession, city_id: int, size: int) -> list[Asked]:
    """The witnesses of a city that have signed neither its tree of `size` nor a larger one."""
    rows = await queries.with_latest(session, city_id)
    return [
        Asked(witness.id or 0, VerifierKey.parse(witness.vkey), witness.url, latest or 0)
        for witness, latest, _ in rows
        if latest is None or latest < size
    ]


async def request_cosignature(asked: Asked, log: SealedLog, sealed: Sealed, post: Post, now: int) -> Signature:
    """Ask one witness, and verify what it signed. No session: nothing waits for it.

    Args:   now: POSIX seconds.
    Raises: what `post` raises; Conflict audit.witness_refused, audit.witness_ahead; InvalidInput audit.stale_size,
            audit.note, audit.signature, audit.cosignature.
    Source: tlog-witness, add-checkpoint; after a 409 once more, from the size that the witness says it has.
    """
    answer = await _add_checkpoint(asked, asked.size, log, sealed, post)
    if answer.status == Status.STALE:
        known = parse_stale(answer.body)
        if known > sealed.size:
            message = (
                f"{asked.key.name} has signed a tree of {known} entries, and the latest checkpoint has {sealed.size}"
            )
            raise Conflict("audit.witness_ahead", message, {"size": sealed.size, "witness_size": known})
        answer = await _add_checkpoint(asked, known, log, sealed, post)
    if answer.status != Status.COSIGNED:
        told = answer.body.decode(errors="replace").strip()
        message = f"{asked.key.name} answered {answer.status}: {told}"
        raise Conflict("audit.witness_refused", message[:ERROR_LENGTH_MAX], {"status": answer.status})
    return cosignature_in(answer.body, sealed.note, asked.key, now)


async def _add_checkpoint(asked: Asked, old: int, log: SealedLog, sealed: Sealed, post: Post) -> Answered:
    tiles = {tile: await log.read_tile(tile) for tile in tiles_for_growth(old, sealed.size)}
    request = growth_request(old, sealed.size, hashes_from(sealed.size, tiles.__getitem__), sealed.note)
    return await post(f"{asked.url}/add-checkpoint", bytes(request))


async def record_outcome(
    session: WriteSession, now: datetime, city_id: int, size: int, asked: Asked, outcome: Signature | Refusal
) -> None:
    """Keep the line that a witness gave, or what kept it from doing so. One that was removed meanwhile gives nothing."""
    witness = await queries.lock(session, asked.witness_id)
    if witness is None or witness.removed_at is not None:
        return
    witness.asked_at = now
    witness.last_error = outcome.message[:ERROR_LENGTH_MAX] if isinstance(outcome, Refusal) else None
    session.add(witness)
    await session.flush()
    if isinstance(outcome, Signature):
        line = LogCosignature(
            city_id=city_id, size=size, name=witness.name, witness_id=asked.witness_id, line=str(outcome), at=now
        )
        await queries.keep(session, line)


async def cosignature_lines(session: ReadSession, city_id: int, size: int) -> Sequence[str]:
    """What `witness_protocol.with_cosignatures` puts under the checkpoint of a tree."""
    return await queries.lines(session, city_id, size, LINES_MAX)


async def listed(session: ReadSession, actor: Actor) -> list[Listed]:
    """The witnesses that the actor's city asks."""
    return [Listed(*row) for row in await queries.with_latest(session, actor.of_city())]


async def add(session: WriteSession, actor: Actor, now: datetime, *, vkey: str, url: str) -> LogWitness:
    """Have a witness asked from the next checkpoint on.

    Args:   url: its submission prefix, already found to be one that the bank may call (`webhooks.targets`).
    Raises: InvalidInput audit.key, audit.witness_key, audit.witness_url; Conflict audit.witness_exists,
            audit.witnesses_max (409).
    """
    key = VerifierKey.parse(vkey)
    if key.kind != COSIGNATURE or len(key.name) > NAME_LENGTH_MAX:
        message = (
            f"'{vkey[:80]}' is no key of a witness: one of type 4, with a name of at most {NAME_LENGTH_MAX} characters"
        )
        raise InvalidInput("audit.witness_key", message)
    if "?" in url:
        message = f"'{url[:80]}' has a query; name the address before /add-checkpoint, as https://witness.example/w1"
        raise InvalidInput("audit.witness_url", message)
    await queries.lock_city(session, actor.of_city())
    live = await queries.live(session, actor.of_city())
    same = next(
        (each for each in live if key.name == each.name or key.public == VerifierKey.parse(each.vkey).public), None
    )
    if same is not None:
        message = f"{same.name} has this name or this key already. Remove it first: one key counts once."
        raise Conflict("audit.witness_exists", message, {"name": same.name})
    if len(live) >= WITNESSES_MAX:
        message = f"This city asks {len(live)} witnesses, and at most {WITNESSES_MAX}. Remove one first."
        raise Conflict("audit.witnesses_max", message, {"witnesses": len(live), "witnesses_max": WITNESSES_MAX})
    witness = LogWitness(
        city_id=actor.of_city(), name=key.name, vkey=vkey, url=url.rstrip("/"), added_by=actor.subject, added_at=now
    )
    await queries.add(session, witness)
    _record(session, Act.WITNESS_ADDED, actor, now, witness)
    return witness


async def remove(session: WriteSession, actor: Actor, now: datetime, name: str) -> LogWitness:
    """Ask a witness no more. What it signed stays.

    Raises: NotFound audit.unknown_witness (404).
    """
    await queries.lock_city(session, actor.of_city())
    found = next((each for each in await queries.live(session, actor.of_city()) if each.name == name), None)
    if found is None:
        raise NotFound("audit.unknown_witness", f"This city asks no witness '{name[:80]}'.")
    found.removed_at = now
    session.add(found)
    _record(session, Act.WITNESS_REMOVED, actor, now, found)
    return found


def _record(session: WriteSession, act: Act, actor: Actor, now: datetime, witness: LogWitness) -> None:
    facts = {"name": witness.name, "vkey": witness.vkey, "url": witness.url}
    subject = f"log_witness:{witness.id}"
    record(session, act, by=actor.subject, at=now, subject=subject, city_id=witness.city_id, facts=facts)
