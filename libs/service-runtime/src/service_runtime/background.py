"""Work that goes on beside a block and no longer, and sources that are listened to together."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeVar

Item = TypeVar("Item")


@asynccontextmanager
async def beside(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Runs them until the block ends. What one of them raises ends the block too, and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in works]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
    except BaseExceptionGroup as errors:  # also around what the block itself raises, be it a generator's being closed
        if len(errors.exceptions) > 1:
            raise
        raise errors.exceptions[0] from None


async def merged(*endless: AsyncGenerator[Item]) -> AsyncGenerator[Item]:
    """The items of all sources as they come."""
    items: asyncio.Queue[Item] = asyncio.Queue(maxsize=1)

    async def forward(source: AsyncGenerator[Item]) -> None:
        async with aclosing(source):
            async for item in source:
                await items.put(item)

    async with beside(*map(forward, endless)):
        while True:
            yield await items.get()
