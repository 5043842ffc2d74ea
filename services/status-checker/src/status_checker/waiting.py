"""Waiting for a transfer: until it changes, or until it is final."""

import asyncio
from contextlib import aclosing
from typing import Final

from service_runtime.problems import Problem
from transfer_contract.http import ProblemCode
from transfer_contract.transfers import TransferView

from status_checker.participants import Participants, view_if_final
from status_checker.runs import Runs
from status_checker.status import StatusChecker
from status_checker.watches import Watches

END_SECONDS: Final = 3.0
"""Then it is asked again: a transfer that there isn't must not be waited for."""


class Waiting:
    def __init__(self, checker: StatusChecker, participants: Participants, runs: Runs, watches: Watches) -> None:
        self._checker = checker
        self._participants = participants
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
        """As soon as its rows are final, be its run still open, or as it is when the time is up.

        Costs one long poll and one read of the ledger's rows, and nothing at the Temporal server.
        """
        try:
            async with asyncio.timeout(wait_seconds):
                while (view := await self._end(transfer_id)) is None:
                    pass
                return view
        except TimeoutError:
            return await self._checker.look(transfer_id)

    async def _end(self, transfer_id: str) -> TransferView | None:
        """None after a while. Raises `Problem` as `StatusChecker.look` does."""
        try:
            known = await self._participants.end(transfer_id, wait_seconds=END_SECONDS)
        except Problem as problem:
            if problem.code is not ProblemCode.NOT_FOUND:
                await self._runs.closing(transfer_id)  # its result says enough where the rows can't be read (rule 11)
            view = await self._checker.look(transfer_id)
            return view if view.status.is_final else None
        return view_if_final(known) if known else None
