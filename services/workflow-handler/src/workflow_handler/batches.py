"""Starting the run of a batch that is stored."""

from service_runtime.carrying import is_open
from service_runtime.request_id import current_request_id
from service_runtime.temporal import describe_workflow
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from transfer_contract.batches import Batch
from transfer_contract.names import TRANSFER_BATCH, TaskQueue, batch_finisher_id, batch_workflow_id

from workflow_handler.policies import BATCHING, Batching


class Batches:
    def __init__(self, client: Client, batching: Batching = BATCHING) -> None:
        self._client = client
        self._batching = batching

    async def run(self, batch: Batch) -> None:
        """Sees to it that a run carries the batch, be it the reconciler's. On final rows a run moves nothing."""
        finisher = await describe_workflow(self._client, batch_finisher_id(batch.batch_id))
        if finisher is not None and is_open(finisher):
            return
        await self._client.start_workflow(
            TRANSFER_BATCH,
            args=[batch, self._batching],
            id=batch_workflow_id(batch.batch_id),
            task_queue=TaskQueue.TRANSFERS,
            memo={"batch": batch, "request_id": current_request_id.get()},
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )
