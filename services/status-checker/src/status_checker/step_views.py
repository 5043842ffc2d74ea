"""How a transfer and its steps look to a client, as far as decision rows tell it: while it runs and ever after."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from transfer_contract.steps import Compensation, Decision, Failure, Occurrence, Step, StepError, StepRow
from transfer_contract.transfers import (
    FailureView,
    StepName,
    StepStatus,
    StepView,
    TransferRequest,
    TransferStatus,
    TransferView,
)


@dataclass(frozen=True)
class Attempts:
    """What is known of a step's attempts: how many, the last error and worker, when the next one is."""

    count: int
    error: StepError | None = None
    worker: str | None = None
    next_at: datetime | None = None


NONE_YET: Final = Attempts(0)


def step_view(
    name: StepName,
    status: StepStatus,
    attempts: Attempts = NONE_YET,
    *,
    started_at: datetime | None = None,
    finished_at: datetime | None = None,
) -> StepView:
    return StepView(
        name=name,
        kind="forward" if isinstance(name, Step) else "compensation",
        status=status,
        attempts=attempts.count,
        started_at=_in_utc(started_at),
        finished_at=_in_utc(finished_at),
        error=attempts.error,
        worker=attempts.worker,
        next_attempt_at=_in_utc(attempts.next_at),
    )


def forward_view(step: Step, row: StepRow | None, failure: Failure | None) -> StepView:
    """A forward step by its row; without a forward attempt in it, by the failure that made the transfer abort."""
    if row is not None and row.forward is not None:
        failed = row.decision in (Decision.REJECTED, Decision.CANCELLED)
        return step_view(
            step,
            StepStatus.FAILED if failed else StepStatus.DONE,
            _attempts(row.forward),
            started_at=row.forward.scheduled_at,
            finished_at=row.forward.decided_at,
        )
    if failure is not None and failure.step is step:
        return step_view(
            step,
            StepStatus.FAILED,
            Attempts(failure.attempts, StepError(code=failure.code, detail=failure.detail), failure.worker),
            started_at=failure.started_at,
            finished_at=failure.finished_at,
        )
    return step_view(step, StepStatus.PENDING)


def compensation_view(compensation: Compensation, row: StepRow | None) -> StepView | None:
    """None where no compensation has written the row, or changed it."""
    if row is None or row.compensation is None:
        return None
    return step_view(
        compensation,
        StepStatus.DONE,
        _attempts(row.compensation),
        started_at=row.compensation.scheduled_at,
        finished_at=row.compensation.decided_at,
    )


def in_starting_order(compensations: Iterable[StepView | None]) -> list[StepView]:
    """Those that there are; given in the order of the abort, which also decides between equal times."""
    started = [(view.started_at, view) for view in compensations if view is not None and view.started_at is not None]
    return [view for _, view in sorted(started, key=lambda pair: pair[0])]


def transfer_view(
    transfer: TransferRequest,
    status: TransferStatus,
    steps: list[StepView],
    *,
    failure: Failure | None,
    finished_at: datetime | None = None,
) -> TransferView:
    return TransferView(
        id=transfer.transfer_id,
        status=status,
        source_account=transfer.source_account,
        destination_account=transfer.destination_account,
        amount_minor=transfer.amount_minor,
        currency=transfer.currency,
        reference=transfer.reference,
        created_at=transfer.created_at.astimezone(UTC),
        finished_at=_in_utc(finished_at),
        steps=steps,
        failure=FailureView(code=failure.code, step=failure.step, detail=failure.detail) if failure else None,
        waiting_for=None,
    )


def _attempts(decided: Occurrence) -> Attempts:
    return Attempts(decided.attempt, decided.error, decided.worker)


def _in_utc(moment: datetime | None) -> datetime | None:
    """One way of writing a moment, whichever database or converter it came through: the view's bytes depend on it."""
    return moment.astimezone(UTC) if moment else None
