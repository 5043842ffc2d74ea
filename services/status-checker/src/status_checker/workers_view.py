"""The workers of each kind: which live, since when none does, and how many tasks wait in their queue."""

import asyncio
from typing import Final

from service_runtime.temporal import ask_temporal
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue as TemporalQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from transfer_contract.http import WorkersView
from transfer_contract.names import TaskQueue

from status_checker.live_workers import LiveWorkers

_TASKS_OF: Final = {
    TaskQueue.TRANSFERS: TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    TaskQueue.ACCOUNTS: TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    TaskQueue.LEDGER: TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
}


async def view_workers(client: Client, live_workers: LiveWorkers, *, timeout_seconds: float) -> WorkersView:
    """Raises `Problem(unavailable)` where Temporal can't be asked."""
    backlogs = await ask_temporal(
        lambda: asyncio.gather(*(_backlog(client, queue) for queue in TaskQueue)), timeout_seconds=timeout_seconds
    )
    groups = zip(TaskQueue, backlogs, strict=True)
    return WorkersView(items=[live_workers.group(queue, backlog=backlog) for queue, backlog in groups])


async def _backlog(client: Client, queue: TaskQueue) -> int | None:
    """None where the server has no figure."""
    answer = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TemporalQueue(name=queue),
            task_queue_type=_TASKS_OF[queue],
            report_stats=True,
        )
    )
    return answer.stats.approximate_backlog_count if answer.HasField("stats") else None
