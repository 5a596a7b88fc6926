"""docs/audit.md, as an auditor types it: every command, in its order, against a made-up city that is served."""

from __future__ import annotations

import asyncio
import csv
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from carbon_bank.foundation.database import Database
from carbon_bank.settings import Settings
from tests.audit.demo_bank import Bank, serving_demo_city

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "audit.md").read_text("utf-8")
BLOCKS = re.findall(r"^```console\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [re.sub(r"^(\$|>) ", "", line) for block in BLOCKS for line in block.splitlines()]
FILL_IN = """python3 - <<'EOF'
import csv
rows = list(csv.DictReader(open("papers.csv", newline="")))
with open("papers.csv", "w", newline="") as file:
    writer = csv.DictWriter(file, rows[0])
    writer.writeheader()
    writer.writerows(row | {"agreed_points": row["points"], "checked_by": "me"} for row in rows)
EOF"""
"""What the auditor does by hand before the evaluation."""


@pytest.fixture
async def bank(settings: Settings, database_url: str, database: Database) -> AsyncIterator[Bank]:
    async with serving_demo_city(settings, database_url, database, 200) as served:
        yield served


def typed(bank: Bank, folder: Path) -> subprocess.CompletedProcess[str]:
    """All commands of the page in one shell that stops at the first that fails."""
    lines = []
    for line in COMMANDS:
        if line.startswith("carbon-bank audit sample --evaluate"):
            lines.append(FILL_IN)
        lines.append(line)
    script = "\n".join(["set -euo pipefail", *lines, ""])
    script = script.replace("https://bank.example/log/gwangju", f"{bank.url}/log/gwangju")
    script = script.replace("https://bank.example", bank.url).replace("scripts/", f"{ROOT}/scripts/")
    script = re.sub(r"^export KEY=.*$", f"export KEY='{bank.key}'", script, flags=re.MULTILINE)
    settings = {
        "CARBON_BANK_DATABASE_URL": bank.database_url,
        "CARBON_BANK_LOG_KEYS_DIR": str(bank.settings.log_keys_dir),
        "CARBON_BANK_PUBLIC_URL": bank.settings.public_url,
        "CARBON_BANK_WEBHOOKS_ALLOW_LOOPBACK": "true",
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CARBON_BANK_")}
    return subprocess.run(
        ["bash", "-c", script],
        env=environment | settings | {"PATH": path, "NO_PROXY": "127.0.0.1"},
        cwd=folder, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip


@pytest.mark.skipif(
    not all(map(shutil.which, ("bash", "curl", "unzip", "openssl", "sha256sum"))),
    reason="a tool of the page is not here",
)
async def test_an_auditor_comes_from_nothing_to_a_signed_opinion(bank: Bank, tmp_path: Path) -> None:
    folder = tmp_path / "auditor"
    folder.mkdir()
    done = await asyncio.to_thread(typed, bank, folder)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    digest = re.search(r"policy ([0-9a-f]{64})\.", (folder / "opinion.txt").read_text("utf-8"))
    assert digest is not None
    assert f"{digest[1]}  -" in done.stdout, "the text that is served has the digest that the settlement names"
    assert re.search(r"^All \d+ hold", done.stdout, re.MULTILINE)
    assert "no difference." in done.stdout, "of the replay"
    assert "0 differences" in done.stderr + done.stdout, "of the second implementation"
    assert done.stdout.count("\nproved\n") == 2, "the package, and the receipt"
    with (folder / "papers.csv").open(newline="") as file:
        assert 0 < len(list(csv.DictReader(file))) <= 20
    assert "Signature Verified Successfully" in done.stdout
