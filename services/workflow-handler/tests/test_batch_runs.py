"""A stored batch gets one run that carries it, on a real Temporal server."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from service_runtime.carrying import is_open
from service_runtime.temporal import describe_workflow
from temporalio.client import Client
from transfer_contract.batches import Batch
from transfer_contract.names import FINISH_BATCH, TaskQueue, batch_finisher_id, batch_workflow_id
from workflow_handler.batches import Batches


@pytest.fixture
async def batch(temporal_client: Client) -> AsyncIterator[Batch]:
    """No worker serves it."""
    batch = Batch(batch_id=str(uuid4()), total=3, created_at=datetime.now(UTC))
    yield batch
    run = temporal_client.get_workflow_handle(batch_workflow_id(batch.batch_id))
    await run.terminate()


async def is_run(client: Client, batch: Batch) -> bool:
    run = await describe_workflow(client, batch_workflow_id(batch.batch_id))
    return run is not None and is_open(run)


async def test_a_batch_is_run_once_however_often_it_is_asked_for(temporal_client: Client, batch: Batch) -> None:
    for _ in range(3):
        await Batches(temporal_client).run(batch)
    runs = [run.run_id async for run in temporal_client.list_workflows(f"WorkflowId = 'batch-{batch.batch_id}'")]
    assert len(runs) <= 1  # the list is a moment late
    assert await is_run(temporal_client, batch)


async def test_a_batch_in_the_reconcilers_hands_gets_no_run_beside_it(temporal_client: Client, batch: Batch) -> None:
    finisher = await temporal_client.start_workflow(
        FINISH_BATCH, id=batch_finisher_id(batch.batch_id), task_queue=TaskQueue.TRANSFERS
    )
    await Batches(temporal_client).run(batch)
    assert not await is_run(temporal_client, batch)
    await finisher.terminate()
    await Batches(temporal_client).run(batch)
    assert await is_run(temporal_client, batch)
