"""A bound on what many do together: so many turns a second, first come, first served."""

import asyncio


class Pace:
    def __init__(self, *, per_second: float) -> None:
        self._seconds_each = 1 / per_second
        self._queue = asyncio.Lock()

    async def turn(self) -> None:
        async with self._queue:
            await asyncio.sleep(self._seconds_each)
