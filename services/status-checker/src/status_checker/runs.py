"""What the Temporal server knows of transfers: runs, their end, their next event. No worker is asked, ever."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final

from service_runtime.temporal import ask_temporal
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle, WorkflowHistoryEventFilterType
from temporalio.service import RPCError, RPCStatusCode
from transfer_contract.names import workflow_id
from transfer_contract.transfers import TransferMemo, TransferRequest, TransferResult

from status_checker.timeline import Timeline, read_result, read_timeline

TICK_SECONDS: Final = 1.0
"""Attempts and workers change without an event, so one looks again at least this often."""

LONG_POLL_SECONDS: Final = 2.0
"""A server that hangs looks like a run that goes on: no longer than this does it hold up what the rows may know."""

BURST_SECONDS: Final = 0.05
"""A workflow task writes several events within milliseconds: one look for all of them."""


@dataclass(frozen=True)
class Run:
    """The newest run of a transfer. `result` only where it closed as completed."""

    transfer: TransferRequest
    is_closed: bool
    result: TransferResult | None
    timeline: Timeline


class Runs:
    def __init__(self, client: Client, *, timeout_seconds: float) -> None:
        self._client = client
        self._timeout_seconds = timeout_seconds

    async def newest(self, transfer_id: str) -> Run | None:
        """None where Temporal knows of none. Raises `Problem(unavailable)` where it can't be asked."""
        return await ask_temporal(lambda: self._read(transfer_id), timeout_seconds=self._timeout_seconds)

    async def closing(self, transfer_id: str) -> bool:
        """True as soon as the newest run has closed, there is none, or Temporal can't be asked.

        False where it still runs after `LONG_POLL_SECONDS`.
        """
        closing = self._handle(transfer_id).fetch_history_events(
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

    async def ticks(self, transfer_id: str) -> AsyncGenerator[None]:
        """At once, then after every new event and at least once in `TICK_SECONDS`; no event is missed in between."""
        events = self._handle(transfer_id).fetch_history_events(wait_new_event=True)
        while True:
            try:
                async with asyncio.timeout(TICK_SECONDS):
                    await events.fetch_next_page()
            except TimeoutError:
                nothing_to_wait_for = False
            except (RPCError, RuntimeError):
                nothing_to_wait_for = True
            else:
                nothing_to_wait_for = events.next_page_token is None
            yield
            await asyncio.sleep(TICK_SECONDS if nothing_to_wait_for else BURST_SECONDS)

    async def _read(self, transfer_id: str) -> Run | None:
        try:
            description = await self._handle(transfer_id).describe()
            memo = await description.memo_value(TransferMemo.KEY, None, type_hint=TransferMemo)
            history = await self._handle(transfer_id, description.run_id).fetch_history()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise
        if memo is None:
            return None
        return Run(
            transfer=memo.transfer,
            is_closed=description.status is not WorkflowExecutionStatus.RUNNING,
            result=read_result(history.events),
            timeline=read_timeline(history.events, description.raw_description.pending_activities),
        )

    def _handle(self, transfer_id: str, run_id: str | None = None) -> WorkflowHandle[object, object]:
        return self._client.get_workflow_handle(workflow_id(transfer_id), run_id=run_id)
