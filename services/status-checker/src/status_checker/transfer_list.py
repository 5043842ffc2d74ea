"""Lists of transfers, newest first: from account-api's rows, plus the running ones that have no row yet."""

import asyncio
from collections.abc import AsyncGenerator
from collections.abc import Set as AbstractSet
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from service_runtime.problems import Problem
from transfer_contract.http import Page, ProblemCode, TransferCursor, TransferRows
from transfer_contract.steps import Decision
from transfer_contract.transfers import TransferRequest, TransferStatus, TransferView

from status_checker.outcome import or_problem
from status_checker.participants import NO_ROWS, Participants, accounts_alone, view_if_final
from status_checker.running_transfers import Running, RunningTransfers, position
from status_checker.status import StatusChecker

LOOKS_AT_ONCE: Final = 20
"""Non-final transfers of one list that are derived side by side: each costs two calls to Temporal at least."""

MAX_EXAMINED: Final = 100
"""Candidates fetched and, in all, derived for one page by a non-final status; its cursor goes on after the last."""

PAGE_SECONDS: Final = 1.5
"""What a page may take; then it is a short one. Gateway gives up after 2.6 s, and answering takes a while as well."""

_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)


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
    going_forward: AbstractSet[str]
    after: TransferCursor | None

    def may_be(self, status: TransferStatus | None, transfer: TransferRequest) -> bool:
        """False where what is at hand rules it out. The search attribute may come a moment late."""
        rows = self.rows.get(transfer.transfer_id)
        if status is TransferStatus.ACCEPTED:
            return rows is None
        if status in (TransferStatus.COMPENSATING, TransferStatus.NEEDS_ATTENTION):
            return transfer.transfer_id not in self.going_forward or _are_undone(rows)
        return True


@dataclass
class _Scan:
    """A page in the making. `after` is where the list goes on, until it `is_over`."""

    query: ListQuery
    after: TransferCursor | None
    views: list[TransferView] = field(default_factory=list)
    derived: int = 0
    is_over: bool = False

    @property
    def is_full(self) -> bool:
        return len(self.views) == self.query.limit

    def take(self, transfer: TransferRequest, view: TransferView | None) -> None:
        self.after = TransferCursor(created_at=transfer.created_at, transfer_id=transfer.transfer_id)
        if view is not None and self.query.status in (None, view.status):
            self.views.append(view)


class TransferList:
    def __init__(self, participants: Participants, running: RunningTransfers, checker: StatusChecker) -> None:
        self._participants = participants
        self._running = running
        self._checker = checker

    async def page(self, query: ListQuery) -> Page[TransferView]:
        """Raises `Problem(unavailable)` where a transfer of the page isn't final and Temporal can't be asked."""
        if query.status is not None and query.status.is_final:
            return await self._final_page(query)
        scan = _Scan(query, query.after)
        try:
            async with asyncio.timeout(PAGE_SECONDS):
                while not (scan.is_over or scan.is_full or scan.derived >= MAX_EXAMINED):
                    await self._examine(scan)
        except TimeoutError as error:
            if scan.after == query.after:
                raise Problem(ProblemCode.UNAVAILABLE, "Not one transfer could be looked at in time.") from error
        return Page(items=scan.views, next_cursor=None if scan.is_over or not scan.after else scan.after.encode())

    async def _final_page(self, query: ListQuery) -> Page[TransferView]:
        """Rows alone: a final status never changes."""
        rows = await self._participants.page(_rows_query(query))
        known = await self._participants.with_ledger_rows(rows.items)
        views = [view for view in map(view_if_final, known) if view is not None]
        return Page(items=views, next_cursor=rows.next_cursor)

    async def _examine(self, scan: _Scan) -> None:
        """The next stretch: derived side by side, taken in order, so that a page may end after any of them."""
        limit = max(scan.query.limit, MAX_EXAMINED) if scan.query.status else scan.query.limit
        candidates = await self._candidates(replace(scan.query, after=scan.after, limit=limit))
        possible = [t for t in candidates.transfers if candidates.may_be(scan.query.status, t)]
        async with aclosing(self._views(candidates, possible)) as views:
            async for transfer, view in views:
                scan.take(transfer, view)
                scan.derived += 1
                if scan.is_full and transfer is not candidates.transfers[-1]:
                    return
        scan.after, scan.is_over = candidates.after, candidates.after is None

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
        return _Candidates(transfers, rows, running.going_forward, after)

    async def _views(
        self, candidates: _Candidates, wanted: list[TransferRequest]
    ) -> AsyncGenerator[tuple[TransferRequest, TransferView | None]]:
        """In order. None where a transfer stands elsewhere in the list: its rows are from an earlier time."""
        final = [known for known in candidates.rows.values() if known.final_status is not None]
        views = map(view_if_final, await self._participants.with_ledger_rows(final))
        ready = {view.id: view for view in views if view is not None}
        without_row = [t.transfer_id for t in wanted if t.transfer_id not in candidates.rows]
        known = await self._participants.known(without_row)
        at_once = asyncio.Semaphore(LOOKS_AT_ONCE)

        async def view_of(transfer: TransferRequest) -> TransferView | None:
            if transfer.transfer_id in ready:
                return ready[transfer.transfer_id]
            async with at_once:
                rows = candidates.rows.get(transfer.transfer_id)
                return await self._look(transfer, rows, has_row=transfer.transfer_id in known)

        looking = [asyncio.create_task(view_of(transfer)) for transfer in wanted]
        try:
            for transfer, view in zip(wanted, looking, strict=True):
                yield transfer, await view
        finally:
            for view in looking:
                view.cancel()
            await asyncio.gather(*looking, return_exceptions=True)

    async def _look(
        self, transfer: TransferRequest, rows: TransferRows | None, *, has_row: bool
    ) -> TransferView | None:
        if rows is not None:
            return await self._checker.look_beside(transfer.transfer_id, accounts_alone(rows))
        try:
            if has_row:  # by now, or elsewhere in the list
                view = await self._checker.look(transfer.transfer_id)
            else:
                view = await self._checker.look_beside(transfer.transfer_id, NO_ROWS)
        except Problem as problem:
            if problem.code is ProblemCode.NOT_FOUND:
                return None
            raise
        return view if view.created_at == transfer.created_at else None


def _are_undone(rows: TransferRows | None) -> bool:
    """Someone has begun to: an earlier run of the transfer, or a reconciler."""
    return rows is not None and any(row.compensation or row.decision is Decision.CANCELLED for row in rows.rows)


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
