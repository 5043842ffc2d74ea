"""The reconciler's eyes: which transfers can their workflows not finish any more? It reads, and changes nothing."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Final

from prometheus_client import CollectorRegistry, Counter
from service_runtime.carrying import carries, is_open
from service_runtime.temporal import describe_workflow
from temporalio import activity
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from transfer_contract.batches import batch_of
from transfer_contract.names import batch_finisher_id, batch_workflow_id, finisher_id, workflow_id
from transfer_contract.reconciler import (
    Abandoned,
    AbandonedBatch,
    Finding,
    Findings,
    ReconcilerActivities,
    Search,
    SearchPosition,
)
from transfer_contract.transfers import TransferRequest

from workflow_handler.rows import AccountRows
from workflow_handler.unfinished import Batch, UnfinishedBatches, UnfinishedTransfers

LOOKS_AT_ONCE: Final = 20
"""Descriptions that Temporal is asked for side by side: clients' requests come first."""

_FINDINGS: Final = {
    WorkflowExecutionStatus.COMPLETED: Finding.COMPLETED,
    WorkflowExecutionStatus.TERMINATED: Finding.TERMINATED,
    WorkflowExecutionStatus.FAILED: Finding.FAILED,
    WorkflowExecutionStatus.TIMED_OUT: Finding.TIMED_OUT,
    WorkflowExecutionStatus.CANCELED: Finding.CANCELED,
    WorkflowExecutionStatus.RUNNING: Finding.STUCK,
}


class _Verdict(Enum):
    CARRIED = auto()
    UNDER_WAY = auto()
    FINAL = auto()


@dataclass
class _Found:
    """What one search has found so far."""

    limit: int
    judged: dict[str, _Verdict | Abandoned] = field(default_factory=dict)
    batches: dict[str, _Verdict | AbandonedBatch] = field(default_factory=dict)

    @property
    def abandoned(self) -> list[Abandoned]:
        return [verdict for verdict in self.judged.values() if isinstance(verdict, Abandoned)]

    @property
    def abandoned_batches(self) -> list[AbandonedBatch]:
        return [verdict for verdict in self.batches.values() if isinstance(verdict, AbandonedBatch)]

    @property
    def is_full(self) -> bool:
        return len(self.abandoned) >= self.limit

    def add(self, transfer_id: str, verdict: _Verdict | Abandoned) -> None:
        """What comes above the limit is left for the next search."""
        if not (self.is_full and isinstance(verdict, Abandoned)):
            self.judged[transfer_id] = verdict

    def judged_as(self, verdict: _Verdict) -> list[str]:
        """Transfers and batches, by their ids."""
        return [each for each, judged in [*self.batches.items(), *self.judged.items()] if judged is verdict]


