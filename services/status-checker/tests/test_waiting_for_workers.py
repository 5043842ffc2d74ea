"""`waiting_for` and GET /workers: which process a transfer waits on, and who lives."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from checker_saga import Activities, start, workers
from checker_views import look, until
from temporalio.client import Client
from transfer_contract.http import WorkerGroup, WorkersView
from transfer_contract.names import Process, TaskQueue
from transfer_contract.transfers import TransferRequest

NOTICED_WITHIN_SECONDS = 5


@contextmanager
def account_worker(temporal: str) -> Iterator[subprocess.Popen[bytes]]:
    program = Path(__file__).with_name("checker_worker_process.py")
    environment = {**os.environ, "TEMPORAL_ADDRESS": temporal}
    process = subprocess.Popen([sys.executable, str(program), TaskQueue.ACCOUNTS], env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def group_of(checker: httpx.AsyncClient, process: Process) -> WorkerGroup:
    answer = await checker.get("/workers")
    assert answer.status_code == 200, answer.text
    return next(group for group in WorkersView.model_validate_json(answer.content).items if group.process is process)


async def test_a_killed_worker_is_what_its_transfers_wait_for_within_five_seconds(
    checker: httpx.AsyncClient, temporal_server: str, client: Client, activities: Activities, transfer: TransferRequest
) -> None:
    async with workers(client, activities, TaskQueue.TRANSFERS):
        handle = await start(client, transfer)
        before = await until(checker, transfer, lambda view: view.waiting_for == Process.ACCOUNT_WORKER)
        assert before.steps[0].status == "running"
        with account_worker(temporal_server) as process:
            alive = await until(checker, transfer, lambda view: view.waiting_for is None)
            (worker,) = (await group_of(checker, Process.ACCOUNT_WORKER)).workers
            assert (worker.pid, worker.started_at < datetime.now(UTC)) == (str(process.pid), True)
            await asyncio.sleep(1.2)
            assert (await look(checker, transfer)).waiting_for is None
            process.kill()
            killed_at, killed = time.monotonic(), datetime.now(UTC)
            changed = await until(checker, transfer, lambda view: view.waiting_for == Process.ACCOUNT_WORKER)
            assert time.monotonic() - killed_at < NOTICED_WITHIN_SECONDS
        assert changed.version != alive.version
        gone = await group_of(checker, Process.ACCOUNT_WORKER)
        assert (gone.workers, gone.queue) == ([], TaskQueue.ACCOUNTS)
        assert gone.gone_since is not None
        assert -NOTICED_WITHIN_SECONDS < (gone.gone_since - killed).total_seconds() < 1
        assert changed.steps[0].worker == worker.identity
        with account_worker(temporal_server):
            await until(checker, transfer, lambda view: view.waiting_for is None)
            back = await group_of(checker, Process.ACCOUNT_WORKER)
        assert back.last_gap is not None
        assert (back.last_gap.began_at, back.last_gap.ended_at) == (gone.gone_since, back.workers[0].started_at)
        await handle.terminate()


async def test_a_transfer_that_nobody_decides_on_waits_for_the_workflow_worker_and_is_counted_as_backlog(
    checker: httpx.AsyncClient, client: Client, transfer: TransferRequest
) -> None:
    handle = await start(client, transfer)
    view = await until(checker, transfer, lambda view: view.waiting_for is not None)
    assert (view.waiting_for, view.status) == (Process.WORKFLOW_WORKER, "accepted")
    for _ in range(100):
        group = await group_of(checker, Process.WORKFLOW_WORKER)
        if group.backlog:
            break
        await asyncio.sleep(0.1)
    assert group.backlog is not None
    assert group.backlog >= 1
    await handle.terminate()


async def test_the_workers_are_listed_by_kind(
    checker: httpx.AsyncClient, client: Client, activities: Activities
) -> None:
    async with workers(client, activities):
        for _ in range(100):
            items = WorkersView.model_validate_json((await checker.get("/workers")).content).items
            if all([worker.pid for worker in group.workers] == [str(os.getpid())] for group in items):
                break
            await asyncio.sleep(0.1)
        else:
            pytest.fail(f"still {items}")
    assert [(group.process, group.queue) for group in items] == [
        (Process.WORKFLOW_WORKER, TaskQueue.TRANSFERS),
        (Process.ACCOUNT_WORKER, TaskQueue.ACCOUNTS),
        (Process.LEDGER_WORKER, TaskQueue.LEDGER),
    ]
    assert all(group.gone_since is None for group in items)
