"""What a run's history and pending activities say about its steps: pure, from what the Temporal server answered."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import TimeoutType
from temporalio.api.failure.v1 import Failure as TemporalFailure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.contrib.pydantic import pydantic_data_converter
from transfer_contract.names import PARKED_AFTER_ATTEMPTS
from transfer_contract.steps import REFUSALS, Compensation, Failure, Step, StepError, StepRow
from transfer_contract.transfers import AbortRequest, StepName, StepStatus, StepView, TransferResult

from status_checker.step_views import Attempts, step_view

Decoded = TypeVar("Decoded")

MAX_DETAIL_LENGTH: Final = 500
"""As in service_runtime's `step_error`: an error message of any length fits a page."""

_ENDINGS: Final = frozenset(
    f"activity_task_{how}_event_attributes" for how in ("completed", "failed", "timed_out", "canceled")
)
_NAMES: Final[Mapping[str, StepName]] = {name.value: name for name in (*Step, *Compensation)}
_CANCELLED: Final = StepError(code="cancelled", detail="cancelled before it had answered")


@dataclass(frozen=True)
class OpenStep:
    """A step that the run waits for."""

    view: StepView
    queue: str
    is_described: bool = True
    """False where what is pending was read after the step had ended: its ending is an event that is still to come."""

    @property
    def is_parked(self) -> bool:
        """Only what is retried without limit can be."""
        unlimited = isinstance(self.view.name, Compensation) or self.view.name is Step.RELEASE
        return unlimited and self.view.attempts > PARKED_AFTER_ATTEMPTS


@dataclass(frozen=True)
class Timeline:
    """The steps of one run. `rows`: what they answered, oldest first; `ended`: each that is over, as history saw it.

    `failure` is the original one, known from the first compensation on.
    """

    rows: tuple[StepRow, ...] = ()
    open: tuple[OpenStep, ...] = ()
    ended: Mapping[StepName, StepView] = field(default_factory=dict)
    failure: Failure | None = None


@dataclass
class _Activity:
    name: StepName
    scheduled: HistoryEvent
    attempts: int = 0
    worker: str | None = None
    given_up: HistoryEvent | None = None
    ending: HistoryEvent | None = None


def read_timeline(events: Iterable[HistoryEvent], pending: Iterable[PendingActivityInfo]) -> Timeline:
    """`events` must have been read after `pending`: what has ended in history is over, whatever was pending."""
    activities = _activities(events)
    by_id = {info.activity_id: info for info in pending}
    rows = [_answer(activity) for activity in activities]
    return Timeline(
        rows=tuple(row for row in rows if row is not None),
        open=tuple(_open_step(activity, by_id) for activity in activities if _is_open(activity)),
        ended={activity.name: _ended_view(activity) for activity in activities if not _is_open(activity)},
        failure=_original_failure(activities),
    )


def tells_of_a_step(event: HistoryEvent) -> bool:
    return (event.WhichOneof("attributes") or "").startswith("activity_task_")


def read_result(events: Sequence[HistoryEvent]) -> TransferResult | None:
    """The result of a run that closed as completed; None for every other."""
    if not events or not events[-1].HasField("workflow_execution_completed_event_attributes"):
        return None
    return _decode(events[-1].workflow_execution_completed_event_attributes.result.payloads, TransferResult)


def _activities(events: Iterable[HistoryEvent]) -> list[_Activity]:
    """In the order in which they were scheduled."""
    found: dict[int, _Activity] = {}
    for event in events:
        kind = event.WhichOneof("attributes")
        if kind == "activity_task_scheduled_event_attributes":
            name = _NAMES.get(event.activity_task_scheduled_event_attributes.activity_type.name)
            if name is not None:
                found[event.event_id] = _Activity(name, event)
            continue
        activity = found.get(getattr(_attributes(event), "scheduled_event_id", 0))
        if activity is None:
            continue
        if kind == "activity_task_started_event_attributes":
            activity.attempts = event.activity_task_started_event_attributes.attempt
            activity.worker = event.activity_task_started_event_attributes.identity or None
        elif kind == "activity_task_cancel_requested_event_attributes":
            activity.given_up = event
        elif kind in _ENDINGS:
            activity.ending = event
    return list(found.values())


