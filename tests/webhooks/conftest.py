from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI

from carbon_bank.foundation.database import Database
from tests.small_city import SmallCity
from tests.webhooks.receiver import Receiver, receiving
from tests.webhooks.sending import Office


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def other_receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def office(database: Database, app: FastAPI, client: httpx.AsyncClient, small_city: SmallCity) -> Office:
    return Office(database, app, client, small_city)
