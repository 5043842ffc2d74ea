"""What needs an operator of a batch's transfers: it is their batch that carries them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from checker_databases import Databases
from checker_observing import Observing
from checker_rows import applied, request
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from transfer_contract.attention import AttentionKind
from transfer_contract.batches import batch_of, transfer_id_in
from transfer_contract.names import TRANSFER_BATCH, batch_workflow_id
from transfer_contract.steps import Compensation, Step
from transfer_contract.transfers import TransferRequest

pytestmark = pytest.mark.usefixtures("saga_workers")

QUEUE = "a-batch-of-its-own"


@workflow.defn(name=TRANSFER_BATCH)
class StandInBatch:
    """Puts its first two transfers' money back, until it succeeds."""

    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(
            "put_back",
            activity_id="withdraw_compensation:1-2:4",
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
async def carried(client: Client, transfer: TransferRequest, put_back: PutBack) -> AsyncIterator[WorkflowHandle]:  # type: ignore[type-arg]
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
        yield await client.start_workflow(TRANSFER_BATCH, id=batch_workflow_id(batch_id), task_queue=QUEUE)


@pytest.fixture
def transfer(databases: Databases) -> TransferRequest:
    """The second of its batch, whose money has been taken."""
    transfer = request(created_at=datetime.now(UTC)).model_copy(update={"transfer_id": transfer_id_in(str(uuid4()), 2)})
    databases.put(transfer, applied(Step.WITHDRAW, 0))
    return transfer


async def test_a_parked_step_of_a_batch_is_told_of_the_transfers_that_it_is_about(
    observing: Observing, client: Client, transfer: TransferRequest, databases: Databases
) -> None:
    other = transfer.model_copy(update={"transfer_id": transfer.transfer_id[:-1] + "3"})
    databases.put(other, applied(Step.WITHDRAW, 0))
    put_back = PutBack()
    async with carried(client, transfer, put_back) as batch:
        item = await observing.until_item(transfer, AttentionKind.PARKED)
        assert (item.step, item.error.code if item.error else None) == (Compensation.WITHDRAW, "database_error")
        assert await observing.items_of(other) == []
        put_back.is_failing = False
        await batch.result()


async def test_a_transfer_whose_batch_was_ended_is_abandoned(
    observing: Observing, client: Client, transfer: TransferRequest
) -> None:
    async with carried(client, transfer, PutBack()) as batch:
        await observing.until_item(transfer, AttentionKind.PARKED)
        await batch.terminate()
        await observing.until_item(transfer, AttentionKind.ABANDONED)
