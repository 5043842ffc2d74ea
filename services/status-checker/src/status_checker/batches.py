"""Batches: what the accounts rows say of them, and what only Temporal knows: that something needs attention."""

from dataclasses import dataclass

from service_runtime.internal_client import InternalClient, Query
from service_runtime.problems import Problem
from transfer_contract.batches import BatchProgress, BatchStatus, BatchView
from transfer_contract.http import Page, TransferRows
from transfer_contract.transfers import TransferStatus, TransferView

from status_checker.batch_runs import BatchRuns
from status_checker.participants import Participants, accounts_alone, view_if_final
from status_checker.status import StatusChecker


@dataclass(frozen=True)
class BatchQuery:
    """A page of a batch's transfers; `after` is the position of the last one before it."""

    batch_id: str
    status: TransferStatus | None
    limit: int
    after: int | None

    def for_rows(self) -> Query:
        is_final = self.status.is_final if self.status else None
        return {
            "status": self.status.value if self.status and is_final else None,
            "final": "false" if is_final is False else None,
            "after": self.after,
            "limit": self.limit,
        }


class Batches:
    def __init__(
        self, account_api: InternalClient, participants: Participants, checker: StatusChecker, runs: BatchRuns
    ) -> None:
        self._account_api = account_api
        self._participants = participants
        self._checker = checker
        self._runs = runs

    async def look(self, batch_id: str) -> BatchView:
        """The batch now. Raises `Problem`: `not_found`, or `unavailable` where the rows can't be read."""
        progress = await self._account_api.get(f"/transfer-batches/{batch_id}", BatchProgress)
        return BatchView(**dict(progress), status=await self._status(progress))

    async def page(self, query: BatchQuery) -> Page[TransferView]:
        """In the order given. A page by a status that isn't final may be a short one."""
        rows = await self._account_api.get(
            f"/transfer-batches/{query.batch_id}/transfers", Page[TransferRows], query=query.for_rows()
        )
        if not rows.items and query.after is None and query.status is None:
            await self.look(query.batch_id)  # not_found where there is no such batch
        final = [known for known in rows.items if known.final_status is not None]
        ready = map(view_if_final, await self._participants.with_ledger_rows(final))
        views = {view.id: view for view in ready if view is not None}
        for known in rows.items:
            if known.final_status is None:
                transfer_id = known.transfer.transfer_id
                views[transfer_id] = await self._checker.look_beside(transfer_id, accounts_alone(known))
        in_order = [views[known.transfer.transfer_id] for known in rows.items if known.transfer.transfer_id in views]
        items = [view for view in in_order if query.status in (None, view.status)]
        return Page(items=items, next_cursor=rows.next_cursor)

    async def _status(self, progress: BatchProgress) -> BatchStatus:
        if progress.finished_at is not None:
            return BatchStatus.FINISHED
        if await self._is_parked(progress.batch.batch_id):
            return BatchStatus.NEEDS_ATTENTION
        if all(total.status is TransferStatus.ACCEPTED for total in progress.totals):
            return BatchStatus.ACCEPTED
        return BatchStatus.RUNNING

    async def _is_parked(self, batch_id: str) -> bool:
        """False also where Temporal can't be asked: how far it is stands in the rows."""
        try:
            run = await self._runs.carrying(batch_id)
        except Problem:
            return False
        return run is not None and run.is_parked
