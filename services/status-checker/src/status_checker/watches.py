"""Watching transfers: one watch for all who follow the same transfer, and few requests for all watches together.

New events wake a watch by a request that waits at the Temporal server. What changes without an event (attempts, who is
at it) is looked for by a description, at most `LOOKS_PER_SECOND` of them for all watches together. Workers that die or
start change what is told without any request.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from itertools import count
from typing import Final

from service_runtime.background import beside
from service_runtime.broadcast import Broadcast, Signal
from service_runtime.problems import Problem
from temporalio.api.history.v1 import HistoryEvent
from transfer_contract.http import ProblemCode
from transfer_contract.transfers import TransferView

from status_checker.live_workers import LiveWorkers
from status_checker.pace import Pace
from status_checker.runs import Runs
from status_checker.status import Seen, StatusChecker
from status_checker.timeline import tells_of_a_step

LOOKS_PER_SECOND: Final = 50
"""A tenth of what 500 watches would ask for at one a second; with fewer than 25 each has its two looks a second."""

LOOK_SECONDS: Final = 0.5
WHOLE_LOOK_EVERY: Final = 20
"""Of these: somebody else than the open run may have written rows."""

LOOKS_AT_ONCE: Final = 16
"""So that hundreds who begin to follow at once wait a little, instead of making all looks take too long."""

RESTART_SECONDS: Final = 2.0
"""Before asking for events again, of a new run or of a server that was away."""

_VIEW: Final = "view"


class _Shared:
    """What all watches look with, and the bounds on that."""

    def __init__(self, checker: StatusChecker, runs: Runs, live_workers: LiveWorkers) -> None:
        self.runs = runs
        self.live_workers = live_workers
        self.pace = Pace(per_second=LOOKS_PER_SECOND)
        self._checker = checker
        self._at_once = asyncio.Semaphore(LOOKS_AT_ONCE)

    async def see(self, transfer_id: str) -> Seen:
        async with self._at_once:
            return await self._checker.see(transfer_id)


class Watches:
    def __init__(self, checker: StatusChecker, runs: Runs, live_workers: LiveWorkers) -> None:
        self._shared = _Shared(checker, runs, live_workers)
        self._watched: dict[str, Broadcast[str, TransferView]] = {}
        self._watches: dict[str, _Watch] = {}

    async def views(self, transfer_id: str, *, known: str | None = None) -> AsyncGenerator[TransferView]:
        """The transfer each time its version is another than the last one, `known` at first; ends with a final one.

        Whoever is slow sees the latest one. Raises `Problem` as `StatusChecker.look` does at first, `not_found` also
        later.
        """
        if known is not None and (others := self._watches.get(transfer_id)) is not None:
            await others.look_now()  # it may be behind what this one knows: time would go backwards
        watch = self._watched.setdefault(transfer_id, Broadcast(partial(self._watch, transfer_id)))
        try:
            async with aclosing(watch.listen()) as changes:
                async for change in changes:
                    view = change[_VIEW]
                    if view.version != known:
                        known = view.version
                        yield view
                    if view.status.is_final:
                        return
        finally:
            if not watch.is_listened_to:
                self._watched.pop(transfer_id, None)

    async def _watch(self, transfer_id: str) -> AsyncGenerator[dict[str, TransferView]]:
        watch = self._watches[transfer_id] = _Watch(transfer_id, self._shared)
        version = None
        try:
            async with aclosing(watch.looks()) as looks:
                async for view in looks:
                    if view.version != version:
                        version = view.version
                        yield {_VIEW: view}
                    if view.status.is_final:
                        return
        finally:
            if self._watches.get(transfer_id) is watch:
                del self._watches[transfer_id]


class _Watch:
    """One transfer's watch, from its first look on."""

    def __init__(self, transfer_id: str, shared: _Shared) -> None:
        self._transfer_id = transfer_id
        self._shared = shared
        self._events: list[HistoryEvent] = []
        """Of the open run; none while they can't be had."""
        self._is_outdated = False
        self._needs_whole_look = False
        self._awake = asyncio.Event()
        self._has_looked = Signal()

    async def looks(self) -> AsyncGenerator[TransferView]:
        """The transfer at first and whenever it may have changed."""
        try:
            self._seen = await self._shared.see(self._transfer_id)
            async with beside(self._by_events(), self._by_attempts(), self._by_workers()):
                while True:
                    self._has_looked.fire()
                    yield self._seen.told(self._shared.live_workers.processes())
                    await self._awake.wait()
                    self._awake.clear()
                    await self._look_if_outdated()
        finally:
            self._has_looked.fire()

    async def look_now(self) -> None:
        """Returns after a look, or where there will be none any more."""
        self._look_again()
        await self._has_looked.wait()

    async def _look_if_outdated(self) -> None:
        if not self._is_outdated:
            return
        self._is_outdated = False
        try:
            self._seen = await self._as_it_is_now()
        except Problem as problem:
            if problem.code is ProblemCode.NOT_FOUND:
                raise
            self._is_outdated = self._needs_whole_look = True  # until a later turn of `_by_attempts`

    async def _as_it_is_now(self) -> Seen:
        """By one description where the run goes on and its events are at hand; else by a whole look."""
        run, whole = self._seen.run, self._needs_whole_look
        self._needs_whole_look = False
        if run is not None and self._events and not whole:
            pulse = await self._shared.runs.pulse(self._transfer_id)
            if pulse is not None and pulse.is_open and pulse.run_id == run.pulse.run_id and self._events:
                return self._seen.after(self._events, pulse)
        return await self._shared.see(self._transfer_id)

    def _look_again(self) -> None:
        self._is_outdated = True
        self._awake.set()

    async def _by_events(self) -> None:
        while True:
            if self._seen.run is not None:
                async with aclosing(self._shared.runs.events(self._seen.run.pulse)) as pages:
                    async for page in pages:
                        self._events += page
                        if any(map(tells_of_a_step, page)):
                            self._look_again()
                self._events = []
                self._look_again()
            await asyncio.sleep(RESTART_SECONDS)
            await self._shared.pace.turn()

    async def _by_attempts(self) -> None:
        for turn in count(1):
            await asyncio.sleep(LOOK_SECONDS)
            await self._shared.pace.turn()
            self._needs_whole_look |= turn % WHOLE_LOOK_EVERY == 0
            if self._is_outdated or self._needs_whole_look or await self._has_changed(self._seen):
                self._look_again()

    async def _has_changed(self, seen: Seen) -> bool:
        """Without an open run, or without Temporal, only the rows tell."""
        try:
            if seen.run is not None:
                return await self._shared.runs.pulse(self._transfer_id) != seen.run.pulse
        except Problem:
            self._needs_whole_look = True
        return True

    async def _by_workers(self) -> None:
        while True:
            await self._shared.live_workers.changed.wait()
            self._awake.set()
