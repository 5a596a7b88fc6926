"""A utility that sends readings."""

from __future__ import annotations

import pytest

from carbon_bank.foundation.database import Database
from carbon_bank.readings import service
from carbon_bank.readings.service import BatchResult, Mode, rows_from
from tests.readings.sending import Row, Send
from tests.small_city import NOW, SmallCity


@pytest.fixture
def send(database: Database, small_city: SmallCity) -> Send:
    """Record rows of a utility, in a transaction of their own."""

    async def sent(*rows: Row, of: str = "elec", mode: Mode = "partial") -> BatchResult:
        actor, place = small_city.actors[of], small_city.places[of]
        async with database.write() as session:
            return await service.record_readings(session, actor, NOW, place, rows_from(rows), source="test", mode=mode)

    return sent
