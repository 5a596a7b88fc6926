"""`carbon-bank demo --check` as a newcomer runs it: a process of its own, with nothing there before."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path


def test_the_demo_fills_settles_and_checks_a_small_city(tmp_path: Path) -> None:
    given = {name: value for name, value in os.environ.items() if not name.startswith("CARBON_BANK_")}
    done = subprocess.run(
        [Path(sys.executable).with_name("carbon-bank"), "demo", "--households", "100", "--check"],
        env=given | {"CARBON_BANK_DATA_DIR": str(tmp_path / "data"), "COLUMNS": "160"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    stages = re.findall(r"^ok (settle \S+|\S+)", done.stdout, re.MULTILINE)
    assert stages == [
        *("database", "city", "registry", "people", "policy", "readings", "revisions"),
        *("settle 2025-H1", "settle 2025-H2", "settle 2026-H1"),
        *("household", "visit", "rewards", "redemptions", "log"),
    ]
    for half_year in ("2025-H1", "2025-H2", "2026-H1"):
        told = re.search(rf"settle {half_year} .* ([\d,]+) awards posted, ([\d,]+) points", done.stdout)
        assert told, done.stdout
        assert all(int(number.replace(",", "")) > 0 for number in told.groups())
    assert "Everything checked in" in done.stdout
    assert "Settlement of 2026-H1 under korea-carbon-point@2024" in done.stdout
