"""docs/runbook.md: every command is run in the situation that it is for, on a running stack; then all is well again."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

import psycopg
import pytest
from runbook_commands import Runbook, sections
from saga.defective import Defective
from system.public_api import Json, PublicApi, step_is
from system.running_system import RunningSystem, running_system
from temporalio import workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ActivityError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from transfer_contract.names import RECONCILIATION_SCHEDULE, TaskQueue, workflow_id
from transfer_contract.transfers import TransferRequest

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

QUICK: Final = {"COMPENSATING_LONG_SECONDS": "8", "BOOKS_COMPARED_EVERY_SECONDS": "1"}
"""So that nobody has to wait for minutes; the situations are the same."""

_SOON_SECONDS: Final = 120
_END_CONNECTIONS: Final = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@dataclass
class World:
    system: RunningSystem
    temporal: Client
    runbook: Runbook
    parked: str
    """A transfer that is parked half a minute later."""

    @property
    def api(self) -> PublicApi:
        return self.system.api

    async def run(self, section: str, *blocks: int) -> str:
        return await asyncio.to_thread(self.runbook.run, section, *blocks)

    async def until_kinds(self, *kinds: str, gone: bool = False) -> Json:
        """What needs attention, as soon as all of these kinds do; or none of them any more."""
        deadline = time.monotonic() + _SOON_SECONDS
        while True:
            response = await self.api.http.get("/attention")
            told: Json = response.json()
            if response.status_code == 200 and all((kind in told["counts"]) is not gone for kind in kinds):
                return told
            assert time.monotonic() < deadline, told
            await asyncio.sleep(0.5)


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("runbook")
    async with running_system(folder / "local", **QUICK) as system:
        for account_id, balance in (("alice", "1000.00"), ("bob", "500.00")):
            await system.api.open_account(balance, account_id=account_id)
        parked = await system.api.start_transfer("alice", "bob", scenario="compensation_fails")
        temporal = await Client.connect(system.temporal_address, data_converter=pydantic_data_converter)
        port = int(system.api.url.rsplit(":", 1)[1])
        yield World(system, temporal, Runbook(port, system.local_dir, set()), parked)


async def execute(url: str, statement: str) -> None:
    connection = await psycopg.AsyncConnection.connect(url, autocommit=True)
    async with connection:
        await connection.execute(statement.encode())


async def test_the_first_look_says_what_needs_attention(world: World) -> None:
    assert '"observed_at"' in await world.run("", 1)
    assert ("", 0) not in world.runbook.run_blocks  # it is a part of every other one
    world.runbook.run_blocks.add(("", 0))


async def test_unbalanced(world: World) -> None:
    await execute(world.system.accounts_url, "UPDATE accounts SET balance_minor = balance_minor + 1 WHERE id = 'bob'")
    try:
        told = await world.until_kinds("unbalanced")
        assert told["items"][0]["kind"] == "unbalanced"
        printed = await world.run("Unbalanced", 0, 1)
        assert '"balanced": false' in printed
        assert "bob" in printed
    finally:
        undo = "UPDATE accounts SET balance_minor = balance_minor - 1 WHERE id = 'bob'"
        await execute(world.system.accounts_url, undo)
    await world.until_kinds("unbalanced", gone=True)


@workflow.defn
class ReleaseWithoutADeposit:
    """What no workflow of the product does."""

    @workflow.run
    async def run(self, request: TransferRequest) -> bool:
        try:
            await workflow.execute_activity(
                "release",
                request,
                task_queue=TaskQueue.ACCOUNTS,
                start_to_close_timeout=timedelta(seconds=20),
                retry_policy=RetryPolicy(maximum_attempts=1),
            )
        except ActivityError:
            return True
        return False


async def test_guard_violations(world: World) -> None:
    request = TransferRequest(
        transfer_id=str(uuid4()),
        source_account="alice",
        destination_account="bob",
        amount_minor=1,
        currency="EUR",
        created_at=datetime.now(UTC),
    )
    queue = str(uuid4())
    runner = UnsandboxedWorkflowRunner()
    async with Worker(world.temporal, task_queue=queue, workflows=[ReleaseWithoutADeposit], workflow_runner=runner):
        assert await world.temporal.execute_workflow(
            ReleaseWithoutADeposit.run, request, id=str(uuid4()), task_queue=queue
        )
    printed = await world.run("Guard violations", 0, 1)
    assert "guard_violations_total 1.0" in printed
    assert request.transfer_id in printed
    assert '"balanced":true' in printed


async def test_parked(world: World) -> None:
    await world.until_kinds("parked")
    printed = await world.run("Parked", 0, 1)
    assert f"{world.parked} 202" in printed
    assert (await world.api.final(world.parked))["status"] == "compensated"
    await world.until_kinds("parked", gone=True)


async def test_worker_gone_and_compensating_long_and_transfer_too_old(world: World) -> None:
    transfer = await world.api.start_transfer("alice", "bob", scenario="slow_compensation")
    await world.api.until(transfer, step_is("deposit_compensation", "running"))
    await world.system.kill("account-worker")
    await world.until_kinds("worker_gone", "compensating_long")
    assert '"gone_since": null' in (printed := await world.run("Worker gone", 0))
    assert "killed" in printed or "STOPPED" in printed.upper()
    assert transfer in await world.run("Compensating long", 0)
    assert transfer in await world.run("Transfer too old", 0)
    await world.run("Worker gone", 1)
    assert (await world.api.final(transfer))["status"] == "compensated"
    await world.until_kinds("worker_gone", "compensating_long", gone=True)


async def test_abandoned_and_finishing(world: World) -> None:
    await world.temporal.get_schedule_handle(RECONCILIATION_SCHEDULE).pause(note="by the test")
    transfer = await world.api.start_transfer("alice", "bob", scenario="slow_compensation")
    await world.api.until(transfer, step_is("deposit_compensation", "running"))
    await world.temporal.get_workflow_handle(workflow_id(transfer)).terminate("by the test")
    await world.until_kinds("abandoned")
    printed = await world.run("Abandoned", 0)
    assert "by the test" in printed
    await world.run("Abandoned", 1)
    told = await world.until_kinds("finishing")
    assert transfer in {item["transfer_id"] for item in told["items"]}
    assert "compensation" in await world.run("Finishing", 0)
    assert (await world.api.final(transfer))["status"] == "compensated"
    await world.until_kinds("abandoned", "finishing", gone=True)


@asynccontextmanager
async def defective_worker(world: World) -> AsyncIterator[None]:
    """Instead of the product's: a deployment that went wrong."""
    await world.system.kill("workflow-worker")
    runner = UnsandboxedWorkflowRunner()
    async with Worker(world.temporal, task_queue=TaskQueue.TRANSFERS, workflows=[Defective], workflow_runner=runner):
        yield


