"""Transfers whose workflows are taken away from them in the middle of a step, on the running system."""

import asyncio
import time
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from service_runtime.temporal import describe_workflow
from system.public_api import Json, PublicApi, new_transfer, step_is
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client
from transfer_contract.names import workflow_id

DELETED_WITHIN_SECONDS: Final = 120
_LOOK_SECONDS: Final = 0.5


@dataclass
class Lost:
    """`key` is what it was posted with."""

    accounts: tuple[str, str]
    body: Json
    key: str
    transfer_id: str

    async def final(self, api: PublicApi) -> tuple[Json, float]:
        """The end, and how long it took from now on."""
        began = time.monotonic()
        return await api.final(self.transfer_id), time.monotonic() - began


async def terminated_in(step: str, *, scenario: str, api: PublicApi, temporal: Client) -> Lost:
    accounts = await api.open_pair()
    body, key = new_transfer(*accounts, scenario=scenario), str(uuid4())
    transfer_id: str = (await api.post_transfer(body, key=key)).json()["id"]
    await api.until(transfer_id, step_is(step, "running"))
    await temporal.get_workflow_handle(workflow_id(transfer_id)).terminate("by the test")
    return Lost(accounts, body, key, transfer_id)


async def delete(temporal: Client, workflow: str) -> None:
    """As `temporal workflow delete` does; returns when the server has forgotten it, some 35 s later."""
    request = DeleteWorkflowExecutionRequest(
        namespace=temporal.namespace, workflow_execution=WorkflowExecution(workflow_id=workflow)
    )
    await temporal.workflow_service.delete_workflow_execution(request)
    async with asyncio.timeout(DELETED_WITHIN_SECONDS):
        while await is_known(temporal, workflow):  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_SECONDS)


async def is_known(temporal: Client, workflow: str) -> bool:
    return await describe_workflow(temporal, workflow) is not None
