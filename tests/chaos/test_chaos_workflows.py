"""A workflow that closes too early, or in another way than with a result, is said; on a real Temporal server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from chaos.closed_workflows import ClosedWorkflows
from chaos.findings import Findings
from chaos.planted_books import PlantedBooks
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from transfer_contract.batches import transfer_id_in
from transfer_contract.names import TRANSFER_BATCH, TRANSFER_MONEY, batch_workflow_id, workflow_id


@workflow.defn(name=TRANSFER_MONEY)
class OneThatEnds:
    @workflow.run
    async def run(self, end: str) -> str:
        if end == "fails":
            raise ApplicationError("as the test says")
        await workflow.wait_condition(lambda: end != "waits")
        return end


@workflow.defn(name=TRANSFER_BATCH)
class BatchThatEnds:
    @workflow.run
    async def run(self) -> None:
        pass


@pytest.fixture
async def queue(temporal_client: Client) -> AsyncIterator[str]:
    name = f"chaos-{uuid4()}"
    runner = UnsandboxedWorkflowRunner()
    async with Worker(temporal_client, task_queue=name, workflows=[OneThatEnds, BatchThatEnds], workflow_runner=runner):
        yield name


async def closed(temporal: Client, queue: str, transfer_id: str, end: str = "completed") -> None:
    """Returns when it is listed as closed."""
    handle = await temporal.start_workflow(OneThatEnds.run, end, id=workflow_id(transfer_id), task_queue=queue)
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


@pytest.fixture
def workflows(temporal_client: Client, books: PlantedBooks, findings: Findings) -> ClosedWorkflows:
    return ClosedWorkflows(books.urls[0], temporal_client, findings.violations)


async def test_a_workflow_that_closes_after_its_rows_passes(
    temporal_client: Client, queue: str, workflows: ClosedWorkflows, findings: Findings
) -> None:
    await closed(temporal_client, queue, "completed")
    assert await found_of("completed", workflows, findings) == []


async def test_a_workflow_that_closes_before_its_rows_are_final_is_said(
    temporal_client: Client, queue: str, workflows: ClosedWorkflows, findings: Findings
) -> None:
    await closed(temporal_client, queue, "held")
    assert await found_of("held", workflows, findings) == ["no workflow closes before its rows are final"]


async def test_a_workflow_that_fails_is_said(
    temporal_client: Client, queue: str, workflows: ClosedWorkflows, findings: Findings
) -> None:
    await closed(temporal_client, queue, "rejected", "fails")
    assert await found_of("rejected", workflows, findings) == ["a workflow closes with a result"]


async def test_what_an_operator_has_terminated_is_the_reconcilers(
    temporal_client: Client, queue: str, workflows: ClosedWorkflows, findings: Findings
) -> None:
    await closed(temporal_client, queue, "in-transit", "waits")
    assert await found_of("in-transit", workflows, findings) == []
    assert "in-transit" in workflows.terminated


async def test_a_batch_that_closes_before_all_of_its_rows_are_final_is_said(
    temporal_client: Client, queue: str, workflows: ClosedWorkflows, books: PlantedBooks, findings: Findings
) -> None:
    done, early = str(uuid4()), str(uuid4())
    books.order(transfer_id_in(early, 2))
    for batch_id in (done, early):
        await temporal_client.execute_workflow(BatchThatEnds.run, id=batch_workflow_id(batch_id), task_queue=queue)
        await until_listed(temporal_client, batch_workflow_id(batch_id))
    assert await found_of(done, workflows, findings) == []
    assert await found_of(early, workflows, findings) == ["no workflow closes before its rows are final"]
