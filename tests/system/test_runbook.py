"""docs/runbook.md: every command is run in the situation that it is for, on a running stack; then all is well again.

Situations that don't disturb each other happen at the same time.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

import pytest
from runbook_commands import FIRST_LOOK, SET_UP_WITH_DOCKER, sections
from system.public_api import step_is
from system.runbook_world import ReleaseWithoutADeposit, World, defective_worker, execute, running_world
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from transfer_contract.names import RECONCILIATION_SCHEDULE, workflow_id
from transfer_contract.transfers import TransferRequest

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

_END_CONNECTIONS: Final = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with running_world(tmp_path_factory.mktemp("runbook")) as world:
        yield world


@pytest.fixture(scope="module")
async def to_be_parked(world: World) -> str:
    """A transfer that is parked half a minute later."""
    return await world.api.start_transfer("alice", "bob", scenario="compensation_fails")


async def test_the_first_look_says_what_needs_attention(world: World, to_be_parked: str) -> None:
    assert '"observed_at"' in await world.run("", FIRST_LOOK)


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


async def test_unbalanced_and_backlog_growing(world: World) -> None:
    await asyncio.gather(_unbalanced(world), _backlog_growing(world))


async def _unbalanced(world: World) -> None:
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


async def _backlog_growing(world: World) -> None:
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


async def test_worker_gone_and_what_waits_for_it(world: World) -> None:
    """A transfer that is being undone, and one that is, too, and whose workflow is terminated."""
    await world.temporal.get_schedule_handle(RECONCILIATION_SCHEDULE).pause(note="by the test")
    waiting, abandoned = await _two_that_wait_for_account_worker(world)
    await world.temporal.get_workflow_handle(workflow_id(abandoned)).terminate("by the test")
    await world.until_kinds("worker_gone", "compensating_long", "abandoned")
    printed = await asyncio.gather(
        _abandoned_and_finishing(world, abandoned),
        world.run("Worker gone", 0),
        world.run("Compensating long", 0),
        world.run("Transfer too old", 0),
    )
    _, worker_gone, compensating_long, too_old = printed
    assert '"gone_since": null' in worker_gone
    assert "killed" in worker_gone or "STOPPED" in worker_gone.upper()
    assert waiting in compensating_long
    assert waiting in too_old
    await world.run("Worker gone", 1)
    ends = await world.api.final_all([waiting, abandoned])
    assert {transfer["status"] for transfer in ends} == {"compensated"}
    await world.until_kinds("worker_gone", "compensating_long", "abandoned", "finishing", gone=True)


async def _two_that_wait_for_account_worker(world: World) -> list[str]:
    """In the middle of being undone."""
    await world.system.kill("ledger-worker")
    transfers = [await world.api.start_transfer("alice", "bob", scenario="ledger_rejects") for _ in range(2)]
    for transfer in transfers:
        await world.api.until(transfer, step_is("record", "running"))
    await world.system.kill("account-worker")
    await world.system.start("ledger-worker")
    for transfer in transfers:
        await world.api.until(transfer, step_is("deposit_compensation", "running"))
    return transfers


async def _abandoned_and_finishing(world: World, transfer: str) -> None:
    """The schedule is paused, by somebody else."""
    assert "by the test" in await world.run("Abandoned", 0)
    await world.run("Abandoned", 1)
    told = await world.until_kinds("finishing")
    assert transfer in {item["transfer_id"] for item in told["items"]}
    assert "compensation" in await world.run("Finishing", 0)


async def test_parked(world: World, to_be_parked: str) -> None:
    await world.until_kinds("parked")
    printed = await world.run("Parked", 0, 1)
    assert f"{to_be_parked} 202" in printed
    assert (await world.api.final(to_be_parked))["status"] == "compensated"
    await world.until_kinds("parked", gone=True)


async def test_stuck_and_unobserved(world: World) -> None:
    try:
        async with defective_worker(world):
            transfer = await world.api.start_transfer("alice", "bob")
            await _unobserved(world)  # while the task of its workflow fails
            await world.until_kinds("stuck")
            printed = await world.run("Stuck", 0)
        assert transfer in printed
        assert "a defect that fails the workflow task" in printed
        await world.run("Stuck", 0, 1, 2)
        assert (await world.api.final(transfer))["status"] in {"completed", "compensated"}
    finally:
        await world.system.start("workflow-worker")
    await world.until_kinds("stuck", gone=True)


async def _unobserved(world: World) -> None:
    await world.system.kill("account-api")
    await world.until_unknown()
    assert '"account-api":false' in await world.run("Unobserved", 0)
    await world.system.start("account-api")
    await world.run("Unobserved", 1)
    await world.until_kinds("unobserved", gone=True)


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


async def test_temporal_away(world: World) -> None:
    await world.system.kill("temporal")
    assert "away" in await world.run("Temporal away", 0)
    await world.run("Temporal away", 1)
    await world.until_kinds("unobserved", gone=True)
    transfer = await world.api.start_transfer("alice", "bob")
    assert (await world.api.final(transfer))["status"] == "completed"


async def test_no_command_of_the_runbook_was_left_out(world: World) -> None:
    all_blocks = {(heading, number) for heading, blocks in sections().items() for number in range(len(blocks))}
    assert world.runbook.run_blocks == all_blocks - {("", SET_UP_WITH_DOCKER)}
