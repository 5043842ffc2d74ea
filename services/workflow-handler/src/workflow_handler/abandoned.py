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
from temporalio.client import Client, WorkflowExecutionStatus
from transfer_contract.names import finisher_id, workflow_id
from transfer_contract.reconciler import Abandoned, Finding, Findings, ReconcilerActivities, Search, SearchPosition
from transfer_contract.transfers import TransferRequest

from workflow_handler.rows import AccountRows
from workflow_handler.unfinished import Batch, UnfinishedTransfers

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

    @property
    def abandoned(self) -> list[Abandoned]:
        return [verdict for verdict in self.judged.values() if isinstance(verdict, Abandoned)]

    @property
    def is_full(self) -> bool:
        return len(self.abandoned) >= self.limit

    def add(self, transfer_id: str, verdict: _Verdict | Abandoned) -> None:
        """What comes above the limit is left for the next search."""
        if not (self.is_full and isinstance(verdict, Abandoned)):
            self.judged[transfer_id] = verdict

    def judged_as(self, verdict: _Verdict) -> list[str]:
        return [transfer_id for transfer_id, judged in self.judged.items() if judged is verdict]


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
        await self._judge_all(self._unfinished.by_closed_runs(search, now), found)
        await self._judge_all(self._unfinished.by_reported_problems(), found)
        if found.is_full:
            return self._told(found, search.position, is_complete=False)
        page, shut = await self._unfinished.by_rows(search, now), await self._unfinished.by_shut_doors(search)
        await self._judge({**page.transfers, **shut.transfers}, found)
        if found.is_full:  # there is more than the limit: all is looked for again
            return self._told(found, search.position, is_complete=False)
        position = SearchPosition(closed_since=now, after=page.after, shut_after=shut.after)
        return self._told(found, position, is_complete=page.after is None and shut.is_read and not shut.after)

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

        unknown = [each for each in batch.items() if each[0] not in found.judged]
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
            found=found_as(run.status) if run else Finding.FORGOTTEN,
            has_rows=known is not None,
        )

    def _told(self, found: _Found, position: SearchPosition, *, is_complete: bool) -> Findings:
        for each in found.abandoned:
            self._counter.labels(each.found).inc()
        return Findings(
            abandoned=tuple(found.abandoned),
            carried=len(found.judged_as(_Verdict.CARRIED)),
            under_way=tuple(found.judged_as(_Verdict.UNDER_WAY)),
            is_complete=is_complete,
            position=position,
        )


def found_as(status: WorkflowExecutionStatus | None) -> Finding:
    """Of a run that doesn't carry its transfer."""
    return _FINDINGS.get(status, Finding.OTHER) if status else Finding.OTHER
