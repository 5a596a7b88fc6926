"""docs/findings.md says of each kind what the table of kinds says."""

from __future__ import annotations

import re
from pathlib import Path

from carbon_bank.audit.findings.kinds import CASES_MAX, KINDS

PAGE = Path(__file__).parent.parent.parent / "docs" / "findings.md"


def test_the_page_has_every_kind_with_its_sentence_thresholds_and_next_step() -> None:
    text = PAGE.read_text("utf-8")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    told = [[cell.strip() for cell in row] for row in rows if row[0].strip("`") in set(KINDS)]
    assert told == [
        [
            f"`{kind.code}`",
            kind.expect.value,
            kind.looks_for,
            "; ".join(f"`{name}` {value}" for name, value in kind.thresholds.items()) or "none",
            kind.then,
        ]
        for kind in KINDS.values()
    ]
    assert f"up to {CASES_MAX} cases" in re.sub(r"\s+", " ", text)
