"""Temporal's worker versioning: which build of workflow-worker gets the tasks."""

import asyncio
import time
from typing import Final

from temporalio.api.workflowservice.v1 import (
    DescribeWorkerDeploymentRequest,
    SetWorkerDeploymentCurrentVersionRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError
from transfer_contract.names import Process

DEPLOYMENT: Final = Process.WORKFLOW_WORKER.value
_LOOK_SECONDS: Final = 0.5


async def make_current(client: Client, build: str, *, within_seconds: float) -> None:
    """As soon as the server has heard of the build from one of its workers. What `set-current-version` does."""
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace, deployment_name=DEPLOYMENT, build_id=build, identity="chaos"
    )
    deadline = time.monotonic() + within_seconds
    while await current_build(client) != build:
        try:
            await client.workflow_service.set_worker_deployment_current_version(request)
        except RPCError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(_LOOK_SECONDS)


async def current_build(client: Client) -> str | None:
    """None where the server doesn't know, or doesn't answer."""
    request = DescribeWorkerDeploymentRequest(namespace=client.namespace, deployment_name=DEPLOYMENT)
    try:
        answer = await client.workflow_service.describe_worker_deployment(request)
    except RPCError:
        return None
    build = answer.worker_deployment_info.routing_config.current_deployment_version.build_id
    return str(build) or None
