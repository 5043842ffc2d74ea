"""Temporal's histories and pending activities written by hand, as the server answers them."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel
from temporalio.api.common.v1 import ActivityType, Payloads
from temporalio.api.enums.v1 import TimeoutType
from temporalio.api.failure.v1 import (
    ApplicationFailureInfo,
    CanceledFailureInfo,
    TimeoutFailureInfo,
)
from temporalio.api.failure.v1 import Failure as TemporalFailure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.contrib.pydantic import pydantic_data_converter

_QUEUES = {"record": "ledger", "record_compensation": "ledger"}


class History:
    """Each method adds an event; activities are named as their id, as `TransferMoney` does."""

    def __init__(self) -> None:
        self.events: list[HistoryEvent] = []
        self._scheduled: dict[str, int] = {}

    def scheduled(self, name: str, when: datetime, given: BaseModel | None = None) -> "History":
        event = self._add("activity_task_scheduled_event_attributes", when)
        attributes = event.activity_task_scheduled_event_attributes
        attributes.activity_id = name
        attributes.activity_type.CopyFrom(ActivityType(name=name))
        attributes.task_queue.CopyFrom(TaskQueue(name=_QUEUES.get(name, "accounts")))
        if given is not None:
            attributes.input.CopyFrom(payloads(given))
        self._scheduled[name] = event.event_id
        return self

    def completed(
        self, name: str, when: datetime, answer: BaseModel, *, attempt: int = 1, worker: str = ""
    ) -> "History":
        event = self._ended("completed", name, when, attempt, worker)
        event.activity_task_completed_event_attributes.result.CopyFrom(payloads(answer))
        return self

    def failed(self, name: str, when: datetime, why: TemporalFailure, *, attempt: int = 1) -> "History":
        event = self._ended("failed", name, when, attempt)
        event.activity_task_failed_event_attributes.failure.CopyFrom(why)
        return self

    def timed_out(
        self, name: str, when: datetime, why: TemporalFailure, *, attempt: int = 1, worker: str = ""
    ) -> "History":
        event = self._ended("timed_out", name, when, attempt, worker)
        event.activity_task_timed_out_event_attributes.failure.CopyFrom(why)
        return self

    def cancel_requested(self, name: str, when: datetime) -> "History":
        self._about("cancel_requested", name, when)
        return self

    def canceled(self, name: str, when: datetime) -> "History":
        self._about("canceled", name, when)
        return self

    def workflow_completed(self, when: datetime, result: BaseModel) -> "History":
        event = self._add("workflow_execution_completed_event_attributes", when)
        event.workflow_execution_completed_event_attributes.result.CopyFrom(payloads(result))
        return self

    def _ended(self, how: str, name: str, when: datetime, attempt: int, worker: str = "") -> HistoryEvent:
        started = self._about("started", name, when)
        started.activity_task_started_event_attributes.attempt = attempt
        started.activity_task_started_event_attributes.identity = worker
        return self._about(how, name, when)

    def _about(self, what: str, name: str, when: datetime) -> HistoryEvent:
        kind = f"activity_task_{what}_event_attributes"
        event = self._add(kind, when)
        getattr(event, kind).scheduled_event_id = self._scheduled[name]
        return event

    def _add(self, kind: str, when: datetime) -> HistoryEvent:
        event = HistoryEvent(event_id=len(self.events) + 1)
        event.event_time.FromDatetime(when)
        getattr(event, kind).SetInParent()
        self.events.append(event)
        return event


def pending(
    name: str,
    *,
    attempt: int = 1,
    why: TemporalFailure | None = None,
    worker: str = "",
    next_attempt_at: datetime | None = None,
) -> PendingActivityInfo:
    info = PendingActivityInfo(
        activity_id=name,
        activity_type=ActivityType(name=name),
        attempt=attempt,
        last_failure=why,
        last_worker_identity=worker,
    )
    if next_attempt_at is not None:
        info.next_attempt_schedule_time.FromDatetime(next_attempt_at)
    return info


def application_error(code: str, detail: str = "no", *details: Any) -> TemporalFailure:
    info = ApplicationFailureInfo(type=code, details=payloads(*details) if details else None)
    return TemporalFailure(message=detail, application_failure_info=info)


def timeout(kind: TimeoutType.ValueType) -> TemporalFailure:
    return TemporalFailure(message="too late", timeout_failure_info=TimeoutFailureInfo(timeout_type=kind))


def cancelled_error() -> TemporalFailure:
    return TemporalFailure(message="cancelled", canceled_failure_info=CanceledFailureInfo())


def payloads(*values: Any) -> Payloads:
    return Payloads(payloads=pydantic_data_converter.payload_converter.to_payloads(values))
