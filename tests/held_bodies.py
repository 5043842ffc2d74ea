"""Bodies of requests that stay with the client: whoever reads one waits until they are let go."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

_SETTLED_SECONDS: Final = 0.5


class HeldBodies:
    def __init__(self, content: bytes) -> None:
        self.begun = 0
        """How many somebody has begun to read."""
        self._content = content
        self._go = asyncio.Event()

    async def body(self) -> AsyncIterator[bytes]:
        self.begun += 1
        await self._go.wait()
        yield self._content

    async def settle(self) -> None:
        """Time enough to begin with all that would be read."""
        await asyncio.sleep(_SETTLED_SECONDS)

    def let_go(self) -> None:
        self._go.set()
