"""Transfers that may have been abandoned, batch by batch: by the participants' rows, and by what Temporal shows."""

from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from service_runtime.internal_client import InternalClient, Query
from service_runtime.problems import Problem
from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError, RPCStatusCode
from transfer_contract.batches import Batch as OrderedBatch
from transfer_contract.batches import BatchProgress
from transfer_contract.http import Page, ProblemCode, TransferCursor, TransferIds, TransferRows
from transfer_contract.names import FINISH_TRANSFER, TRANSFER_MONEY
from transfer_contract.reconciler import Search
from transfer_contract.transfers import TransferMemo, TransferRequest

Batch = Mapping[str, TransferRequest]
"""By transfer id. The request is the stored one, or the one that a run's memo keeps."""

EXAMINED: Final = 500
"""Of the transfers that aren't final, in one search: each costs a description by Temporal. The next search goes on."""

PAGE_SIZE: Final = 1000

COMPLETED_OVERLAP: Final = timedelta(minutes=1)
ENDED_OVERLAP: Final = timedelta(hours=1)
"""How far a search looks back behind the one before it: visibility lags. Runs that completed are many, others few."""

LONGEST_LOOK_BACK: Final = timedelta(hours=1)
"""At runs that completed, however long ago the search before was: they are many, and have left rows."""

_ENDED: Final = "ExecutionStatus IN ('Terminated', 'Failed', 'TimedOut', 'Canceled')"
_OF_A_TRANSFER: Final = f"WorkflowType IN ('{TRANSFER_MONEY}', '{FINISH_TRANSFER}')"
_WITH_PROBLEMS: Final = "ExecutionStatus = 'Running' AND TemporalReportedProblems IS NOT NULL"


@dataclass(frozen=True)
class UnfinishedPage:
    """`after` is where the list goes on, None at its end."""

    transfers: Batch
    after: TransferCursor | None


@dataclass(frozen=True)
class UnfinishedBatches:
    """`after` is where the list goes on, empty at its end."""

    batch_ids: tuple[str, ...]
    after: str


@dataclass(frozen=True)
class ShutPage:
    """`after` is where the list goes on, empty at its end. Not `is_read`: the ledger-api was away."""

    transfers: Batch
    after: str
    is_read: bool = True


class UnfinishedTransfers:
    def __init__(
        self, client: Client, account_api: InternalClient, ledger_api: InternalClient, *, examined: int = EXAMINED
    ) -> None:
        self._examined = examined
        self._client = client
        self._account_api = account_api
        self._ledger_api = ledger_api

    async def by_rows(self, search: Search, now: datetime) -> UnfinishedPage:
        """Transfers with accounts rows that aren't final: newest first, from where the search before this one ended.

        Not those of batches: they go together.
        """
        after = search.position.after or TransferCursor(
            created_at=now - timedelta(seconds=search.grace_seconds), transfer_id=""
        )
        query: Query = {"final": "false", "of_batches": "false", "limit": self._examined, "cursor": after.encode()}
        page = await self._account_api.get("/transfers", Page[TransferRows], query=query)
        return UnfinishedPage(
            transfers={known.transfer.transfer_id: known.transfer for known in page.items},
            after=TransferCursor.decode(page.next_cursor) if page.next_cursor else None,
        )

    async def batches(self, search: Search, now: datetime) -> UnfinishedBatches:
        """Those of which a transfer isn't final, by id, from where the search before this one ended."""
        before = now - timedelta(seconds=search.grace_seconds)
        query: Query = {
            "before": before.isoformat(),
            "after": search.position.batches_after,
            "limit": self._examined,
        }
        page = await self._account_api.get("/transfer-batches/unfinished", Page[OrderedBatch], query=query)
        return UnfinishedBatches(tuple(batch.batch_id for batch in page.items), page.next_cursor or "")

    async def left_of(self, batch_id: str) -> int:
        """How many transfers of the batch aren't final."""
        progress = await self._account_api.get(f"/transfer-batches/{batch_id}", BatchProgress)
        return sum(total.transfers for total in progress.totals if not total.status.is_final)

    async def by_shut_doors(self, search: Search) -> ShutPage:
        """Transfers with a tombstone in the ledger and no accounts row: who began to undo them may be forgotten, too.

        Where the ledger-api is away they aren't read: they can wait, for nothing of them has moved.
        """
        after = search.position.shut_after
        query: Query = {"after": after, "limit": self._examined}
        try:
            page = await self._ledger_api.get("/transfers/shut", Page[TransferRequest], query=query)
        except Problem as problem:
            if problem.code is not ProblemCode.UNAVAILABLE:
                raise
            return ShutPage({}, after, is_read=False)
        asked = TransferIds(transfer_ids=[transfer.transfer_id for transfer in page.items])
        known = {*(await self._account_api.post("/transfers/known", TransferIds, body=asked)).transfer_ids}
        lone = {each.transfer_id: each for each in page.items if each.transfer_id not in known}
        return ShutPage(lone, page.next_cursor or "")

    async def by_closed_runs(self, search: Search, now: datetime) -> AsyncGenerator[Batch]:
        """Transfers with a run that has closed in any way, also without any row."""
        async for batch in self._not_final(_closed_since(search.position.closed_since, now)):
            yield batch

    async def by_reported_problems(self) -> AsyncGenerator[Batch]:
        """Transfers with an open run whose tasks fail, also without any row; none where the server can't say."""
        try:
            async for batch in self._not_final(_WITH_PROBLEMS):
                yield batch
        except RPCError as error:
            if error.status is not RPCStatusCode.INVALID_ARGUMENT:  # a server that doesn't know the search attribute
                raise

    async def _not_final(self, condition: str) -> AsyncGenerator[Batch]:
        runs = self._client.list_workflows(f"{_OF_A_TRANSFER} AND {condition}", page_size=PAGE_SIZE)
        while True:
            await runs.fetch_next_page()
            transfers = await _transfers_of(runs.current_page or ())
            if transfers:
                asked = TransferIds(transfer_ids=[*transfers])
                final = {*(await self._account_api.post("/transfers/final", TransferIds, body=asked)).transfer_ids}
                yield {transfer_id: each for transfer_id, each in transfers.items() if transfer_id not in final}
            if runs.next_page_token is None:
                return


async def _transfers_of(runs: Iterable[WorkflowExecution]) -> dict[str, TransferRequest]:
    memos = [await run.memo_value(TransferMemo.KEY, None, type_hint=TransferMemo) for run in runs]
    return {memo.transfer.transfer_id: memo.transfer for memo in memos if memo is not None}


def _closed_since(closed_since: datetime | None, now: datetime) -> str:
    """The first search goes back as far as Temporal does, but for what completed: that has left rows."""
    if closed_since is None:
        return _ENDED
    completed = _text(max(closed_since - COMPLETED_OVERLAP, now - LONGEST_LOOK_BACK))
    ended = _text(closed_since - ENDED_OVERLAP)
    return f"((ExecutionStatus = 'Completed' AND CloseTime >= {completed}) OR ({_ENDED} AND CloseTime >= {ended}))"


def _text(moment: datetime) -> str:
    return f"'{moment.astimezone(UTC).isoformat()}'"
