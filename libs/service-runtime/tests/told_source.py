"""A source that says what a test tells it to, and knows whether it runs."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Generic, TypeVar

Item = TypeVar("Item")

SOON_SECONDS = 10
"""Much longer than anything takes, on however busy a machine."""


class ToldSource(Generic[Item]):
    def __init__(self) -> None:
        self.starts = 0
        self.running = 0
        self.may_close = asyncio.Event()
        self.may_close.set()
        self._told: asyncio.Queue[Item | Exception | None] = asyncio.Queue()
        self._changed = asyncio.Event()

    def say(self, *items: Item) -> None:
        for item in items:
            self._told.put_nowait(item)

    def fail(self, error: Exception) -> None:
        self._told.put_nowait(error)

    def end(self) -> None:
        self._told.put_nowait(None)

    async def items(self) -> AsyncGenerator[Item]:
        self.starts += 1
        self._count(1)
        try:
            while (told := await self._told.get()) is not None:
                if isinstance(told, Exception):
                    raise told
                yield told
        finally:
            try:
                await self.may_close.wait()
            finally:
                self._count(-1)

    async def until_running(self, count: int) -> None:
        async with asyncio.timeout(SOON_SECONDS):
            while self.running != count:
                await self._changed.wait()

    def _count(self, more: int) -> None:
        self.running += more
        self._changed.set()
        self._changed = asyncio.Event()


async def next_of(items: AsyncGenerator[Item]) -> Item:
    async with asyncio.timeout(SOON_SECONDS):
        return await anext(items)


async def rest_of(items: AsyncGenerator[Item]) -> list[Item]:
    async with asyncio.timeout(SOON_SECONDS):
        return [item async for item in items]
