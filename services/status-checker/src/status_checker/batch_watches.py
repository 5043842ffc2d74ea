"""Watching batches: one look for all who follow the same batch, for as long as somebody does."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import Final

from service_runtime.broadcast import Broadcast
from service_runtime.problems import Problem
from transfer_contract.batches import BatchView
from transfer_contract.http import ProblemCode

LOOK_SECONDS: Final = 0.4
"""A look counts the rows of ten thousand transfers, which takes some 20 ms."""

_VIEW: Final = "view"


class BatchWatches:
    def __init__(self, look: Callable[[str], Awaitable[BatchView]]) -> None:
        self._look = look
        self._watched: dict[str, Broadcast[str, BatchView]] = {}

    async def views(self, batch_id: str) -> AsyncGenerator[BatchView]:
        """The batch as it is and at each change, up to the finished one. Raises as `Batches.look` does at first."""
        watch = self._watched.setdefault(batch_id, Broadcast(partial(self._watch, batch_id)))
        try:
            async with aclosing(watch.listen()) as changes:
                async for change in changes:
                    yield change[_VIEW]
        finally:
            if not watch.is_listened_to:
                self._watched.pop(batch_id, None)

    async def _watch(self, batch_id: str) -> AsyncGenerator[dict[str, BatchView]]:
        view = await self._look(batch_id)
        yield {_VIEW: view}
        while view.finished_at is None:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                seen = await self._look(batch_id)
            except Problem as problem:
                if problem.code is ProblemCode.NOT_FOUND:
                    raise
                continue  # away for a moment
            if seen != view:
                view = seen
                yield {_VIEW: view}
