"""What the Temporal server knows of the workflows that carry batches: which steps they wait for, and for whom."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Final

from service_runtime.carrying import carries
from service_runtime.temporal import ask_temporal, describe_workflow
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import Client, WorkflowExecutionDescription
from transfer_contract.batches import Ranges, position_of
from transfer_contract.names import TaskQueue, batch_finisher_id, batch_workflow_id
from transfer_contract.steps import Compensation, Decision, Step, StepRow
from transfer_contract.transfers import StepName, StepStatus

from status_checker.step_views import Attempts, step_view
from status_checker.timeline import OpenStep, Timeline, error_of, next_attempt_at

FRESH_SECONDS: Final = 0.3
"""All transfers of a batch, and all who look at them, share one description for so long."""

_ACTIVITY_ID: Final = re.compile(r"(?P<name>\w+):(?P<ranges>[0-9]+-[0-9]+(,[0-9]+-[0-9]+)*):[0-9]+")
_NAMES: Final[Mapping[str, StepName]] = {name.value: name for name in (*Step, *Compensation)}
_IN_LEDGER: Final = (Step.RECORD, Compensation.RECORD)
_FORWARD: Final = tuple(Step)


@dataclass(frozen=True)
class OpenChunk:
    """A step that the batch waits for, of the transfers at these positions; of a list with many gaps, in them too."""

    step: OpenStep
    positions: Ranges

    def is_about(self, position: int) -> bool:
        return any(first <= position <= last for first, last in self.positions)


@dataclass(frozen=True)
class BatchRun:
    """An open run that carries its batch: its own, or the reconciler's."""

    open: tuple[OpenChunk, ...]

    @property
    def is_parked(self) -> bool:
        return any(chunk.step.is_parked for chunk in self.open)

    def timeline_of(self, transfer_id: str, rows: Mapping[Step, StepRow]) -> Timeline:
        """The steps that the batch waits for on behalf of this transfer, as far as its rows let it be one of them."""
        steps = self.steps_of(transfer_id)
        forward = [step for step in steps if isinstance(step.view.name, Step) and _is_next(step.view.name, rows)]
        return Timeline(open=tuple(forward or [step for step in steps if isinstance(step.view.name, Compensation)]))

    def steps_of(self, transfer_id: str) -> list[OpenStep]:
        """Those of the lists that it is in."""
        return [chunk.step for chunk in self.open if chunk.is_about(position_of(transfer_id))]


class BatchRuns:
    def __init__(self, client: Client, *, timeout_seconds: float) -> None:
        self._client = client
        self._timeout_seconds = timeout_seconds
        self._known: dict[str, tuple[float, BatchRun | None]] = {}

    async def carrying(self, batch_id: str) -> BatchRun | None:
        """None where no open run carries it. Raises `Problem(unavailable)` where Temporal can't be asked."""
        now = time.monotonic()
        self._known = {each: known for each, known in self._known.items() if known[0] > now - FRESH_SECONDS}
        if batch_id not in self._known:
            run = await ask_temporal(lambda: self._describe(batch_id), timeout_seconds=self._timeout_seconds)
            self._known[batch_id] = (now, run)
        return self._known[batch_id][1]

    async def _describe(self, batch_id: str) -> BatchRun | None:
        for workflow in (batch_workflow_id(batch_id), batch_finisher_id(batch_id)):
            run = await describe_workflow(self._client, workflow)
            if run is not None and carries(run):
                return read_batch_run(run)
        return None


def read_batch_run(run: WorkflowExecutionDescription) -> BatchRun:
    """Of an open run."""
    chunks = map(_open_chunk, run.raw_description.pending_activities)
    return BatchRun(tuple(chunk for chunk in chunks if chunk is not None))


def _open_chunk(pending: PendingActivityInfo) -> OpenChunk | None:
    match = _ACTIVITY_ID.fullmatch(pending.activity_id)
    name = _NAMES.get(match["name"]) if match else None
    if match is None or name is None:
        return None
    view = step_view(
        name,
        StepStatus.RETRYING if pending.attempt > 1 else StepStatus.RUNNING,
        Attempts(
            pending.attempt,
            error=error_of(pending.last_failure) if pending.HasField("last_failure") else None,
            worker=pending.last_worker_identity or None,
            next_at=next_attempt_at(pending),
        ),
        started_at=pending.scheduled_time.ToDatetime(UTC),
    )
    queue = TaskQueue.LEDGER if name in _IN_LEDGER else TaskQueue.ACCOUNTS
    return OpenChunk(OpenStep(view, queue), _ranges(match["ranges"]))


def _ranges(text: str) -> Ranges:
    spans = (each.split("-") for each in text.split(","))
    return tuple((int(first), int(last)) for first, last in spans)


def _is_next(step: Step, rows: Mapping[Step, StepRow]) -> bool:
    """The ledger's row may not be known here."""
    before = [each for each in _FORWARD[: _FORWARD.index(step)] if each is not Step.RECORD]
    return step not in rows and all(each in rows and rows[each].decision is Decision.APPLIED for each in before)
