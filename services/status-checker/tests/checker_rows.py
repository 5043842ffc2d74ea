"""Requests and decision rows written by hand, with a clock that counts seconds."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from transfer_contract.steps import Decision, Failure, FailureCode, Occurrence, Step, StepError, StepRow
from transfer_contract.transfers import TransferRequest

NOON = datetime(2026, 1, 2, 12, 0, 0, 123456, tzinfo=UTC)
WORKER = "account-worker@host:1"
"""Wrote every row, unless a test says otherwise."""


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def request(
    *, source: str = "alice", amount_minor: int = 2500, created_at: datetime = NOON, reference: str | None = "rent"
) -> TransferRequest:
    return TransferRequest(
        transfer_id=str(uuid4()),
        source_account=source,
        destination_account="bob",
        amount_minor=amount_minor,
        currency="EUR",
        reference=reference,
        created_at=created_at,
    )


def occurrence(
    scheduled: float, decided: float | None = None, *, attempt: int = 1, error: StepError | None = None
) -> Occurrence:
    decided_at = at(scheduled + 0.5 if decided is None else decided)
    return Occurrence(attempt=attempt, scheduled_at=at(scheduled), decided_at=decided_at, error=error, worker=WORKER)


def applied(step: Step, scheduled: float) -> StepRow:
    return _row(step, Decision.APPLIED, forward=occurrence(scheduled))


def rejected(step: Step, scheduled: float, code: FailureCode) -> StepRow:
    error = StepError(code=code, detail=f"{step} refused")
    return _row(step, Decision.REJECTED, forward=occurrence(scheduled, error=error))


def compensated(step: Step, scheduled: float, undone: float, failure: Failure | None = None) -> StepRow:
    return _row(
        step, Decision.COMPENSATED, forward=occurrence(scheduled), compensation=occurrence(undone), failure=failure
    )


def tombstone(step: Step, undone: float, failure: Failure | None = None) -> StepRow:
    return _row(step, Decision.CANCELLED, compensation=occurrence(undone), failure=failure)


def shut_by_guard(step: Step, scheduled: float) -> StepRow:
    return _row(step, Decision.CANCELLED, forward=occurrence(scheduled))


def failure(code: FailureCode, step: Step | None, *, attempts: int = 1) -> Failure:
    return Failure(
        code=code, detail=f"{code} at {step}", step=step, attempts=attempts, started_at=at(20), finished_at=at(25)
    )


def completed_rows() -> list[StepRow]:
    return [applied(step, number) for number, step in enumerate(Step)]


def refused_by_ledger_rows() -> list[StepRow]:
    """Rule 5's second shortcut: the door was shut by the refusal, two compensations, last in, first out."""
    why = failure(FailureCode.LEDGER_REJECTED, Step.RECORD)
    return [
        compensated(Step.WITHDRAW, 0, 4, why),
        compensated(Step.DEPOSIT, 1, 3),
        rejected(Step.RECORD, 2, FailureCode.LEDGER_REJECTED),
    ]


def shut_by_deposit_rows(code: FailureCode = FailureCode.ACCOUNT_CLOSED) -> list[StepRow]:
    """The same by the deposit, refused or shut by its guard: one compensation, and no row in the ledger."""
    interrupted = code is FailureCode.INTERRUPTED
    deposit = shut_by_guard(Step.DEPOSIT, 1) if interrupted else rejected(Step.DEPOSIT, 1, code)
    return [compensated(Step.WITHDRAW, 0, 2, failure(code, Step.DEPOSIT)), deposit]


def _row(
    step: Step,
    decision: Decision,
    *,
    forward: Occurrence | None = None,
    compensation: Occurrence | None = None,
    failure: Failure | None = None,
) -> StepRow:
    return StepRow(
        transfer_id="t", step=step, decision=decision, forward=forward, compensation=compensation, failure=failure
    )
