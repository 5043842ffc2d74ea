"""The newest transfers, as they change: also those that newer ones have pushed out of the list meanwhile."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

from service_runtime.problems import Problem
from transfer_contract.http import Page
from transfer_contract.transfers import TransferView

from status_checker.outcome import or_problem
from status_checker.status import StatusChecker
from status_checker.transfer_list import ListQuery, TransferList

NEWEST: Final = 20
"""As many as the first page of a list."""

MAX_EARLIER: Final = 30
"""Each is looked at once a second."""

SHOWN_AFTER_THE_END: Final = timedelta(seconds=10)
"""So that a reader who is slow hears of it, too."""


class LatestTransfers:
    def __init__(self, transfers: TransferList, checker: StatusChecker) -> None:
        self._transfers = transfers
        self._checker = checker
        self._shown: list[TransferView] = []

    async def look(self) -> Page[TransferView]:
        """Newest first. Raises `Problem` as the list does."""
        page = await self._transfers.page(ListQuery(status=None, account=None, limit=NEWEST, after=None))
        newest = {view.id for view in page.items}
        earlier = [view for view in self._shown if view.id not in newest and _goes_on(view)][:MAX_EARLIER]
        self._shown = [*page.items, *await asyncio.gather(*map(self._as_it_is_now, earlier))]
        return Page(items=self._shown)

    async def _as_it_is_now(self, view: TransferView) -> TransferView:
        now = view if view.status.is_final else await or_problem(self._checker.look(view.id))
        return view if isinstance(now, Problem) else now


def _goes_on(view: TransferView) -> bool:
    return view.finished_at is None or datetime.now(UTC) - view.finished_at < SHOWN_AFTER_THE_END
