"""The order in which a folder's test files run that share one running system, and the time that each test has."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

_TEST_SECONDS: Final = 300
"""The first test of a run waits for the system to start, on a busy machine for minutes."""


def put_in_order(items: list[pytest.Item], folder: Path, order: Sequence[str]) -> None:
    """In place; what isn't named in `order` comes first, and keeps its own time."""

    def position(item: pytest.Item) -> int:
        return order.index(item.path.stem) if item.path.parent == folder and item.path.stem in order else -1

    items.sort(key=position)
    for item in items:
        if position(item) >= 0:
            item.add_marker(pytest.mark.timeout(_TEST_SECONDS))
