"""The events of `GET /events`: heard once from status-checker and written once, for all who listen."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from pydantic import BaseModel
from service_runtime.background import merged
from service_runtime.broadcast import Broadcast
from service_runtime.problems import Problem
from transfer_contract.http import Interruption, Overview

from gateway.downstream import Downstream
from gateway.event_stream import event, reconnecting
from gateway.http_processes import HttpProcessObserver
from gateway.response_models import Account, AccountPage, Attention, LatestTransfers, Reconciliation, Transfer, Workers

PROCESSES_SECONDS: Final = 1.0
Events = dict[str, bytes]
"""Each kind's latest, as it is sent."""


class OverviewFeed:
    def __init__(self, downstream: Downstream) -> None:
        self._downstream = downstream
        self._broadcast: Broadcast[str, bytes] = Broadcast(self._changes)

    async def events(self) -> AsyncGenerator[bytes]:
        """At once the latest of each kind, then whatever has changed."""
        async with aclosing(self._broadcast.listen()) as changes:
            async for change in changes:
                yield b"".join(change.values())

    def _changes(self) -> AsyncGenerator[Events]:
        return merged(reconnecting(self._overviews, away=_interruption), self._processes())

    async def _overviews(self) -> AsyncGenerator[Events]:
        async with aclosing(self._downstream.streams.stream("/events", Overview)) as overviews:
            all_is_well = _events(interruption=Interruption(detail=None))
            async for overview in overviews:
                yield all_is_well | _written(overview)
                all_is_well = {}

    async def _processes(self) -> AsyncGenerator[Events]:
        processes, told = HttpProcessObserver(self._downstream), None
        while True:
            seen = await processes.observe()
            if seen != told:
                told = seen
                yield _events(processes=seen)
            await asyncio.sleep(PROCESSES_SECONDS)


def _written(overview: Overview) -> Events:
    parts: dict[str, BaseModel | None] = {
        "transfers": overview.transfers
        and LatestTransfers(items=[Transfer.of(view) for view in overview.transfers.items]),
        "accounts": overview.accounts
        and AccountPage(
            items=[Account.of(account) for account in overview.accounts.items],
            next_cursor=overview.accounts.next_cursor,
        ),
        "reconciliation": overview.reconciliation and Reconciliation.of(overview.reconciliation),
        "attention": overview.attention and Attention.of(overview.attention),
        "workers": overview.workers and Workers.of(overview.workers),
        "interruption": overview.interruption,
    }
    return _events(**{name: part for name, part in parts.items() if part is not None})


def _events(**parts: BaseModel) -> Events:
    return {name: event(name, part) for name, part in parts.items()}


def _interruption(problem: Problem) -> Events:
    return _events(interruption=Interruption(detail=problem.detail))
