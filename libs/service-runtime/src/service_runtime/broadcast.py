"""One source for many listeners: it runs while somebody listens, and what it says is made once for all of them."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Hashable, Mapping
from contextlib import aclosing
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Signal:
    """Wakes everybody who waits for it, each time that it fires."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def fire(self) -> None:
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self) -> None:
        await self._event.wait()


class Broadcast(Generic[Key, Value]):
    """The latest value of each key. A listener that is slow skips values instead of holding up or piling up anything.

    The source yields what is new or has changed. It is started with the first listener and cancelled with the last;
    where it ends or raises, so does every listener, after the last values.
    """

    def __init__(self, source: Callable[[], AsyncGenerator[Mapping[Key, Value]]]) -> None:
        self._source = source
        self._changed = Signal()
        self._latest: dict[Key, tuple[int, Value]] = {}  # each with the number of the change that brought it
        self._changes = 0
        self._listeners = 0
        self._running: asyncio.Task[None] | None = None

    async def listen(self) -> AsyncGenerator[dict[Key, Value]]:
        """At once what there is, then what has changed since the last time."""
        self._listeners += 1
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        running = self._running
        seen = 0
        try:
            while True:
                if new := self._since(seen):
                    seen = self._changes
                    yield new
                elif running.done():
                    running.result()
                    return
                else:
                    await self._changed.wait()
        finally:
            self._listeners -= 1
            if self._listeners == 0:
                await self._stop()

    @property
    def is_listened_to(self) -> bool:
        return self._listeners > 0

    def _since(self, seen: int) -> dict[Key, Value]:
        if seen == self._changes:
            return {}
        return {key: value for key, (change, value) in self._latest.items() if change > seen}

    async def _run(self) -> None:
        try:
            async with aclosing(self._source()) as source:
                async for values in source:
                    self._changes += 1
                    self._latest |= {key: (self._changes, value) for key, value in values.items()}
                    self._changed.fire()
        finally:
            self._changed.fire()

    async def _stop(self) -> None:
        """The next listener starts afresh: nothing that it hears is from before."""
        running, self._running = self._running, None
        self._latest, self._changes = {}, 0
        if running is not None:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
