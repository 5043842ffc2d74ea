"""What Temporal says of the workflows that carry one transfer, as far as an operator has to know it."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from service_runtime.carrying import STUCK_FROM_ATTEMPT, is_open
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowExecutionDescription
from transfer_contract.batches import batch_of
from transfer_contract.names import batch_finisher_id, batch_workflow_id, finisher_id, workflow_id
from transfer_contract.steps import Compensation

from status_checker.batch_runs import read_batch_run
from status_checker.runs import Runs
from status_checker.timeline import MAX_DETAIL_LENGTH, Timeline, read_timeline

_NO_TIMELINE: Final = Timeline()


@dataclass(frozen=True)
class Carrier:
    """One workflow: the transfer's own or its batch's, or the reconciler's where `is_finisher`.

    `timeline` only while it is open; a batch's tells what it waits for, and nothing of what is over.
    """

    is_finisher: bool
    is_open: bool
    status: str
    closed_at: datetime | None = None
    task_failures: int = 0
    """Of its workflow task, in a row."""
    task_since: datetime | None = None
    task_failure: str = ""
    timeline: Timeline = _NO_TIMELINE

    @property
    def is_stuck(self) -> bool:
        return self.is_open and self.task_failures >= STUCK_FROM_ATTEMPT - 1

    @property
    def compensating_since(self) -> datetime | None:
        views = [*self.timeline.ended.values(), *(step.view for step in self.timeline.open)]
        started = [view.started_at for view in views if isinstance(view.name, Compensation) and view.started_at]
        return min(started, default=None)


@dataclass(frozen=True)
class Carried:
    """A transfer and the workflows that Temporal knows for it: its own first."""

    transfer_id: str
    carriers: tuple[Carrier, ...]

    @property
    def is_carried(self) -> bool:
        """Somebody is at it, or would be if its tasks didn't fail."""
        return any(carrier.is_open for carrier in self.carriers)


class Carriers:
    """Reads a history again only where it has grown: what keeps failing is retried without growing it."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._histories: dict[str, tuple[int, Sequence[HistoryEvent]]] = {}
        self._read: set[str] = set()
        self._batches: dict[str, asyncio.Future[WorkflowExecutionDescription | None]] = {}

    async def of(self, transfer_id: str) -> Carried:
        """One description, a second one where the transfer's own workflow doesn't go on. Raises RPCError, `Problem`."""
        batch_id = batch_of(transfer_id)
        own = await self._in_batch(transfer_id, batch_workflow_id(batch_id), is_finisher=False) if batch_id else None
        own = own or await self._carrier(workflow_id(transfer_id), is_finisher=False)
        finisher = None
        if own is None or not own.is_open or own.is_stuck:
            finisher = (
                await self._in_batch(transfer_id, batch_finisher_id(batch_id), is_finisher=True)
                if batch_id
                else await self._carrier(finisher_id(transfer_id), is_finisher=True)
            )
        return Carried(transfer_id, tuple(each for each in (own, finisher) if each is not None))

    def forget_others(self) -> None:
        """Drops the histories that were not needed since the last call, and what batches were like."""
        self._histories = {run_id: self._histories[run_id] for run_id in self._read if run_id in self._histories}
        self._read.clear()
        self._batches.clear()

    async def _in_batch(self, transfer_id: str, workflow: str, *, is_finisher: bool) -> Carrier | None:
        """The batch while its run is open, described once for all of its transfers."""
        if workflow not in self._batches:
            self._batches[workflow] = asyncio.ensure_future(self._runs.describe(workflow))
        run = await self._batches[workflow]
        if run is None or not is_open(run):
            return None
        timeline = Timeline(open=tuple(read_batch_run(run).steps_of(transfer_id)))
        return await self._open_carrier(run, timeline, is_finisher=is_finisher)

    async def _carrier(self, workflow: str, *, is_finisher: bool) -> Carrier | None:
        run = await self._runs.describe(workflow)
        if run is None:
            return None
        if not is_open(run):
            return Carrier(is_finisher=is_finisher, is_open=False, status=_status(run), closed_at=run.close_time)
        timeline = read_timeline(await self._history(run), run.raw_description.pending_activities)
        return await self._open_carrier(run, timeline, is_finisher=is_finisher)

    async def _open_carrier(
        self, run: WorkflowExecutionDescription, timeline: Timeline, *, is_finisher: bool
    ) -> Carrier:
        task = run.raw_description.pending_workflow_task
        fails = task.attempt > 1
        return Carrier(
            is_finisher=is_finisher,
            is_open=True,
            status=_status(run),
            task_failures=max(0, task.attempt - 1),
            task_since=task.original_scheduled_time.ToDatetime(UTC) if fails else None,
            task_failure=_last_task_failure(await self._history(run)) if fails else "",
            timeline=timeline,
        )

    async def _history(self, run: WorkflowExecutionDescription) -> Sequence[HistoryEvent]:
        run_id = run.run_id or ""
        self._read.add(run_id)
        known = self._histories.get(run_id)
        if known is not None and known[0] == run.history_length:
            return known[1]
        events = await self._runs.history(run)
        self._histories[run_id] = (run.history_length, events)
        return events


def _status(run: WorkflowExecutionDescription) -> str:
    return run.status.name.lower().replace("_", " ") if run.status else "unknown"


def _last_task_failure(events: Iterable[HistoryEvent]) -> str:
    """The server writes the first failure of a row into the history, and only counts the others."""
    for event in reversed([*events]):
        if event.HasField("workflow_task_failed_event_attributes"):
            return event.workflow_task_failed_event_attributes.failure.message[:MAX_DETAIL_LENGTH]
        if event.HasField("workflow_task_timed_out_event_attributes"):
            return "no worker has answered it in time"
    return ""
