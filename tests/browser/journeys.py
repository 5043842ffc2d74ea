"""The scenarios, each sent and watched on a page of its own. They take up to 45 s: all run side by side, and beside
the tests that come before those that look at them.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Final, Self

from browser.saga_page import SagaPage
from system.public_api import FINAL

PageOpener = Callable[[], AbstractAsyncContextManager[SagaPage]]
_Arrived = tuple[SagaPage, AsyncExitStack]

SCENARIOS: Final = (
    "",
    "ledger_rejects",
    "ledger_fails_twice",
    "deposit_fails",
    "slow",
    "slow_compensation",
    "compensation_fails",
)


class Journeys:
    def __init__(self, open_page: PageOpener) -> None:
        self._open_page = open_page
        self._tasks: dict[str, asyncio.Task[_Arrived]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def start(self) -> None:
        self._tasks = {scenario: asyncio.create_task(self._travel(scenario)) for scenario in SCENARIOS}

    @asynccontextmanager
    async def of(self, scenario: str) -> AsyncIterator[SagaPage]:
        """As soon as it has ended, or needs attention. Closes its page."""
        page, closing = await self._tasks[scenario]
        async with closing:
            yield page

    async def _travel(self, scenario: str) -> _Arrived:
        async with AsyncExitStack() as opened:
            page = await opened.enter_async_context(self._open_page())
            await page.load()
            await page.send(scenario)
            await page.until_status(*FINAL, "needs_attention")
            return page, opened.pop_all()
