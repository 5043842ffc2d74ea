"""What the web page shows beside one transfer: made once for all who look, and only while somebody does."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

from pydantic import BaseModel
from service_runtime.background import beside
from service_runtime.broadcast import Broadcast, Signal
from service_runtime.problems import Problem
from transfer_contract.attention import Attention
from transfer_contract.http import Account, Interruption, Overview, Page, Reconciliation, WorkersView
from transfer_contract.transfers import TransferView

from status_checker.outcome import or_problem

LOOK_SECONDS: Final = 1.0
RECONCILE_SECONDS: Final = 30.0
"""Where nothing has moved: somebody may have changed a database by hand."""

RECONCILE_SHARE: Final = 0.1
"""Of the time, at most: it reads both databases whole."""


MAX_ATTENTION: Final = 20
"""Items on the page; their counts are of all."""


@dataclass(frozen=True)
class Sources:
    """Where the parts come from. Each raises `Problem` where it can't be told."""

    transfers: Callable[[], Callable[[], Awaitable[Page[TransferView]]]]
    """A new one for each time that somebody begins to look: it remembers what it has shown."""
    accounts: Callable[[], Awaitable[Page[Account]]]
    workers: Callable[[], Awaitable[WorkersView]]
    reconciliation: Callable[[], Awaitable[Reconciliation]]
    attention: Callable[[], Awaitable[Attention]]
    workers_changed: Signal


class OverviewFeed:
    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._broadcast: Broadcast[str, BaseModel] = Broadcast(self._changes)

    async def overviews(self) -> AsyncGenerator[Overview]:
        """Each part as soon as it is known, then whenever it has changed; an interruption while one can't be told."""
        async with aclosing(self._broadcast.listen()) as changes:
            async for change in changes:
                yield Overview.model_validate(change)

    async def _changes(self) -> AsyncGenerator[dict[str, BaseModel]]:
        telling = _Telling(self._sources)
        async with beside(
            telling.look_for("transfers", self._sources.transfers()),
            telling.look_for("accounts", self._sources.accounts),
            telling.watch_attention(),
            telling.watch_workers(),
            telling.reconcile(),
        ):
            while True:
                yield await telling.news()


class _Telling:
    """The state of one feed: what has been told, and what is new."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._told: dict[str, Any] = {}
        self._problems: dict[str, str] = {}
        self._news: dict[str, BaseModel] = {}
        self._is_new = asyncio.Event()
        self._moved = asyncio.Event()

    async def news(self) -> dict[str, BaseModel]:
        await self._is_new.wait()
        self._is_new.clear()
        news, self._news = self._news, {}
        return news

    async def look_for(self, part: str, ask: Callable[[], Awaitable[BaseModel]]) -> None:
        while True:
            if self._tell(part, await or_problem(ask())):
                self._moved.set()
            await asyncio.sleep(LOOK_SECONDS)

    async def watch_workers(self) -> None:
        while True:
            self._tell("workers", await or_problem(self._sources.workers()))
            await _within(LOOK_SECONDS, self._sources.workers_changed.wait())

    async def watch_attention(self) -> None:
        while True:
            answer = await or_problem(self._sources.attention())
            if isinstance(answer, Attention):
                answer = answer.model_copy(update={"items": answer.items[:MAX_ATTENTION]})
            self._tell("attention", answer)
            await asyncio.sleep(LOOK_SECONDS)

    async def reconcile(self) -> None:
        while True:
            self._moved.clear()
            began = monotonic()
            self._tell("reconciliation", await or_problem(self._sources.reconciliation()))
            await asyncio.sleep(max(LOOK_SECONDS, (monotonic() - began) / RECONCILE_SHARE))
            await _within(RECONCILE_SECONDS, self._moved.wait())

    def _tell(self, part: str, answer: BaseModel | Problem) -> bool:
        """True where it is another answer than the last one."""
        if isinstance(answer, Problem):
            self._problems[part] = answer.detail
        else:
            self._problems.pop(part, None)
        interruption = Interruption(detail=next(iter(self._problems.values()), None))
        if interruption.detail or "interruption" in self._told:
            self._tell_if_new("interruption", interruption)
        return not isinstance(answer, Problem) and self._tell_if_new(part, answer)

    def _tell_if_new(self, part: str, answer: BaseModel) -> bool:
        visible = _visible(answer)
        if self._told.get(part) == visible:
            return False
        self._told[part] = visible
        self._news[part] = answer
        self._is_new.set()
        return True


def _visible(answer: BaseModel) -> BaseModel | dict[str, Any]:
    """A heartbeat is no news, nor that something was looked at again."""
    if isinstance(answer, Attention):
        return answer.model_dump(exclude={"observed_at"})
    if isinstance(answer, WorkersView):
        return answer.model_dump(exclude={"items": {"__all__": {"workers": {"__all__": {"last_heartbeat_at"}}}}})
    return answer


async def _within(seconds: float, event: Awaitable[object]) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):  # Python 3.11's wait_for may swallow that its task is cancelled
            await event
