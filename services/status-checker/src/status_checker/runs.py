"""What the Temporal server knows of transfers: runs, their end, their next event. No worker is asked, ever."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Counter
from service_runtime.carrying import carries, is_open
from service_runtime.problems import unavailable
from service_runtime.temporal import ask_temporal, describe_workflow, has_no_history
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowHandle,
    WorkflowHistoryEventFilterType,
)
from temporalio.service import RPCError
from transfer_contract.names import finisher_id, workflow_id
from transfer_contract.transfers import TransferMemo, TransferRequest, TransferResult

from status_checker.timeline import Timeline, read_result, read_timeline

LONG_POLL_SECONDS: Final = 2.0
"""A server that hangs looks like a run that goes on: no longer than this does it hold up what the rows may know."""

BURST_SECONDS: Final = 0.02
"""A workflow task writes several events within milliseconds: one look for all of them."""


@dataclass(frozen=True)
class Pulse:
    """What of a run changes without an event in its history: equal as long as nothing has. Heartbeats don't count."""

    workflow_id: str
    run_id: str
    is_open: bool
    pending: tuple[PendingActivityInfo, ...]


@dataclass(frozen=True)
class Run:
    """The newest run of a transfer, or the reconciler's where that one has taken it over.

    `result` only where it closed as completed.
    """

    transfer: TransferRequest
    result: TransferResult | None
    timeline: Timeline
    pulse: Pulse

    @property
    def is_closed(self) -> bool:
        return not self.pulse.is_open


class Runs:
    def __init__(self, client: Client, registry: CollectorRegistry, *, timeout_seconds: float) -> None:
        self._client = client
        self._timeout_seconds = timeout_seconds
        self._requests = Counter("temporal_requests", "Requests about single transfers.", ["call"], registry=registry)

    async def newest(self, transfer_id: str) -> Run | None:
        """None where Temporal knows of none. Raises `Problem(unavailable)` where it can't be asked."""
        return await ask_temporal(lambda: self._read(transfer_id), timeout_seconds=self._timeout_seconds)

    async def closing(self, transfer_id: str) -> bool:
        """True as soon as the newest run has closed, there is none, or Temporal can't be asked.

        False where it still runs after `LONG_POLL_SECONDS`.
        """
        closing = self._handle(workflow_id(transfer_id)).fetch_history_events(
            wait_new_event=True, event_filter_type=WorkflowHistoryEventFilterType.CLOSE_EVENT
        )
        try:
            async with asyncio.timeout(LONG_POLL_SECONDS):
                await anext(closing)
        except TimeoutError:
            return False
        except (RPCError, RuntimeError):  # RuntimeError: the lazy client's first connection
            return True
        return True

    async def pulse(self, transfer_id: str) -> Pulse | None:
        """One cheap request. None where Temporal knows of no run. Raises `Problem(unavailable)`."""
        description = await ask_temporal(lambda: self._carrying(transfer_id), timeout_seconds=self._timeout_seconds)
        return _pulse(description) if description else None

    async def events(self, run: Pulse) -> AsyncGenerator[Sequence[HistoryEvent]]:
        """All events of a run, those that there are at once; then one request waits at the server, some 20 s each time.

        Ends with the run, or at once where there is none or Temporal can't be asked.
        """
        events = self._handle(run.workflow_id, run.run_id).fetch_history_events(wait_new_event=True)
        while True:
            self._requests.labels("wait for history").inc()
            try:
                await events.fetch_next_page()
            except (RPCError, RuntimeError):  # RuntimeError: the lazy client's first connection
                return
            if events.current_page:  # none where the server gave up waiting
                yield events.current_page
            if events.next_page_token is None:
                return
            await asyncio.sleep(BURST_SECONDS)

    async def _read(self, transfer_id: str) -> Run | None:
        description = await self._carrying(transfer_id)
        memo = await description.memo_value(TransferMemo.KEY, None, type_hint=TransferMemo) if description else None
        if description is None or memo is None:
            return None
        history = await self.history(description)
        return Run(
            transfer=memo.transfer,
            result=read_result(history),
            timeline=read_timeline(history, description.raw_description.pending_activities),
            pulse=_pulse(description),
        )

    async def _carrying(self, transfer_id: str) -> WorkflowExecutionDescription | None:
        """The transfer's own newest run, unless it can't go on and the reconciler's is at it instead."""
        run = await self.describe(workflow_id(transfer_id))
        if run is not None and carries(run):
            return run
        finisher = await self.describe(finisher_id(transfer_id))
        return finisher if finisher is not None and is_open(finisher) else run

    async def describe(self, workflow: str) -> WorkflowExecutionDescription | None:
        """Its newest run; None where Temporal knows of none. Raises RPCError."""
        self._requests.labels("describe").inc()
        return await describe_workflow(self._client, workflow)

    async def history(self, run: WorkflowExecutionDescription) -> Sequence[HistoryEvent]:
        """All events of the run. Raises RPCError, `Problem(unavailable)` where it has none: the next look will tell."""
        self._requests.labels("history").inc()
        try:
            return (await self._handle(run.id, run.run_id).fetch_history()).events
        except RPCError as error:
            if has_no_history(error):
                raise unavailable("Temporal") from error
            raise

    def _handle(self, workflow: str, run_id: str | None = None) -> WorkflowHandle[object, object]:
        return self._client.get_workflow_handle(workflow, run_id=run_id)


def _pulse(description: WorkflowExecutionDescription) -> Pulse:
    return Pulse(
        workflow_id=description.id,
        run_id=description.run_id,
        is_open=is_open(description),
        pending=tuple(map(_without_heartbeat, description.raw_description.pending_activities)),
    )


def _without_heartbeat(activity: PendingActivityInfo) -> PendingActivityInfo:
    activity.ClearField("heartbeat_details")
    activity.ClearField("last_heartbeat_time")
    return activity
