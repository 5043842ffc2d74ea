"""Histories never seen before, for the nightly run: of a seed that is told, and brings the same ones again."""

import os
import secrets
from collections.abc import Callable
from typing import Final, TypeVar

from hypothesis import given, seed, settings
from hypothesis.strategies import SearchStrategy

NIGHTLY: Final = 2000
SEED: Final = "HISTORY_SEED"
"""In the environment: the seed that a failure has named."""

History = TypeVar("History")


def play_never_seen(
    histories: SearchStrategy[History], play: Callable[[History], None], *, count: int = NIGHTLY
) -> int:
    """Answers the seed. A failure names it as well."""
    number = int(os.environ.get(SEED) or secrets.randbelow(1_000_000_000))

    @seed(number)
    @settings(max_examples=count, deadline=None, database=None)
    @given(histories)
    def never_seen(history: History) -> None:
        play(history)

    try:
        never_seen()
    except Exception as error:
        error.add_note(f"the same once more: make nightly {SEED}={number} PYTEST_ARGS='-k histories_never_seen'")
        raise
    return number
