"""Two thousand broken files for each reader; `python -m tests.rewards.fuzz` does more."""

from __future__ import annotations

import pytest

from tests.rewards.fuzz import READERS, fuzz


@pytest.mark.parametrize("name", READERS)
def test_nothing_but_values_or_a_refusal_comes_of_a_broken_file(name: str) -> None:
    came = fuzz(name, 2000, seed=7)
    assert came["whole"] and came["with faults"] and sum(came.values()) == 2000
