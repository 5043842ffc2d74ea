"""What every activity does at its edge: say which attempt it is, and turn a refusal into Temporal's error."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from transfer_contract.steps import Decision, Occurrence, StepError, StepRow

from service_runtime.activity_interceptor import last_error
from service_runtime.database import DATABASE_AWAY, in_transaction
from service_runtime.worker_identity import identity_on

Result = TypeVar("Result")


@dataclass(frozen=True)
class Attempt:
    """The attempt that a decision is made in; a row keeps it (see `Occurrence`)."""

    number: int
    scheduled_at: datetime
    last_error: StepError | None = None
    worker: str | None = None

    def decided(self, at: datetime, refusal: StepError | None = None) -> Occurrence:
        return Occurrence(
            attempt=self.number,
            scheduled_at=self.scheduled_at,
            decided_at=at,
            error=refusal or self.last_error,
            worker=self.worker,
        )


def this_attempt() -> Attempt:
    """Inside an activity only."""
    info = activity.info()
    return Attempt(
        number=info.attempt,
        scheduled_at=info.scheduled_time,
        last_error=last_error(),
        worker=identity_on(info.task_queue),
    )


def decide(engine: Engine, work: Callable[[Connection], Result]) -> Result:
    """One transaction of an activity. Where the database fails, so does the attempt, and Temporal makes another.

    The client sees the error: it says what happened, and leaves SQL and its parameters to the log.
    """
    try:
        return in_transaction(engine, work)
    except DATABASE_AWAY as error:
        raise ApplicationError("the database doesn't answer", type="database_unavailable") from error
    except DBAPIError as error:
        structlog.get_logger().error("the database refused a step", exc_info=error)
        raise ApplicationError("the database refused the step", type="database_error") from None


def answer(row: StepRow) -> StepRow:
    """The row, unless it says that the step was refused: then the error that Temporal shows and never retries.

    Only for forward steps: a compensation that finds a refused row has done its work.
    """
    if row.decision is not Decision.REJECTED:
        return row
    refusal = row.forward.error if row.forward else None
    code, detail = (refusal.code, refusal.detail) if refusal else ("rejected", "refused earlier")
    raise ApplicationError(detail, row, type=code, non_retryable=True, category=ApplicationErrorCategory.BENIGN)
