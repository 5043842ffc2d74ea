"""Waiting for a transfer: until it changes, or until it is final."""

import asyncio
from contextlib import aclosing
from typing import Final

from transfer_contract.transfers import TransferView

from status_checker.runs import Runs
from status_checker.status import StatusChecker
from status_checker.watches import Watches

CLOSED_SECONDS: Final = 1.0
"""Between two looks at the rows of a transfer that no run carries."""


class Waiting:
    def __init__(self, checker: StatusChecker, runs: Runs, watches: Watches) -> None:
        self._checker = checker
        self._runs = runs
        self._watches = watches

    async def until_changed(self, transfer_id: str, *, known: str | None, wait_seconds: float) -> TransferView:
        """As soon as the version isn't `known` (without it: the first one seen), or when the time is up."""
        first = await self._checker.look(transfer_id)
        if wait_seconds == 0 or first.status.is_final or known not in (None, first.version):
            return first
        try:
            async with (
                asyncio.timeout(wait_seconds),
                aclosing(self._watches.views(transfer_id, known=first.version)) as views,
            ):
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
                        await asyncio.sleep(CLOSED_SECONDS)
        except TimeoutError:
            return await self._checker.look(transfer_id)
