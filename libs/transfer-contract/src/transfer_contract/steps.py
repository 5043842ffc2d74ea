"""The saga's vocabulary: steps, decisions, decision rows, and the final status that follows from them."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict


class Step(StrEnum):
    """The forward steps, in order. `record` is the commit point (rule 4)."""

    WITHDRAW = "withdraw"
    DEPOSIT = "deposit"
    RECORD = "record"
    RELEASE = "release"


class Compensation(StrEnum):
    """The compensations in the order of the abort (rule 5): last in, first out."""

    RECORD = "record_compensation"
    DEPOSIT = "deposit_compensation"
    WITHDRAW = "withdraw_compensation"

    @property
    def step(self) -> Step:
        return Step(self.value.removesuffix("_compensation"))


class Decision(StrEnum):
    """What a decision row says. First writer wins; only `applied` may still become `compensated` (rule 2)."""

    APPLIED = "applied"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    COMPENSATED = "compensated"


class FinalStatus(StrEnum):
    COMPLETED = "completed"
    REJECTED = "rejected"
    COMPENSATED = "compensated"


class FailureCode(StrEnum):
    """Why a transfer did not complete. The first five are refusals: decided once, never retried."""

    UNKNOWN_ACCOUNT = "unknown_account"
    ACCOUNT_CLOSED = "account_closed"
    CURRENCY_MISMATCH = "currency_mismatch"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    LEDGER_REJECTED = "ledger_rejected"
    STEP_FAILED = "step_failed"
    STEP_TIMED_OUT = "step_timed_out"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    """Only in the result of a run whose rows belong to another request."""


REFUSALS: Final = frozenset(
    {
        FailureCode.UNKNOWN_ACCOUNT,
        FailureCode.ACCOUNT_CLOSED,
        FailureCode.CURRENCY_MISMATCH,
        FailureCode.INSUFFICIENT_FUNDS,
        FailureCode.LEDGER_REJECTED,
    }
)


class Payload(BaseModel):
    """Base of everything that crosses a process boundary: immutable.

    Fields that a reader doesn't know are passed over, so that two versions understand each other during a deploy; what
    clients send is checked strictly at the gateway.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")


class StepError(Payload):
    """The last error of a step's attempts: a failure code or an error's type name, and a sentence."""

    code: str
    detail: str


class Occurrence(Payload):
    """One deciding attempt: which it was (from 1), when its activity was scheduled, when its row was written."""

    attempt: int
    scheduled_at: datetime
    decided_at: datetime
    error: StepError | None = None
    """A refusal, or else the last error of the attempts before this one."""
    worker: str | None = None
    """The identity of the worker process that wrote the row."""


class Failure(Payload):
    """The original failure that made a transfer abort. The withdraw row keeps it, and it never changes."""

    code: FailureCode
    detail: str
    step: Step | None = None
    """None where a cancel arrived before any step was scheduled."""
    attempts: int = 0
    """Attempts of `step` known to the workflow when it gave up."""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    worker: str | None = None
    """The identity of the worker process that made the last of them, as far as the workflow knows."""


class StepRow(Payload):
    """A decision row, as the participants store and answer it (rule 2).

    `forward` is None where only a compensation wrote the row (a tombstone); `compensation` is None where none did.
    `failure` stands in the withdraw row of an aborted transfer only.
    """

    transfer_id: str
    step: Step
    decision: Decision
    forward: Occurrence | None = None
    compensation: Occurrence | None = None
    failure: Failure | None = None

    @property
    def finished_at(self) -> datetime:
        last = self.compensation or self.forward
        if last is None:
            raise ValueError(f"row {self.transfer_id}/{self.step} was written by nobody")
        return last.decided_at


def decision_of(rows: Iterable[StepRow], step: Step) -> Decision | None:
    return next((row.decision for row in rows if row.step is step), None)


def final_status(rows: Iterable[StepRow]) -> FinalStatus | None:
    """Rule 10: the final status is a function of the accounts rows only; None while it isn't final."""
    return status_by({row.step: row.decision for row in rows})


def status_by(decisions: Mapping[Step, Decision]) -> FinalStatus | None:
    """The same, of what the rows say."""
    withdraw = decisions.get(Step.WITHDRAW)
    if decisions.get(Step.RELEASE) is Decision.APPLIED:
        return FinalStatus.COMPLETED
    if withdraw is Decision.REJECTED:
        return FinalStatus.REJECTED
    undone = withdraw is Decision.CANCELLED or withdraw is Decision.COMPENSATED
    if undone and decisions.get(Step.DEPOSIT) is not Decision.APPLIED:
        return FinalStatus.COMPENSATED
    return None


def original_failure(rows: Iterable[StepRow]) -> Failure | None:
    """Why a final transfer did not complete, from its rows: the refusal of `withdraw`, or what the abort brought along.

    None for a completed transfer: a failure on its way there was overtaken by the commit point.
    """
    rows = list(rows)
    withdraw = next((row for row in rows if row.step is Step.WITHDRAW), None)
    if withdraw is None or final_status(rows) in (None, FinalStatus.COMPLETED):
        return None
    if withdraw.decision is not Decision.REJECTED:
        return withdraw.failure
    return refusal_of(withdraw)


def refusal_of(row: StepRow) -> Failure:
    """The failure that a `rejected` row stands for. Raises ValueError for any other row."""
    if row.decision is not Decision.REJECTED or row.forward is None or row.forward.error is None:
        raise ValueError(f"row {row.transfer_id}/{row.step} is not a refusal")
    return Failure(
        code=FailureCode(row.forward.error.code),
        detail=row.forward.error.detail,
        step=row.step,
        attempts=row.forward.attempt,
        started_at=row.forward.scheduled_at,
        finished_at=row.forward.decided_at,
        worker=row.forward.worker,
    )
