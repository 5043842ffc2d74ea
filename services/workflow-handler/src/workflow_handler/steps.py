"""The steps of one transfer as the workflow calls them, and what it hears: a row, or why there is none."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, RetryState, is_cancelled_exception
from temporalio.exceptions import TimeoutError as StepTimedOut

with workflow.unsafe.imports_passed_through():
    from transfer_contract.activities import AccountActivities, LedgerActivities
    from transfer_contract.names import TaskQueue
    from transfer_contract.steps import (
        REFUSALS,
        Compensation,
        Decision,
        Failure,
        FailureCode,
        Step,
        StepRow,
        refusal_of,
    )
    from transfer_contract.transfers import AbortRequest, TransferRequest

from workflow_handler.policies import Timings, forward_step, unlimited_step


@dataclass
class NotApplied(Exception):  # noqa: N818 - an outcome, not an error
    """A forward step that didn't answer `applied`. `row` is None where its outcome is unknown (rule 5)."""

    step: Step
    failure: Failure
    row: StepRow | None = None

    @property
    def ends_the_transfer(self) -> bool:
        """Rule 5's first shortcut, nothing to undo: `withdraw` was rejected, or the rows are another request's."""
        if self.failure.code is FailureCode.IDEMPOTENCY_KEY_REUSED:
            return True
        return self.step is Step.WITHDRAW and self.row is not None and self.row.decision is Decision.REJECTED

    @property
    def shuts_the_door(self) -> bool:
        """Rule 5's second shortcut: with such an answer of `deposit` or `record`, `record` can't apply any more."""
        return self.step in (Step.DEPOSIT, Step.RECORD) and self.row is not None


class TransferSteps:
    """The activities of one transfer, each by its contract, with its name as its activity id."""

    def __init__(self, request: TransferRequest, timings: Timings) -> None:
        self._request = request
        self._timings = timings

    async def forward(self, step: Step) -> StepRow:
        """The step's row where it says `applied`. Raises NotApplied otherwise, with the original failure."""
        started_at = workflow.now()
        try:
            row = await self._attempt(step)
        except (ActivityError, asyncio.CancelledError) as error:
            raise self._not_applied(step, error, started_at) from error
        if row.decision is not Decision.APPLIED:
            raise NotApplied(step, row.failure or interrupted(step), row)
        return row

    async def _attempt(self, step: Step) -> StepRow:
        method, queue = _FORWARD[step]
        return await workflow.execute_activity_method(method, self._request, **forward_step(self._timings, step, queue))

    async def release(self) -> StepRow:
        """Past the commit point: retried without limit (rule 8)."""
        return await workflow.execute_activity_method(
            AccountActivities.release,
            self._request,
            **unlimited_step(self._timings, Step.RELEASE, TaskQueue.ACCOUNTS),
        )

    async def compensate(self, compensation: Compensation, failure: Failure) -> StepRow:
        """Undoes the step or leaves its tombstone (rule 8); the original failure goes along, for the rows to keep."""
        method, queue = _COMPENSATIONS[compensation]
        return await workflow.execute_activity_method(
            method,
            AbortRequest(transfer=self._request, failure=failure),
            **unlimited_step(self._timings, compensation, queue),
        )

    def _not_applied(self, step: Step, error: BaseException, started_at: datetime) -> NotApplied:
        """What a step's error says: a refusal (its row comes along), or nothing about the outcome (rule 5)."""
        cause = error.cause if isinstance(error, ActivityError) else error
        if isinstance(cause, ApplicationError) and cause.type in REFUSALS:
            row = StepRow.model_validate(cause.details[0])
            return NotApplied(step, refusal_of(row), row)
        return NotApplied(step, unknown_outcome(step, error, self._timings, started_at))


def unknown_outcome(step: Step, error: BaseException, timings: Timings, started_at: datetime | None) -> Failure:
    """What is told of a step whose activity ended without an answer."""
    code, detail = _reason(step, error, error.cause if isinstance(error, ActivityError) else error)
    used_up = isinstance(error, ActivityError) and error.retry_state is RetryState.MAXIMUM_ATTEMPTS_REACHED
    return Failure(
        code=code,
        detail=detail,
        step=step,
        attempts=timings.forward_attempts if used_up else 1,
        started_at=started_at,
        finished_at=workflow.now(),
        worker=_worker(error),
    )


def _reason(step: Step, error: BaseException, cause: BaseException | None) -> tuple[FailureCode, str]:
    if is_cancelled_exception(error):
        return FailureCode.CANCELLED, f"cancelled on request while {step} was under way"
    if isinstance(cause, StepTimedOut):
        return FailureCode.STEP_TIMED_OUT, f"{step} did not answer in time"
    if isinstance(cause, ApplicationError) and cause.type == FailureCode.IDEMPOTENCY_KEY_REUSED:
        return FailureCode.IDEMPOTENCY_KEY_REUSED, cause.message
    reason = cause.message if isinstance(cause, FailureError) else str(cause)
    return FailureCode.STEP_FAILED, f"{step} failed: {reason}"


def _worker(error: BaseException) -> str | None:
    """Who made the last attempt; None where it timed out or was cut short: then nobody has told."""
    return (error.identity or None) if isinstance(error, ActivityError) else None


def interrupted(step: Step) -> Failure:
    return Failure(code=FailureCode.INTERRUPTED, detail=f"{step} had been shut by someone else", step=step)


_ForwardMethod = Callable[[Any, TransferRequest], StepRow]
_FORWARD: Final[dict[Step, tuple[_ForwardMethod, TaskQueue]]] = {
    Step.WITHDRAW: (AccountActivities.withdraw, TaskQueue.ACCOUNTS),
    Step.DEPOSIT: (AccountActivities.deposit, TaskQueue.ACCOUNTS),
    Step.RECORD: (LedgerActivities.record, TaskQueue.LEDGER),
}

_CompensationMethod = Callable[[Any, AbortRequest], StepRow]
_COMPENSATIONS: Final[dict[Compensation, tuple[_CompensationMethod, TaskQueue]]] = {
    Compensation.RECORD: (LedgerActivities.record_compensation, TaskQueue.LEDGER),
    Compensation.DEPOSIT: (AccountActivities.deposit_compensation, TaskQueue.ACCOUNTS),
    Compensation.WITHDRAW: (AccountActivities.withdraw_compensation, TaskQueue.ACCOUNTS),
}