async def test_stuck(world: World) -> None:
    try:
        async with defective_worker(world):
            transfer = await world.api.start_transfer("alice", "bob")
            await world.until_kinds("stuck")
            printed = await world.run("Stuck", 0)
        assert transfer in printed
        assert "a defect that fails the workflow task" in printed
        await world.run("Stuck", 0, 1, 2)
        assert (await world.api.final(transfer))["status"] in {"completed", "compensated"}
    finally:
        await world.system.start("workflow-worker")
    await world.until_kinds("stuck", gone=True)


async def test_backlog_growing(world: World) -> None:
    await world.system.kill("ledger-worker")
    transfers = [await world.api.start_transfer("alice", "bob") for _ in range(3)]
    told = await world.until_kinds("worker_gone")
    assert "ledger-worker" in {item["process"] for item in told["items"]}
    printed = await world.run("Backlog growing", 0)
    assert 'live_workers{process="ledger-worker"} 0.0' in printed
    assert 'task_queue_backlog{queue="ledger"}' in printed
    await world.run("Backlog growing", 1)
    await world.api.final_all(transfers)
    await world.until_kinds("worker_gone", gone=True)


async def test_a_database_that_is_read_only(world: World) -> None:
    for database in ("accounts", "ledger"):
        url = world.system.admin_url.rpartition("/")[0] + f"/{database}"
        await execute(url, f"ALTER DATABASE {database} SET default_transaction_read_only = on")
        await execute(url, _END_CONNECTIONS)
    transfer = await world.api.start_transfer("alice", "bob")
    await world.api.until(transfer, step_is("withdraw", "retrying"))
    printed = await world.run("Database read-only or full", 0)
    assert 'activity="withdraw",outcome="failed"' in printed
    assert "read-only" in printed
    await world.run("Database read-only or full", 1)
    assert (await world.api.final(transfer))["status"] in {"completed", "compensated", "rejected"}
    ends = await world.api.start_transfer("alice", "bob")
    assert (await world.api.final(ends))["status"] == "completed"


async def test_unobserved(world: World) -> None:
    await world.system.kill("account-api")
    async with asyncio.timeout(_SOON_SECONDS):
        while (await world.api.http.get("/attention")).status_code != 503:  # noqa: ASYNC110
            await asyncio.sleep(0.5)
    assert '"account-api":false' in await world.run("Unobserved", 0)
    await world.system.start("account-api")
    await world.run("Unobserved", 1)
    await world.until_kinds("unobserved", gone=True)


async def test_temporal_away(world: World) -> None:
    await world.system.kill("temporal")
    assert "away" in await world.run("Temporal away", 0)
    await world.run("Temporal away", 1)
    await world.until_kinds("unobserved", gone=True)
    transfer = await world.api.start_transfer("alice", "bob")
    assert (await world.api.final(transfer))["status"] == "completed"


async def test_no_command_of_the_runbook_was_left_out(world: World) -> None:
    all_blocks = {(heading, number) for heading, blocks in sections().items() for number in range(len(blocks))}
    assert world.runbook.run_blocks == all_blocks
