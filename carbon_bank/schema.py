"""The database's schema: all tables of all rooms, and the migrations that bring a database to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from carbon_bank.audit.log import tables as log_tables
from carbon_bank.audit.witnesses import tables as witness_tables
from carbon_bank.foundation.database import METADATA, parse_url
from carbon_bank.foundation.errors import Unavailable
from carbon_bank.foundation.problems import unreachable_database
from carbon_bank.identity import tables as identity_tables
from carbon_bank.inbox import tables as inbox_tables
from carbon_bank.ledger import adjustment_tables, answer_tables, budget_tables, objection_tables
from carbon_bank.ledger import tables as ledger_tables
from carbon_bank.programme import tables as programme_tables
from carbon_bank.readings import import_tables, mapping_tables, quarantine_tables
from carbon_bank.readings import tables as readings_tables
from carbon_bank.registry import tables as registry_tables
from carbon_bank.rewards import catalogue_tables, payout_tables, redemption_tables
from carbon_bank.settlement import restate_tables
from carbon_bank.settlement import tables as settlement_tables
from carbon_bank.trail import tables as trail_tables
from carbon_bank.webhooks import tables as webhooks_tables

__all__ = ["METADATA", "ROOMS", "Status", "is_ours", "status", "upgrade"]

ROOMS = (
    identity_tables,
    trail_tables,
    inbox_tables,
    webhooks_tables,
    ledger_tables,
    adjustment_tables,
    answer_tables,
    budget_tables,
    objection_tables,
    registry_tables,
    readings_tables,
    import_tables,
    mapping_tables,
    quarantine_tables,
    programme_tables,
    settlement_tables,
    catalogue_tables,
    redemption_tables,
    payout_tables,
    restate_tables,
    log_tables,
    witness_tables,
)

POSTGRES_VERSION_MIN = 15
_LOCK = 0xCB_0001  # of two processes that migrate at once, one waits


@dataclass(frozen=True)
class Status:
    """Where a database stands: its revision (null: empty) and the newest one that this program knows."""

    current: str | None
    head: str

    @property
    def is_current(self) -> bool:
        return self.current == self.head


def is_ours(item: Any, name: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:
    """Whether a table is the bank's: the job queue's belong to its package."""
    return not (kind == "table" and name is not None and name.startswith("procrastinate"))


def upgrade(url: str, revision: str = "head") -> None:
    """Bring a database to a revision. Safe to run again, and by several processes at once.

    Raises: Unavailable `database.unreachable`, `database.too_old` (503).
    """
    with _connect(url) as connection:
        version = connection.execute(sa.text("SHOW server_version_num")).scalar_one()
        if int(version) < POSTGRES_VERSION_MIN * 10_000:
            raise Unavailable(
                "database.too_old",
                f"PostgreSQL {int(version) // 10_000} is too old: the bank needs {POSTGRES_VERSION_MIN} or newer. Name another "
                "server in CARBON_BANK_DATABASE_URL.",
            )
        connection.execute(sa.text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        connection.execute(sa.text("SET lock_timeout = '30s'"))
        connection.commit()
        config = _config(connection)
        if revision == "base":
            command.downgrade(config, revision)
        else:
            command.upgrade(config, revision)
        connection.commit()


def status(url: str) -> Status:
    """Which revision a database is at.

    Raises: Unavailable `database.unreachable` (503).
    """
    with _connect(url) as connection:
        head = ScriptDirectory.from_config(_config(connection)).get_current_head()
        assert head is not None
        return Status(MigrationContext.configure(connection).get_current_revision(), head)


def _connect(url: str) -> Any:
    engine = sa.create_engine(parse_url(url), poolclass=sa.NullPool, connect_args={"connect_timeout": 5})
    try:
        return engine.connect()
    except (sa.exc.OperationalError, psycopg.OperationalError) as error:
        raise unreachable_database(error) from None


def _config(connection: sa.Connection) -> Config:
    package = Path(__file__).parent
    inside = package / "alembic"  # in a wheel; in a checkout it stands beside the package
    config = Config()
    config.set_main_option(
        "script_location", str(inside if inside.exists() else package.parent / "alembic").replace("%", "%%")
    )
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
