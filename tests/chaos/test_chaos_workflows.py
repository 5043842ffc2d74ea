"""A workflow that closes too early, or in another way than with a result, is said; on a real Temporal server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from uuid import uuid4

import httpx
import pytest
from chaos.closed_workflows import ClosedWorkflows
from chaos.final_checks import FinalChecks
from chaos.findings import Findings
from chaos.operations import Kind
from chaos.planted_books import PlantedBooks
from chaos.promises import Promise
from chaos.row_watch import RowWatch
from chaos.schedule import FaultKind
from chaos.strikes import Strikes
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from transfer_contract.batches import transfer_id_in
from transfer_contract.names import (
    FINISH_BATCH,
    FINISH_TRANSFER,
    RECONCILE_TRANSFERS,
    TRANSFER_BATCH,
    TRANSFER_MONEY,
    batch_finisher_id,
    batch_workflow_id,
    finisher_id,
    workflow_id,
)


@workflow.defn(name=TRANSFER_MONEY)
class OneThatEnds:
    @workflow.run
    async def run(self, end: str) -> str:
        if end == "fails":
            raise ApplicationError("as the test says")
        await workflow.wait_condition(lambda: end != "waits")
        return end


@workflow.defn(name=FINISH_TRANSFER)
class OneThatFinishes(OneThatEnds):
    @workflow.run
    async def run(self, end: str) -> str:
        return await super().run(end)


@workflow.defn(name=RECONCILE_TRANSFERS)
class OneThatReconciles(OneThatEnds):
    @workflow.run
    async def run(self, end: str) -> str:
        return await super().run(end)


@workflow.defn(name=TRANSFER_BATCH)
class BatchThatEnds(OneThatEnds):
    @workflow.run
    async def run(self, end: str) -> str:
        return await super().run(end)


@workflow.defn(name=FINISH_BATCH)
class BatchThatIsFinished(OneThatEnds):
    @workflow.run
    async def run(self, end: str) -> str:
        return await super().run(end)


@pytest.fixture
async def queue(temporal_client: Client) -> AsyncIterator[str]:
    name = f"chaos-{uuid4()}"
    runner = UnsandboxedWorkflowRunner()
    workflows = [OneThatEnds, OneThatFinishes, OneThatReconciles, BatchThatEnds, BatchThatIsFinished]
    async with Worker(temporal_client, task_queue=name, workflows=workflows, workflow_runner=runner):
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


@pytest.fixture
def workflows(temporal_client: Client, books: PlantedBooks, findings: Findings) -> ClosedWorkflows:
    return ClosedWorkflows(books.urls[0], temporal_client, findings.violations, Strikes())


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


@pytest.mark.parametrize(("struck", "checks"), [("in-transit", []), ("another", ["a workflow closes with a result"])])
async def test_only_what_a_fault_has_tried_to_strike_may_be_terminated(
    temporal_client: Client, queue: str, books: PlantedBooks, findings: Findings, struck: str, checks: list[str]
) -> None:
    strikes = Strikes()
    strikes.trying(FaultKind.WORKFLOW_TERMINATED, workflow_id(struck))
    await closed(temporal_client, queue, "in-transit", "waits")
    workflows = ClosedWorkflows(books.urls[0], temporal_client, findings.violations, strikes)
    assert await found_of("in-transit", workflows, findings) == checks


BATCH_RUNS = [(TRANSFER_BATCH, batch_workflow_id), (FINISH_BATCH, batch_finisher_id)]


@pytest.mark.parametrize("run", BATCH_RUNS)
async def test_a_batch_that_closes_before_all_of_its_rows_are_final_is_said(
    temporal_client: Client, queue: str, workflows: ClosedWorkflows, books: PlantedBooks, findings: Findings,
    run: tuple[str, Callable[[str], str]],
) -> None:  # fmt: skip
    done, early = str(uuid4()), str(uuid4())
    books.order(transfer_id_in(early, 2))
    for batch_id in (done, early):
        await listed(temporal_client, queue, (run[0], run[1](batch_id)), "completed")
    assert await found_of(done, workflows, findings) == []
    assert await found_of(early, workflows, findings) == ["no workflow closes before its rows are final"]


@pytest.mark.parametrize("run", BATCH_RUNS)
async def test_a_batch_that_fails_is_said_whoever_has_struck_it(
    temporal_client: Client, queue: str, books: PlantedBooks, findings: Findings,
    run: tuple[str, Callable[[str], str]],
) -> None:  # fmt: skip
    batch_id, strikes = str(uuid4()), Strikes()
    strikes.trying(FaultKind.WORKFLOW_DELETED, batch_workflow_id(batch_id))
    workflows = ClosedWorkflows(books.urls[0], temporal_client, findings.violations, strikes)
    await listed(temporal_client, queue, (run[0], run[1](batch_id)), "fails")
    assert await found_of(batch_id, workflows, findings) == ["a workflow closes with a result"]


@pytest.mark.parametrize(("is_struck", "checks"), [(True, []), (False, ["a workflow closes with a result"])])
async def test_only_a_batch_that_a_fault_has_tried_to_strike_may_be_terminated(
    temporal_client: Client, queue: str, books: PlantedBooks, findings: Findings, is_struck: bool, checks: list[str]
) -> None:
    batch_id, strikes = str(uuid4()), Strikes()
    if is_struck:
        strikes.trying(FaultKind.WORKFLOW_TERMINATED, batch_workflow_id(batch_id))
    workflows = ClosedWorkflows(books.urls[0], temporal_client, findings.violations, strikes)
    await listed(temporal_client, queue, (TRANSFER_BATCH, batch_workflow_id(batch_id)), "waits")
    assert await found_of(batch_id, workflows, findings) == checks


@pytest.mark.parametrize(
    ("transfer_id", "checks"), [("completed", []), ("held", ["no workflow closes before its rows are final"])]
)
async def test_the_reconcilers_own_workflow_of_a_transfer_is_looked_at_too(
    temporal_client: Client, queue: str, workflows: ClosedWorkflows, findings: Findings, transfer_id: str,
    checks: list[str],
) -> None:  # fmt: skip
    await listed(temporal_client, queue, (FINISH_TRANSFER, finisher_id(transfer_id)), "completed")
    assert await found_of(transfer_id, workflows, findings) == checks


async def test_a_workflow_of_the_reconciler_that_fails_is_said(
    temporal_client: Client, queue: str, workflows: ClosedWorkflows, findings: Findings
) -> None:
    await listed(temporal_client, queue, (FINISH_TRANSFER, finisher_id("undone")), "fails")
    assert await found_of("undone", workflows, findings) == ["a workflow closes with a result"]


async def test_a_run_of_the_reconciler_that_fails_is_said(
    temporal_client: Client, queue: str, workflows: ClosedWorkflows, findings: Findings
) -> None:
    await listed(temporal_client, queue, (RECONCILE_TRANSFERS, f"reconcile-{queue}"), "fails")
    assert await found_of(queue, workflows, findings) == ["a workflow closes with a result"]


@pytest.mark.parametrize(
    ("kind", "is_there"), [(FaultKind.WORKFLOW_TERMINATED, True), (FaultKind.WORKFLOW_DELETED, False)]
)
async def test_at_the_end_only_who_was_struck_may_have_no_result(
    temporal_client: Client, queue: str, books: PlantedBooks, findings: Findings, kind: FaultKind, is_there: bool
) -> None:
    """Terminated by nobody that a fault knows of, or gone."""
    transfer_id = str(uuid4())
    if is_there:
        await closed(temporal_client, queue, transfer_id, "waits")
    async with httpx.AsyncClient() as api:
        checks = FinalChecks(RowWatch(*books.urls, findings.violations), api, temporal_client, findings)
        promise = Promise(transfer_id, "key", Kind.VALID, {}, 0.0)
        checks.strikes.trying(kind, workflow_id(transfer_id))
        await checks.compare_with_temporal(promise)
        assert findings.violations.all == []
        checks.strikes = Strikes()
        await checks.compare_with_temporal(promise)
    assert [found.check for found in findings.violations.all] == ["who wasn't struck ends with a result"]
