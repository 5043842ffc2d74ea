"""What needs an operator is told by the server: no worker has to be alive."""

import asyncio

from checker_observing import SOON_SECONDS, Observing, transfer_of
from checker_saga import Activities, start, workers
from status_checker.live_workers import LiveWorkers
from temporalio.client import Client
from transfer_contract.attention import AttentionKind
from transfer_contract.names import Process, TaskQueue
from transfer_contract.steps import Compensation, FailureCode, Step


async def test_with_no_worker_alive_each_kind_is_told_once(
    observing: Observing, client: Client, live_workers: LiveWorkers, activities: Activities
) -> None:
    """And what had failed before is told as before: the server knows."""
    transfer = transfer_of()
    activities.refusals[transfer.transfer_id, Step.DEPOSIT] = FailureCode.ACCOUNT_CLOSED
    activities.fail(transfer, Compensation.WITHDRAW, "database_error")
    async with workers(client, activities):
        handle = await start(client, transfer)
        await observing.until_item(transfer, AttentionKind.PARKED)
    async with asyncio.timeout(SOON_SECONDS):
        while live_workers.processes():
            await live_workers.changed.wait()
    attention = await observing.attention()
    gone = {item.process for item in attention.items if item.kind is AttentionKind.WORKER_GONE}
    assert gone == {Process.WORKFLOW_WORKER, Process.ACCOUNT_WORKER, Process.LEDGER_WORKER}
    assert AttentionKind.PARKED in {item.kind for item in attention.items if item.transfer_id == transfer.transfer_id}
    assert attention.counts[AttentionKind.WORKER_GONE] == len(gone)
    assert observing.metric("live_workers", process="account-worker") == 0
    assert observing.metric("task_queue_backlog", queue=TaskQueue.ACCOUNTS) >= 0
    await handle.terminate()