class AbandonedTransfers(ReconcilerActivities):
    def __init__(
        self, client: Client, unfinished: UnfinishedTransfers, rows: AccountRows, *, registry: CollectorRegistry
    ) -> None:
        self._client = client
        self._unfinished = unfinished
        self._rows = rows
        self._counter = Counter(
            "abandoned_transfers", "Transfers that their workflow could not finish.", ["found"], registry=registry
        )

    @activity.defn(name="find_abandoned_transfers")
    async def find_abandoned_transfers(self, search: Search) -> Findings:
        """By Temporal first: what was ended there is a few, however long the list of transfers on their way is."""
        now, found = datetime.now(UTC), _Found(search.limit)
        batches = await self._judge_batches(search, now, found)
        await self._judge_all(self._unfinished.by_closed_runs(search, now), found)
        await self._judge_all(self._unfinished.by_reported_problems(), found)
        batches_after = {"batches_after": batches.after}
        if found.is_full:
            return self._told(found, search.position.model_copy(update=batches_after), is_complete=False)
        page, shut = await self._unfinished.by_rows(search, now), await self._unfinished.by_shut_doors(search)
        await self._judge({**page.transfers, **shut.transfers}, found)
        if found.is_full:  # there is more than the limit: all transfers are looked for again
            return self._told(found, search.position.model_copy(update=batches_after), is_complete=False)
        position = SearchPosition(
            closed_since=now, after=page.after, shut_after=shut.after, batches_after=batches.after
        )
        is_complete = page.after is None and shut.is_read and not shut.after and not batches.after
        return self._told(found, position, is_complete=is_complete)

    async def _judge_batches(self, search: Search, now: datetime, found: _Found) -> UnfinishedBatches:
        """All transfers of a batch together: whoever carries it carries them."""
        page = await self._unfinished.batches(search, now)
        at_once = asyncio.Semaphore(LOOKS_AT_ONCE)

        async def judge(batch_id: str) -> None:
            async with at_once:
                found.batches[batch_id] = await self._verdict_on_batch(batch_id)

        await asyncio.gather(*map(judge, page.batch_ids))
        return page

    async def _judge_all(self, batches: AsyncGenerator[Batch], found: _Found) -> None:
        async with aclosing(batches):
            async for batch in batches:
                await self._judge(batch, found)
                if found.is_full:
                    return

    async def _judge(self, batch: Batch, found: _Found) -> None:
        at_once = asyncio.Semaphore(LOOKS_AT_ONCE)

        async def judge(transfer_id: str, transfer: TransferRequest) -> None:
            async with at_once:
                if not found.is_full:
                    found.add(transfer_id, await self._verdict_on(transfer))

        unknown = [each for each in batch.items() if each[0] not in found.judged and batch_of(each[0]) is None]
        await asyncio.gather(*(judge(transfer_id, transfer) for transfer_id, transfer in unknown))

    async def _verdict_on(self, transfer: TransferRequest) -> _Verdict | Abandoned:
        """The rows are read last: a run that has just closed has made them final."""
        run = await describe_workflow(self._client, workflow_id(transfer.transfer_id))
        if run is not None and carries(run):
            return _Verdict.CARRIED
        finisher = await describe_workflow(self._client, finisher_id(transfer.transfer_id))
        if finisher is not None and is_open(finisher):
            return _Verdict.UNDER_WAY
        known = await self._rows.of(transfer.transfer_id)
        if known is not None and known.final_status is not None:
            return _Verdict.FINAL
        return Abandoned(
            transfer=known.transfer if known else transfer,
            found=_found(run),
            has_rows=known is not None,
        )

    async def _verdict_on_batch(self, batch_id: str) -> _Verdict | AbandonedBatch:
        """The rows are read last, as for one transfer."""
        run = await describe_workflow(self._client, batch_workflow_id(batch_id))
        if run is not None and carries(run):
            return _Verdict.CARRIED
        finisher = await describe_workflow(self._client, batch_finisher_id(batch_id))
        if finisher is not None and is_open(finisher):
            return _Verdict.UNDER_WAY
        left = await self._unfinished.left_of(batch_id)
        return AbandonedBatch(batch_id=batch_id, found=_found(run), transfers=left) if left else _Verdict.FINAL

    def _told(self, found: _Found, position: SearchPosition, *, is_complete: bool) -> Findings:
        for each in found.abandoned:
            self._counter.labels(each.found).inc()
        for batch in found.abandoned_batches:
            self._counter.labels(batch.found).inc(batch.transfers)
        return Findings(
            abandoned=tuple(found.abandoned),
            batches=tuple(found.abandoned_batches),
            carried=len(found.judged_as(_Verdict.CARRIED)),
            under_way=tuple(found.judged_as(_Verdict.UNDER_WAY)),
            is_complete=is_complete,
            position=position,
        )


def _found(run: WorkflowExecutionDescription | None) -> Finding:
    return found_as(run.status) if run else Finding.FORGOTTEN


def found_as(status: WorkflowExecutionStatus | None) -> Finding:
    """Of a run that doesn't carry its transfer, or its batch."""
    return _FINDINGS.get(status, Finding.OTHER) if status else Finding.OTHER
