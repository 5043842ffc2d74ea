"""The schedule that starts the reconciler, made or brought up to date by whoever starts the HTTP process."""

import asyncio
from datetime import timedelta
from typing import Final

import structlog
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError
from transfer_contract.names import RECONCILE_TRANSFERS, RECONCILIATION_SCHEDULE, TaskQueue

from workflow_handler.policies import RECONCILING

LONGEST_RUN: Final = timedelta(minutes=10)
"""A run that can't end, by a defect, must not keep the next ones from starting. What it began goes on by itself."""

CATCH_UP: Final = timedelta(seconds=10)
"""Temporal's shortest. A run that was missed is made up for by the next one."""

_LONGEST_PAUSE_SECONDS: Final = 30.0


async def keep_schedule(client: Client, interval: timedelta) -> None:
    """Returns when the schedule stands; waits for as long as Temporal is away."""
    pause_seconds = 1.0
    while True:
        try:
            await ensure_schedule(client, interval)
        except (RPCError, RuntimeError) as error:  # RuntimeError: the lazy client's first connection
            structlog.get_logger().warning("the reconciler isn't scheduled yet", error=str(error)[:200])
        else:
            return
        await asyncio.sleep(pause_seconds)
        pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)


async def ensure_schedule(client: Client, interval: timedelta) -> None:
    """Safe to repeat, and at the same time. An operator's pause stays."""

    def up_to_date(known: ScheduleUpdateInput) -> ScheduleUpdate:
        return ScheduleUpdate(schedule=_schedule(interval, known.description.schedule.state))

    try:
        await client.create_schedule(RECONCILIATION_SCHEDULE, _schedule(interval, ScheduleState()))
    except ScheduleAlreadyRunningError:
        await client.get_schedule_handle(RECONCILIATION_SCHEDULE).update(up_to_date)


def _schedule(interval: timedelta, state: ScheduleState) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(
            RECONCILE_TRANSFERS,
            RECONCILING,
            id=RECONCILIATION_SCHEDULE,
            task_queue=TaskQueue.TRANSFERS,
            execution_timeout=LONGEST_RUN,
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=interval)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=CATCH_UP, pause_on_failure=False),
        state=state,
    )
