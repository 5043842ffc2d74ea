"""When Python looks for garbage in cycles: seldom, for what a request leaves behind is freed as it is let go."""

import gc
from typing import Final

_NEW_OBJECTS: Final = 50_000
"""Python's 700 has it look dozens of times in one step of a batch, at what that step still needs."""


def collect_seldom() -> None:
    """Call it when the process is set up: what is there by then stays, and is looked at no more."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS)
