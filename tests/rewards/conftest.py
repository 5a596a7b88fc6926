from __future__ import annotations

import httpx
import pytest

from carbon_bank.foundation.database import Database
from tests.rewards.shop import Shop
from tests.small_city import SmallCity


@pytest.fixture
async def shop(client: httpx.AsyncClient, database: Database, small_city: SmallCity) -> Shop:
    """The small city with terms by which a point is worth 2 won, and 1000 points for the household alder."""
    made = Shop(client, database, small_city)
    await made.terms()
    await made.grant(small_city.alder, 1000)
    return made
