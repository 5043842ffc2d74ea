"""Workflows of the product's types and ids that end as a test says, on a real Temporal server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from chaos.closed_workflows import ClosedWorkflows
from chaos.findings import Findings
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from transfer_contract.names import (
    FINISH_BATCH,
    FINISH_TRANSFER,
    RECONCILE_TRANSFERS,
    TRANSFER_BATCH,
    TRANSFER_MONEY,
    workflow_id,
)
from transfer_contract.steps import FinalStatus
from transfer_contract.transfers import TransferResult


@workflow.defn(name=TRANSFER_MONEY)
class OneThatEnds:
    @workflow.run
    async def run(self, end: str) -> TransferResult:
        if end == "fails":
            raise ApplicationError("as the test says")
        await workflow.wait_condition(lambda: end != "waits")
        return TransferResult(transfer_id=workflow.info().workflow_id, status=FinalStatus(end))


@workflow.defn(name=FINISH_TRANSFER)
class OneThatFinishes(OneThatEnds):
    @workflow.run
    async def run(self, end: str) -> TransferResult:
        return await super().run(end)


@workflow.defn(name=RECONCILE_TRANSFERS)
class OneThatReconciles(OneThatEnds):
    @workflow.run
    async def run(self, end: str) -> TransferResult:
        return await super().run(end)


@workflow.defn(name=TRANSFER_BATCH)
class BatchThatEnds(OneThatEnds):
    @workflow.run
    async def run(self, end: str) -> TransferResult:
        return await super().run(end)


@workflow.defn(name=FINISH_BATCH)
class BatchThatIsFinished(OneThatEnds):
    @workflow.run
    async def run(self, end: str) -> TransferResult:
        return await super().run(end)


@asynccontextmanager
async def planted_workflows(client: Client) -> AsyncIterator[str]:
    """The task queue of the worker that runs them."""
    name = f"chaos-{uuid4()}"
    runner = UnsandboxedWorkflowRunner()
    workflows = [OneThatEnds, OneThatFinishes, OneThatReconciles, BatchThatEnds, BatchThatIsFinished]
    async with Worker(client, task_queue=name, workflows=workflows, workflow_runner=runner):
        yield name


async def closed(temporal: Client, queue: str, transfer_id: str, end: str = "completed") -> None:
    await listed(temporal, queue, (TRANSFER_MONEY, workflow_id(transfer_id)), end)


async def listed(temporal: Client, queue: str, run: tuple[str, str], end: str) -> None:
    """`run`: type and id. Returns when it is listed as closed."""
    name, run_id = run
    handle = await temporal.start_workflow(name, end, id=run_id, task_queue=queue)
    if end == "waits":
        await handle.terminate("by the test")
    with contextlib.suppress(WorkflowFailureError):
        await handle.result()
    await until_listed(temporal, handle.id)


async def until_listed(temporal: Client, workflow: str) -> None:
    query = f"WorkflowId = '{workflow}' AND CloseTime IS NOT NULL"
    while not [run async for run in temporal.list_workflows(query)]:  # noqa: ASYNC110
        await asyncio.sleep(0.1)


async def found_of(transfer_id: str, workflows: ClosedWorkflows, findings: Findings) -> list[str]:
    """The server has other tests' workflows as well."""
    await workflows.look()
    return [violation.check for violation in findings.violations.all if violation.transfer_id == transfer_id]
