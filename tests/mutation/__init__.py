"""Plugin of pytest for `scripts/mutation`: the same tests, but the quick ones first, and of Hypothesis fewer examples.

They are the same examples each time, and a failing one is not made smaller: nobody reads it.
"""

from __future__ import annotations

import pytest
from hypothesis import Phase, is_hypothesis_test, settings

settings.register_profile(
    "mutation",
    max_examples=10,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile("mutation")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: is_hypothesis_test(getattr(item, "obj", None)))
