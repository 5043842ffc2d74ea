"""Waiting for a transfer: until it changes, until it is final, or change after change as a stream wants it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from transfer_contract.transfers import TransferView

from status_checker.runs import TICK_SECONDS, Runs
from status_checker.status import StatusChecker


class Waiting:
    def __init__(self, checker: StatusChecker, runs: Runs) -> None:
        self._checker = checker
        self._runs = runs

    async def watch(self, transfer_id: str, *, known: str | None) -> AsyncGenerator[TransferView]:
        """The transfer each time its version is another than the last one, `known` at first; ends with a final one.

        Raises `Problem` as `StatusChecker.look` does.
        """
        async with aclosing(self._runs.ticks(transfer_id)) as ticks:
            async for _ in ticks:
                view = await self._checker.look(transfer_id)
                if view.version != known:
                    known = view.version
                    yield view
                if view.status.is_final:
                    return

    async def until_changed(self, transfer_id: str, *, known: str | None, wait_seconds: float) -> TransferView:
        """As soon as the version isn't `known` (without it: the first one seen), or when the time is up."""
        first = await self._checker.look(transfer_id)
        if wait_seconds == 0 or first.status.is_final or known not in (None, first.version):
            return first
        try:
            async with asyncio.timeout(wait_seconds), aclosing(self.watch(transfer_id, known=first.version)) as views:
                return await anext(views)
        except TimeoutError:
            return first

    async def until_final(self, transfer_id: str, *, wait_seconds: float) -> TransferView:
        """As soon as it is final, or as it is when the time is up. Costs one long poll and one read of the rows."""
        try:
            async with asyncio.timeout(wait_seconds):
                while True:
                    closed = await self._runs.closing(transfer_id)
                    view = await self._checker.final(transfer_id) or await self._checker.look(transfer_id)
                    if view.status.is_final:
                        return view
                    if closed:
                        await asyncio.sleep(TICK_SECONDS)
        except TimeoutError:
            return await self._checker.look(transfer_id)
