"""A workflow shaped like `TransferBatch`, as far as a step that it keeps failing needs it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from transfer_contract.batches import batch_of
from transfer_contract.names import TRANSFER_BATCH, batch_workflow_id
from transfer_contract.transfers import TransferRequest

QUEUE = "a-batch-of-its-own"


@workflow.defn(name=TRANSFER_BATCH)
class StandInBatch:
    """Puts some transfers' money back, until it succeeds."""

    @workflow.run
    async def run(self, ranges: str) -> None:
        await workflow.execute_activity(
            "put_back",
            activity_id=f"withdraw_compensation:{ranges}:4",
            task_queue=QUEUE,
            start_to_close_timeout=timedelta(seconds=30),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=20), backoff_coefficient=1),
        )


class PutBack:
    is_failing = True

    @activity.defn(name="put_back")
    async def __call__(self) -> None:
        if self.is_failing:
            raise ApplicationError("not today", type="database_error")


@asynccontextmanager
async def carried(
    client: Client, transfer: TransferRequest, put_back: PutBack, *, ranges: str = "1-2"
) -> AsyncIterator[WorkflowHandle[Any, Any]]:
    worker = Worker(
        client,
        task_queue=QUEUE,
        workflows=[StandInBatch],
        activities=[put_back.__call__],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    async with worker:
        batch_id = batch_of(transfer.transfer_id)
        assert batch_id is not None
        yield await client.start_workflow(TRANSFER_BATCH, ranges, id=batch_workflow_id(batch_id), task_queue=QUEUE)
