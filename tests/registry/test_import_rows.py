"""The page about registry files tells what the code takes."""

from __future__ import annotations

import re
from pathlib import Path

from carbon_bank.registry.import_rows import COLUMNS

PAGE = (Path(__file__).parent.parent.parent / "docs" / "registry.md").read_text("utf-8")


def test_the_page_tells_the_columns_of_each_kind_and_which_may_be_left_out() -> None:
    told = {
        kind: {name: not italic for italic, name in re.findall(r"(\*?)`(\w+)`", columns)}
        for kind, columns in re.findall(r"^\| `(\w+)` \| (.+) \|$", PAGE, re.MULTILINE)
    }
    assert told == COLUMNS
