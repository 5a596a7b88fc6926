"""Real PostgreSQL for every test that needs one: each gets a database of its own, copied from a migrated template.

So every test commits for real, and none sees another's rows. The server is an embedded one in a temporary folder, or the
one that `scripts/test --database URL` names.
"""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from carbon_bank import main, schema
from carbon_bank.foundation import embedded
from carbon_bank.foundation.database import Database, parse_url, plain_url
from carbon_bank.settings import Settings
from tests.small_city import SmallCity, found_small_city

SHARED_DATA = Path(__file__).parent.parent.parent / "shared" / "data"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server_url() -> str:
    """A PostgreSQL server on which databases can be made."""
    given = os.environ.get("CARBON_BANK_TEST_DATABASE_URL")
    if given:
        return given
    # Not below pytest's own folder: another run of pytest closes that to the server's user, and the server ends.
    folder = tempfile.mkdtemp(prefix="carbon-bank-tests-")
    # The server stops when this process ends; registered before it, the folder goes after it.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return embedded.start(Path(folder), embedded.THROWAWAY)


@pytest.fixture(scope="session")
def template(server_url: str) -> Iterator[str]:
    """The name of a migrated database that is only ever copied."""
    name = f"bank_template_{os.getpid()}"
    url = parse_url(server_url)
    with psycopg.connect(plain_url(url), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name}")
    schema.upgrade(plain_url(url, name))
    yield name
    with psycopg.connect(plain_url(url), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def database_url(server_url: str, template: str) -> Iterator[str]:
    """A migrated, empty database of the test's own, as its owner sees it."""
    name = f"bank_{os.getpid()}_{next(_numbers)}"
    url = parse_url(server_url)
    with psycopg.connect(plain_url(url), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        yield plain_url(url, name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def owner(database_url: str) -> Iterator[psycopg.Connection]:
    """The database as its owner: not the application's role, so that only triggers and checks stand in the way."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The database as the application sees it."""
    made = Database(database_url, pool_size=8)
    yield made
    await made.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path, work_inside=False, chunk_households=7, bucket_households=5, webhooks_allow_loopback=True
    )


@pytest.fixture
async def app(settings: Settings, database_url: str, database: Database) -> FastAPI:
    """The whole app; jobs are worked by the test, when it says so."""
    made = main.create_app(settings, database_url)
    made.state.database = database
    return made


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Nobody in particular, over HTTP."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://bank.test") as made:
        yield made


@pytest.fixture
async def small_city(database: Database, app: FastAPI) -> SmallCity:
    """A city with two districts, three utilities, two households and somebody of every role; and a stranger city."""
    return await found_small_city(database, app.state.keys)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    if not SHARED_DATA.exists():
        pytest.skip(f"the real meter data is not at {SHARED_DATA}")
    return SHARED_DATA
