"""docs/utilities.md, typed as it is written, against a bank that serves."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
import uvicorn

from carbon_bank import main
from carbon_bank.identity.secrets import hash_secret
from carbon_bank.readings.formats import espi_codes, interval_codes, known
from carbon_bank.settings import Settings
from tests.small_city import SmallCity

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "utilities.md").read_text("utf-8")
COMMANDS = "\n".join(
    re.sub(r"^(\$|>) ", "", line)
    for block in re.findall(r"^```console\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
)
SECRET = "a-secret-for-this-page"
FILE = """commodity,customer_number,period_start,period_end,quantity,unit
electricity,A-e,2026-03-01,2026-04-01,310.5,kWh
electricity,B-e,2026-03-01,2026-04-01,"310,5",kWh
electricity,N-e,2026-03-01,2026-04-01,12,kWh
"""


@pytest.fixture
async def served(
    settings: Settings, database_url: str, small_city: SmallCity, owner: psycopg.Connection
) -> AsyncIterator[str]:
    """The address of a bank that serves and works, with a secret for the electricity utility."""
    owner.execute("UPDATE client SET secret_hash = %s", [await hash_secret(SECRET)])
    app = main.create_app(settings.model_copy(update={"work_inside": True}), database_url)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  (it has no event to wait for)
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await serving


def typed(folder: Path, bank: str) -> subprocess.CompletedProcess[str]:
    """All commands of the page, one after the other, stopping at the first that fails for no reason that the page tells."""
    settings = f"export BANK={bank} CARBON_BANK_CLIENT_ID=elec-client CARBON_BANK_CLIENT_SECRET='{SECRET}'"
    script = re.sub(r"^export BANK=.*$", settings, COMMANDS, flags=re.MULTILINE)
    lines = [
        "set -eu",
        f"cd '{folder}'",
        *(f"{line} || [ $? = 1 ]" if line.startswith(MAY_REFUSE) else line for line in script.splitlines()),
    ]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", "\n".join(lines).replace("scripts/", f"{ROOT}/scripts/")],
        env={**os.environ, "PATH": path, "NO_PROXY": "127.0.0.1"}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


MAY_REFUSE = ("carbon-bank readings check", "python scripts/push_readings.py")


async def test_the_page_leads_from_credentials_to_an_accepted_file(
    served: str, tmp_path: Path, owner: psycopg.Connection
) -> None:
    (tmp_path / "march.csv").write_text(FILE, "utf-8")
    done = await asyncio.to_thread(typed, tmp_path, served)
    assert done.returncode == 0, done.stderr
    assert "2 accepted, 0 duplicate, 0 revised, 1 refused of 3 rows." in done.stdout, "at home nobody knows the meters"
    row = json.loads((tmp_path / "import.json").read_text("utf-8"))
    assert (row["state"], row["accepted"], row["refused"], row["quarantined"]) == ("done", 1, 1, 1)
    with (tmp_path / "refused.csv").open(newline="") as file:
        [refused] = list(csv.DictReader(file))
    assert (refused["quantity"], refused["code"]) == ("310,5", "readings.not_a_number")
    assert "the bank has it already" in done.stderr
    assert done.stdout.endswith("1 accepted, 0 duplicate, 0 revised, 1 refused, 1 quarantined of 3 rows.\n")
    assert owner.execute("SELECT quantity FROM reading").fetchall() == [(310_500,)]


def test_the_pages_tell_every_code_of_a_format() -> None:
    formats, green = (read_page(name) for name in ("formats", "green-button"))
    told = dict(re.findall(r"^\| `(formats\.\w+)`(?: \*)? \| (.+) \|$", formats + green, re.MULTILINE))
    assert told == {**espi_codes.NOTES, **known.SENTENCES} and set(interval_codes.SENTENCES) <= set(told)


def read_page(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text("utf-8")
