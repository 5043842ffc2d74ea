"""How a transfer and its steps look to a client, as far as decision rows tell it: while it runs and ever after."""

from collections.abc import Iterable
from datetime import UTC, datetime

from transfer_contract.names import Process
from transfer_contract.steps import Compensation, Decision, Failure, Step, StepError, StepRow
from transfer_contract.transfers import (
    FailureView,
    StepStatus,
    StepView,
    TransferRequest,
    TransferStatus,
    TransferView,
)

StepName = Step | Compensation


def step_view(
    name: StepName,
    status: StepStatus,
    *,
    attempts: int = 0,
    started_at: datetime | None = None,
    finished_at: datetime | None = None,
    error: StepError | None = None,
) -> StepView:
    return StepView(
        name=name,
        kind="forward" if isinstance(name, Step) else "compensation",
        status=status,
        attempts=attempts,
        started_at=_in_utc(started_at),
        finished_at=_in_utc(finished_at),
        error=error,
    )


def forward_view(step: Step, row: StepRow | None, failure: Failure | None) -> StepView:
    """A forward step by its row; without a forward attempt in it, by the failure that made the transfer abort."""
    if row is not None and row.forward is not None:
        failed = row.decision in (Decision.REJECTED, Decision.CANCELLED)
        return step_view(
            step,
            StepStatus.FAILED if failed else StepStatus.DONE,
            attempts=row.forward.attempt,
            started_at=row.forward.scheduled_at,
            finished_at=row.forward.decided_at,
            error=row.forward.error,
        )
    if failure is not None and failure.step is step:
        return step_view(
            step,
            StepStatus.FAILED,
            attempts=failure.attempts,
            started_at=failure.started_at,
            finished_at=failure.finished_at,
            error=StepError(code=failure.code, detail=failure.detail),
        )
    return step_view(step, StepStatus.PENDING)


def compensation_view(compensation: Compensation, row: StepRow | None) -> StepView | None:
    """None where no compensation has written the row, or changed it."""
    if row is None or row.compensation is None:
        return None
    return step_view(
        compensation,
        StepStatus.DONE,
        attempts=row.compensation.attempt,
        started_at=row.compensation.scheduled_at,
        finished_at=row.compensation.decided_at,
        error=row.compensation.error,
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
    waiting_for: Process | None = None,
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
        waiting_for=waiting_for,
    )


def _in_utc(moment: datetime | None) -> datetime | None:
    """One way of writing a moment, whichever database or converter it came through: the view's bytes depend on it."""
    return moment.astimezone(UTC) if moment else None
