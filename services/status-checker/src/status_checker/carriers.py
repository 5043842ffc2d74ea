"""What Temporal says of the workflows that carry one transfer, as far as an operator has to know it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from service_runtime.carrying import STUCK_FROM_ATTEMPT, is_open
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowExecutionDescription
from transfer_contract.names import finisher_id, workflow_id
from transfer_contract.steps import Compensation

from status_checker.runs import Runs
from status_checker.timeline import MAX_DETAIL_LENGTH, Timeline, read_timeline

_NO_TIMELINE: Final = Timeline()


@dataclass(frozen=True)
class Carrier:
    """One workflow: the transfer's own, or the reconciler's where `is_finisher`. `timeline` only while it is open."""

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

    async def of(self, transfer_id: str) -> Carried:
        """One description, a second one where the transfer's own workflow doesn't go on. Raises RPCError, `Problem`."""
        own = await self._carrier(workflow_id(transfer_id), is_finisher=False)
        goes_on = own is not None and own.is_open and not own.is_stuck
        finisher = None if goes_on else await self._carrier(finisher_id(transfer_id), is_finisher=True)
        return Carried(transfer_id, tuple(each for each in (own, finisher) if each is not None))

    def forget_others(self) -> None:
        """Drops the histories that were not needed since the last call."""
        self._histories = {run_id: self._histories[run_id] for run_id in self._read if run_id in self._histories}
        self._read.clear()

    async def _carrier(self, workflow: str, *, is_finisher: bool) -> Carrier | None:
        run = await self._runs.describe(workflow)
        if run is None:
            return None
        status = run.status.name.lower().replace("_", " ") if run.status else "unknown"
        if not is_open(run):
            return Carrier(is_finisher=is_finisher, is_open=False, status=status, closed_at=run.close_time)
        events = await self._history(run)
        task = run.raw_description.pending_workflow_task
        return Carrier(
            is_finisher=is_finisher,
            is_open=True,
            status=status,
            task_failures=max(0, task.attempt - 1),
            task_since=task.original_scheduled_time.ToDatetime(UTC) if task.attempt > 1 else None,
            task_failure=_last_task_failure(events) if task.attempt > 1 else "",
            timeline=read_timeline(events, run.raw_description.pending_activities),
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


def _last_task_failure(events: Iterable[HistoryEvent]) -> str:
    """The server writes the first failure of a row into the history, and only counts the others."""
    for event in reversed([*events]):
        if event.HasField("workflow_task_failed_event_attributes"):
            return event.workflow_task_failed_event_attributes.failure.message[:MAX_DETAIL_LENGTH]
        if event.HasField("workflow_task_timed_out_event_attributes"):
            return "no worker has answered it in time"
    return ""
