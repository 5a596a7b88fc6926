"""docs/security.md says what the table of permissions says."""

from __future__ import annotations

import re
from itertools import dropwhile, takewhile
from pathlib import Path

from carbon_bank.foundation.paging import PAGE_SIZE_MAX
from carbon_bank.identity.permissions import ROLE_PERMISSIONS, Permission, Role
from carbon_bank.identity.secrets import PASSWORD_LENGTH_MAX, PASSWORD_LENGTH_MIN

PAGE = Path(__file__).parent.parent.parent / "docs" / "security.md"


def test_the_page_shows_which_role_has_which_permission() -> None:
    lines = PAGE.read_text("utf-8").splitlines()
    table = takewhile(
        lambda line: line.startswith("|"), dropwhile(lambda line: not line.startswith("| permission"), lines)
    )
    head, *body = [line.strip("| ").split(" | ") for line in table if line.startswith("| ")]
    assert head == ["permission", *Role]
    assert body == [
        [f"`{permission}`", *("yes" if permission in ROLE_PERMISSIONS[role] else "-" for role in Role)]
        for permission in Permission
    ]


def test_the_page_names_the_limits_that_hold() -> None:
    text = re.sub(r"\s+", " ", PAGE.read_text("utf-8"))
    assert f"Passwords have {PASSWORD_LENGTH_MIN} to {PASSWORD_LENGTH_MAX} characters" in text
    assert f"pages have at most {PAGE_SIZE_MAX} rows" in text