def _is_open(activity: _Activity) -> bool:
    """A step that the run has asked to cancel is nothing that it waits for any more."""
    return activity.ending is None and activity.given_up is None


def _open_step(activity: _Activity, pending: Mapping[str, PendingActivityInfo]) -> OpenStep:
    scheduled = activity.scheduled.activity_task_scheduled_event_attributes
    info = pending.get(scheduled.activity_id, PendingActivityInfo(attempt=1))
    view = step_view(
        activity.name,
        StepStatus.RETRYING if info.attempt > 1 else StepStatus.RUNNING,
        Attempts(
            info.attempt,
            error=error_of(info.last_failure) if info.HasField("last_failure") else None,
            worker=info.last_worker_identity or None,
            next_at=next_attempt_at(info),
        ),
        started_at=_time_of(activity.scheduled),
    )
    return OpenStep(view, scheduled.task_queue.name, is_described=scheduled.activity_id in pending)


def next_attempt_at(info: PendingActivityInfo) -> datetime | None:
    """The server names a moment only as long as it lies ahead, by its own clock."""
    return info.next_attempt_schedule_time.ToDatetime(UTC) if info.HasField("next_attempt_schedule_time") else None


def _ended_view(activity: _Activity) -> StepView:
    ending = activity.ending or activity.given_up or activity.scheduled
    done = ending.HasField("activity_task_completed_event_attributes")
    failure = getattr(_attributes(ending), "failure", None)
    error = None if done else error_of(failure) if failure else _CANCELLED
    return step_view(
        activity.name,
        StepStatus.DONE if done else StepStatus.FAILED,
        Attempts(activity.attempts, error, activity.worker),
        started_at=_time_of(activity.scheduled),
        finished_at=_time_of(ending),
    )


def _answer(activity: _Activity) -> StepRow | None:
    """The row that a step answered: its result, or the first detail of its refusal."""
    if activity.ending is None:
        return None
    if activity.ending.HasField("activity_task_completed_event_attributes"):
        return _decode(activity.ending.activity_task_completed_event_attributes.result.payloads, StepRow)
    refusal = activity.ending.activity_task_failed_event_attributes.failure.application_failure_info
    return _decode(refusal.details.payloads, StepRow) if refusal.type in REFUSALS else None


def _original_failure(activities: Iterable[_Activity]) -> Failure | None:
    """From the input of the first compensation: every one of them carries it."""
    for activity in activities:
        if isinstance(activity.name, Compensation):
            given = activity.scheduled.activity_task_scheduled_event_attributes.input.payloads
            request = _decode(given, AbortRequest)
            return request.failure if request else None
    return None


def error_of(failure: TemporalFailure) -> StepError:
    """An error's own type, or which of Temporal's timeouts it was."""
    if failure.HasField("timeout_failure_info"):
        kind = TimeoutType.Name(failure.timeout_failure_info.timeout_type).removeprefix("TIMEOUT_TYPE_")
        code = f"{kind.lower()}_timeout"
    else:
        code = failure.application_failure_info.type or "error"
    return StepError(code=code, detail=failure.message[:MAX_DETAIL_LENGTH])


def _decode(payloads: Sequence[Payload], kind: type[Decoded]) -> Decoded | None:
    """None where nothing was handed over. Raises pydantic's ValidationError where it isn't of that kind."""
    if not payloads:
        return None
    decoded: Decoded = pydantic_data_converter.payload_converter.from_payload(payloads[0], kind)
    return decoded


def _attributes(event: HistoryEvent) -> Any:
    return getattr(event, event.WhichOneof("attributes") or "", None)


def _time_of(event: HistoryEvent) -> datetime:
    return event.event_time.ToDatetime(UTC)
