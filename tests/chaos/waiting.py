"""Waiting for a condition of the running system."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

LOOK_SECONDS: Final = 0.2


async def until(condition: Callable[[], Awaitable[bool]], what: str, *, within_seconds: float) -> None:
    """Raises TimeoutError, which names `what`."""
    deadline = time.monotonic() + within_seconds
    while not await condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {within_seconds:.0f} s: {what}")
        await asyncio.sleep(LOOK_SECONDS)
