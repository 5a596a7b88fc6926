"""Saved mappings: a utility says once what its columns mean, and names that with each file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.errors import InvalidInput, NotFound
from carbon_bank.identity.actor import Actor
from carbon_bank.readings import mapping_queries as queries
from carbon_bank.readings.formats.mapping import parse_mapping
from carbon_bank.readings.mapping_tables import SavedMapping as SavedMapping
from carbon_bank.registry import service as registry
from carbon_bank.registry.service import UtilityPlace
from carbon_bank.trail.service import Act, changes, record

NAME = "[a-z][a-z0-9-]{1,60}"


async def save(
    session: WriteSession, actor: Actor, now: datetime, place: UtilityPlace, name: str, text: str
) -> SavedMapping:
    """Save a mapping, or a new version of it; the text that stands already changes nothing.

    Raises: InvalidInput `readings.mapping_name`, or `formats.mapping_invalid`, all problems in one answer.
    """
    if not re.fullmatch(NAME, name):
        raise InvalidInput(
            "readings.mapping_name",
            f"'{name[:80]}' can't name a mapping. Take 2 to 61 small letters, digits and hyphens, the first a letter: monthly-export.",
        )
    parse_mapping(text)
    await queries.alone(session, place.utility_id, name)
    before = await queries.latest(session, place.utility_id, name)
    if before is not None and before.text == text:
        return before
    made = SavedMapping(
        utility_id=place.utility_id,
        name=name,
        version=before.version + 1 if before else 1,
        city_id=place.city_id,
        text=text,
        by=actor.subject,
        recorded_at=now,
    )
    session.add(made)
    await session.flush()
    record(
        session,
        Act.READINGS_MAPPING_SAVED,
        by=actor.subject,
        at=now,
        subject=f"reading_mapping:{place.utility_id}/{name}/{made.version}",
        city_id=place.city_id,
        facts=changes({"text": before.text} if before else {}, {"text": text}),
    )
    return made


async def named(session: ReadSession, utility_id: int, name: str) -> SavedMapping:
    """The last version of a utility's mapping. Raises: NotFound `readings.unknown_mapping` (404)."""
    found = await queries.latest(session, utility_id, name)
    if found is None:
        raise NotFound(
            "readings.unknown_mapping",
            f"This utility has saved no mapping '{name[:80]}'. Save it: PUT /v1/mappings/{name[:80]}, or "
            "`carbon-bank readings mapping save`.",
        )
    return found


async def listed(session: ReadSession, actor: Actor, utility: str | None) -> Sequence[SavedMapping]:
    """A utility sees its own, city staff those of a utility that they name.

    Raises: NotFound `registry.unknown_utility` (404).
    """
    utility_id = await utility_of(session, actor, utility)
    return await queries.listed(session, utility_id)


async def utility_of(session: ReadSession, actor: Actor, utility: str | None) -> int:
    """The caller's own utility, or the one that staff of its city name.

    Raises: InvalidInput `registry.utility_missing` (422); NotFound `registry.unknown_utility` (404).
    """
    found = await registry.utility_asked_for(session, actor, utility)
    if found is None:
        raise InvalidInput("registry.utility_missing", "Name the utility by its code: each has mappings of its own.")
    return found
