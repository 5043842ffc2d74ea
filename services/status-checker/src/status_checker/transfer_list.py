"""Lists of transfers, newest first: from account-api's rows, plus the running ones that have no row yet."""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from service_runtime.problems import Problem
from transfer_contract.http import Page, ProblemCode, TransferCursor, TransferRows
from transfer_contract.transfers import TransferRequest, TransferStatus, TransferView

from status_checker.outcome import or_problem
from status_checker.participants import Participants, accounts_alone, view_if_final
from status_checker.running_transfers import Running, RunningTransfers, position
from status_checker.status import StatusChecker

LOOKS_AT_ONCE: Final = 10
"""Non-final transfers of one list that are derived side by side: each costs a handful of calls."""

_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)

MAX_EXAMINED: Final = 100
"""Transfers derived for one page by a non-final status; the page's cursor goes on after the last of them."""


@dataclass(frozen=True)
class ListQuery:
    """What a client asks for. `after` is where the page before ended."""

    status: TransferStatus | None
    account: str | None
    limit: int
    after: TransferCursor | None


@dataclass(frozen=True)
class _Candidates:
    """A stretch of the list, in order; `rows` of those that had any; `after` is where it goes on, if it does."""

    transfers: list[TransferRequest]
    rows: dict[str, TransferRows]
    after: TransferCursor | None


class TransferList:
    def __init__(self, participants: Participants, running: RunningTransfers, checker: StatusChecker) -> None:
        self._participants = participants
        self._running = running
        self._checker = checker

    async def page(self, query: ListQuery) -> Page[TransferView]:
        """Raises `Problem(unavailable)` where a transfer of the page isn't final and Temporal can't be asked."""
        if query.status is None:
            candidates = await self._candidates(query)
            return _page(await self._views(candidates), candidates.after)
        if query.status.is_final:
            return await self._final_page(query)
        return await self._page_by_status(query, query.status)

    async def _final_page(self, query: ListQuery) -> Page[TransferView]:
        """Rows alone: a final status never changes."""
        rows = await self._participants.page(_rows_query(query))
        known = await self._participants.with_ledger_rows(rows.items)
        views = [view for view in map(view_if_final, known) if view is not None]
        return Page(items=views, next_cursor=rows.next_cursor)

    async def _page_by_status(self, query: ListQuery, status: TransferStatus) -> Page[TransferView]:
        """Derives one candidate after the other until the page is full, there are no more, or it has been enough."""
        matches: list[TransferView] = []
        examined = 0
        while True:
            candidates = await self._candidates(query)
            matches += [view for view in await self._views(candidates) if view.status is status]
            examined += len(candidates.transfers)
            if len(matches) >= query.limit:
                page = matches[: query.limit]
                return _page(page, TransferCursor(created_at=page[-1].created_at, transfer_id=page[-1].id))
            if candidates.after is None or examined >= MAX_EXAMINED:
                return _page(matches, candidates.after)
            query = replace(query, after=candidates.after)

    async def _candidates(self, query: ListQuery) -> _Candidates:
        """Temporal is asked first: what gets its first row in between is then in both answers, not in neither."""
        asked = await or_problem(self._running.newest(after=query.after, account=query.account, limit=query.limit))
        page = await self._participants.page(_rows_query(query))
        running = _without_temporal(asked, query, page) if isinstance(asked, Problem) else asked
        rows = {known.transfer.transfer_id: known for known in page.items}
        without_row = [transfer for transfer in running.transfers if transfer.transfer_id not in rows]
        merged = [known.transfer for known in page.items] + without_row
        edge = running.horizon or _BEGINNING
        complete = [transfer for transfer in merged if transfer.created_at >= edge]
        transfers = sorted(complete, key=position, reverse=True)[: query.limit]
        goes_on = page.next_cursor is not None or running.horizon is not None or len(complete) > query.limit
        after = _after(transfers, query.limit, running.horizon) if goes_on else None
        return _Candidates(transfers, rows, after)

    async def _views(self, candidates: _Candidates) -> list[TransferView]:
        final = [known for known in candidates.rows.values() if known.final_status is not None]
        views = map(view_if_final, await self._participants.with_ledger_rows(final))
        ready = {view.id: view for view in views if view is not None}
        at_once = asyncio.Semaphore(LOOKS_AT_ONCE)

        async def view_of(transfer: TransferRequest) -> TransferView | None:
            if transfer.transfer_id in ready:
                return ready[transfer.transfer_id]
            async with at_once:
                return await self._look(transfer, candidates.rows.get(transfer.transfer_id))

        found = await asyncio.gather(*map(view_of, candidates.transfers))
        return [view for view in found if view is not None]

    async def _look(self, transfer: TransferRequest, rows: TransferRows | None) -> TransferView | None:
        """None where it stands elsewhere in the list: its rows are from an earlier time than its run."""
        if rows is not None:
            return await self._checker.look_beside(transfer.transfer_id, accounts_alone(rows))
        try:
            view = await self._checker.look(transfer.transfer_id)
        except Problem as problem:
            if problem.code is ProblemCode.NOT_FOUND:
                return None
            raise
        return view if view.created_at == transfer.created_at else None


def _without_temporal(away: Problem, query: ListQuery, page: Page[TransferRows]) -> Running:
    """A list of all statuses may do without what has no row yet, where it needs nothing else of Temporal."""
    if query.status is not None or any(known.final_status is None for known in page.items):
        raise away
    return Running([], horizon=None)


def _rows_query(query: ListQuery) -> dict[str, str | int | None]:
    final = query.status.is_final if query.status else None
    return {
        "status": query.status.value if query.status and final else None,
        "final": "false" if final is False else None,
        "account": query.account,
        "cursor": query.after.encode() if query.after else None,
        "limit": query.limit,
    }


def _after(transfers: list[TransferRequest], limit: int, horizon: datetime | None) -> TransferCursor:
    """After the last one where the page is full; else nothing is known below the horizon."""
    if len(transfers) < limit and horizon is not None:
        return TransferCursor(created_at=horizon, transfer_id="")
    return TransferCursor(created_at=transfers[-1].created_at, transfer_id=transfers[-1].transfer_id)


def _page(views: list[TransferView], after: TransferCursor | None) -> Page[TransferView]:
    return Page(items=views, next_cursor=after.encode() if after else None)
