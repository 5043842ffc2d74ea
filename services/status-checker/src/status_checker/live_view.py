"""A transfer that isn't final yet: what its rows say and, where it runs, what its run adds. Pure."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from transfer_contract.names import WORKER_OF_QUEUE, Process, TaskQueue
from transfer_contract.steps import Compensation, Decision, Failure, Step, StepRow
from transfer_contract.transfers import StepName, StepStatus, StepView, TransferRequest, TransferStatus, TransferView

from status_checker.step_views import compensation_view, forward_view, in_starting_order, transfer_view
from status_checker.timeline import Timeline


def live_view(transfer: TransferRequest, rows: Iterable[StepRow], timeline: Timeline) -> TransferView:
    """All but `waiting_for`.

    A step's row stands above what history says of it, so that it looks the same when the transfer is final.
    """
    by_step = {row.step: row for row in [*rows, *timeline.rows]}
    failure = timeline.failure or _failure_in(by_step)
    pending = {step.view.name: step.view for step in timeline.open}
    forward = [_forward(step, by_step.get(step), failure, pending, timeline.ended) for step in Step]
    undone = in_starting_order(_compensation(c, by_step.get(c.step), pending, timeline.ended) for c in Compensation)
    status = _status(forward, undone, by_step.values(), timeline)
    return transfer_view(
        transfer,
        status,
        [*forward, *undone],
        failure=None if status in (TransferStatus.ACCEPTED, TransferStatus.RUNNING) else failure,
    )


def waits_for(timeline: Timeline, live: AbstractSet[Process]) -> Process | None:
    """The first process of which none lives while an open run waits on it: for its open steps, else for a decision."""
    queues = [step.queue for step in timeline.open] or [TaskQueue.TRANSFERS]
    needed = [WORKER_OF_QUEUE[TaskQueue(queue)] for queue in queues if queue in set(TaskQueue)]
    return next((process for process in needed if process not in live), None)


def _forward(
    step: Step,
    row: StepRow | None,
    failure: Failure | None,
    pending: Mapping[StepName, StepView],
    ended: Mapping[StepName, StepView],
) -> StepView:
    if step in pending:
        return pending[step]
    told = forward_view(step, row, failure)
    return ended.get(step, told) if told.status is StepStatus.PENDING else told


def _compensation(
    compensation: Compensation,
    row: StepRow | None,
    pending: Mapping[StepName, StepView],
    ended: Mapping[StepName, StepView],
) -> StepView | None:
    return pending.get(compensation) or compensation_view(compensation, row) or ended.get(compensation)


def _status(
    forward: list[StepView], undone: list[StepView], rows: Iterable[StepRow], timeline: Timeline
) -> TransferStatus:
    if any(step.is_parked for step in timeline.open):
        return TransferStatus.NEEDS_ATTENTION
    if undone or any(row.decision is Decision.CANCELLED for row in rows):
        return TransferStatus.COMPENSATING
    if any(step.status is not StepStatus.PENDING for step in forward):
        return TransferStatus.RUNNING
    return TransferStatus.ACCEPTED


def _failure_in(rows: Mapping[Step, StepRow]) -> Failure | None:
    withdraw = rows.get(Step.WITHDRAW)
    return withdraw.failure if withdraw else None
