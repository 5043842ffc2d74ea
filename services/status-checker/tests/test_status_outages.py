"""Temporal or a participant away: 503 in time, and no guess; what rows alone can say is still said."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from checker_databases import Databases
from checker_rows import applied, completed_rows, request
from checker_saga import Activities, start
from checker_views import CheckerOf, look
from free_port import free_port
from lost_histories import without_histories
from prometheus_client import CollectorRegistry
from service_runtime.problems import Problem
from service_runtime.temporal import lazy_client
from status_checker.runs import Runs
from status_checker.settings import StatusCheckerSettings
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client
from transfer_contract.names import TRANSFER_MONEY, workflow_id
from transfer_contract.steps import Step
from transfer_contract.transfers import TransferRequest

IN_TIME_SECONDS = 3


@pytest.fixture(scope="module", params=["closed port", "hangs"])
async def alone_for_all(
    request: pytest.FixtureRequest, all_databases: Databases, checker_of: CheckerOf
) -> AsyncIterator[httpx.AsyncClient]:
    """Where Temporal should be nobody listens, or somebody accepts and says nothing."""
    with socket.socket() as listening, pytest.MonkeyPatch.context() as environment:
        listening.bind(("127.0.0.1", 0))
        if request.param == "hangs":
            listening.listen()
        environment.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{listening.getsockname()[1]}")
        async with checker_of(await lazy_client(), timeout_seconds=0.3) as http:
            yield http


@pytest.fixture
def alone(alone_for_all: httpx.AsyncClient, databases: Databases) -> httpx.AsyncClient:
    """A client of a status-checker whose Temporal is away."""
    return alone_for_all


def test_temporal_is_given_less_time_than_gateway_has() -> None:
    settings = StatusCheckerSettings(account_api_url="http://a", ledger_api_url="http://l")
    assert max(settings.temporal_timeout_seconds, settings.internal_timeout_seconds) <= 2


async def refused(checker: httpx.AsyncClient, path: str) -> None:
    began = time.monotonic()
    answer = await checker.get(path)
    assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (503, "unavailable", "1")
    assert time.monotonic() - began < IN_TIME_SECONDS


async def test_without_temporal_a_final_transfer_is_answered_by_its_rows(
    alone: httpx.AsyncClient, databases: Databases, transfer: TransferRequest
) -> None:
    databases.put(transfer, *completed_rows())
    async with asyncio.timeout(IN_TIME_SECONDS):
        assert (await look(alone, transfer)).status == "completed"


@pytest.mark.parametrize("query", ["wait=20&until=final", "wait=20&until=change&known=x"])
async def test_without_temporal_nobody_waits_for_a_transfer_that_is_final(
    alone: httpx.AsyncClient, databases: Databases, transfer: TransferRequest, query: str
) -> None:
    databases.put(transfer, *completed_rows())
    async with asyncio.timeout(IN_TIME_SECONDS):
        answer = await alone.get(f"/transfers/{transfer.transfer_id}?{query}")
    assert answer.json()["status"] == "completed"


async def test_without_temporal_a_transfer_that_is_not_final_is_unavailable(
    alone: httpx.AsyncClient, databases: Databases, transfer: TransferRequest
) -> None:
    databases.put(transfer, applied(Step.WITHDRAW, 0))
    await refused(alone, f"/transfers/{transfer.transfer_id}")


async def test_without_temporal_an_unknown_transfer_is_unavailable_not_missing(alone: httpx.AsyncClient) -> None:
    await refused(alone, "/transfers/nobody-knows-it")


async def test_without_temporal_a_list_answers_where_all_its_transfers_are_final(
    alone: httpx.AsyncClient, databases: Databases
) -> None:
    made = request(source=f"a{time.monotonic_ns()}", created_at=datetime.now(UTC))
    databases.put(made, *completed_rows())
    for query in ("", "&status=completed"):
        answer = await alone.get(f"/transfers?account={made.source_account}{query}")
        assert [item["id"] for item in answer.json()["items"]] == [made.transfer_id]


async def test_without_temporal_a_list_with_a_transfer_that_is_not_final_is_unavailable(
    alone: httpx.AsyncClient, databases: Databases
) -> None:
    made = request(source=f"a{time.monotonic_ns()}", created_at=datetime.now(UTC) - timedelta(days=1))
    databases.put(made, applied(Step.WITHDRAW, 0))
    answer = await alone.get(f"/transfers?account={made.source_account}")
    assert answer.status_code == 503
    await refused(alone, f"/transfers?status=running&account={made.source_account}")


async def test_without_temporal_the_workers_are_unavailable_and_the_process_is_not_ready(
    alone: httpx.AsyncClient,
) -> None:
    await refused(alone, "/workers")
    ready = await alone.get("/readyz")
    assert (ready.status_code, ready.json()["checks"]) == (
        503,
        {"temporal": False, "account-api": True, "ledger-api": True},
    )
    assert (await alone.get("/healthz")).status_code == 200


@pytest.mark.parametrize("which", ["accounts", "ledger"])
async def test_with_an_api_away_everything_that_needs_it_is_unavailable(
    checker_of: CheckerOf, databases: Databases, client: Client, transfer: TransferRequest, which: str
) -> None:
    databases.put(transfer, *completed_rows())
    nowhere = {which: f"http://127.0.0.1:{free_port()}"}
    async with checker_of(client, **nowhere) as checker:
        await refused(checker, f"/transfers/{transfer.transfer_id}")
        await refused(checker, f"/transfers/{transfer.transfer_id}?wait=1&until=final")
        await refused(checker, "/transfers?status=completed")
        await refused(checker, "/reconciliation")
        assert (await checker.get("/readyz")).json()["checks"][f"{which.removesuffix('s')}-api"] is False


@pytest.mark.usefixtures("saga_workers")
async def test_a_running_transfer_whose_history_is_not_found_is_unavailable_neither_missing_nor_a_defect(
    checker_of: CheckerOf, client: Client, activities: Activities, transfer: TransferRequest
) -> None:
    held = activities.hold(transfer, Step.WITHDRAW)
    handle = await start(client, transfer)
    async with checker_of(without_histories(client)) as checker:
        await refused(checker, f"/transfers/{transfer.transfer_id}")
        await refused(checker, f"/transfers/{transfer.transfer_id}?wait=1&until=final")
    held.set()
    await handle.result()


async def test_the_history_of_a_run_that_is_deleted_meanwhile_is_unavailable(
    client: Client, transfer: TransferRequest
) -> None:
    await client.start_workflow(
        TRANSFER_MONEY, transfer, id=workflow_id(transfer.transfer_id), task_queue="nobody-listens"
    )
    runs = Runs(client, CollectorRegistry(), timeout_seconds=5)
    described = await runs.describe(workflow_id(transfer.transfer_id))
    assert described is not None
    execution = WorkflowExecution(workflow_id=described.id, run_id=described.run_id)
    await client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(namespace=client.namespace, workflow_execution=execution)
    )
    async with asyncio.timeout(20):
        while await runs.describe(workflow_id(transfer.transfer_id)) is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    with pytest.raises(Problem, match="Temporal"):
        await runs.history(described)
    assert await runs.newest(transfer.transfer_id) is None
