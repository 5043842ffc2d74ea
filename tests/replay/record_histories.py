"""Records the histories that the replay tests replay: `uv run python tests/replay/record_histories.py`.

It records those that are missing; the others are what production workflows may still be in the middle of.
"""

import asyncio
import re
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "deploy/local"), str(ROOT / "tests")]

from real_servers import temporal_process  # noqa: E402
from saga.batch_harness import BatchHarness  # noqa: E402
from saga.fake_participants import Fault, Name  # noqa: E402
from saga.harness import QUICK, Handle, Harness, new_request, until  # noqa: E402
from saga.reconciling import AT_ONCE, Reconciler, reconciler_on  # noqa: E402
from temporalio.client import Client, WorkflowHandle  # noqa: E402
from temporalio.contrib.pydantic import pydantic_data_converter  # noqa: E402
from transfer_contract.batches import UnfinishedBatch  # noqa: E402
from transfer_contract.names import FINISH_BATCH, TaskQueue, batch_finisher_id, finisher_id  # noqa: E402
from transfer_contract.steps import Compensation, Failure, FailureCode, Step  # noqa: E402
from transfer_contract.transfers import TransferRequest  # noqa: E402
from workflow_handler.policies import Batching  # noqa: E402

HISTORIES: Final = Path(__file__).parent / "histories"
UNHURRIED: Final = replace(QUICK, start_to_close_seconds=30)
"""What isn't meant to time out doesn't, however busy the machine is."""

AnyHandle = WorkflowHandle[Any, Any]


async def completed(harness: Harness) -> Handle:
    return await harness.start()


async def rejected(harness: Harness) -> Handle:
    harness.faults.plan(Step.WITHDRAW, Fault.REFUSED)
    return await harness.start()


async def compensated(harness: Harness) -> Handle:
    harness.faults.plan(Step.RECORD, Fault.REFUSED)
    return await harness.start()


async def cancelled(harness: Harness) -> Handle:
    harness.faults.plan(Step.DEPOSIT, Fault.WAITS)
    transfer = await harness.start()
    await until(lambda: Step.DEPOSIT in harness.faults.calls)
    await transfer.cancel()
    return transfer


async def cancelled_past_the_commit_point(harness: Harness) -> Handle:
    harness.faults.plan(Step.RECORD, Fault.TIMES_OUT_AFTER_APPLYING, attempts=1)
    transfer = await harness.start()
    await until(lambda: any(step is Step.RECORD for _, step in harness.books.rows))
    await transfer.cancel()
    return transfer


async def parked_and_repaired(harness: Harness) -> Handle:
    harness.faults.plan(Step.RECORD, Fault.FAILS)
    harness.faults.plan(Compensation.DEPOSIT, Fault.FAILS, attempts=12)
    return await harness.start()


async def finished_undone(harness: Reconciler) -> AnyHandle:
    request = await _terminated_in(harness, Step.RECORD)
    harness.faults.plan(Compensation.DEPOSIT, Fault.FAILS, attempts=12)
    await harness.reconcile()
    return harness.client.get_workflow_handle(finisher_id(request.transfer_id))


async def finished_forward(harness: Reconciler) -> AnyHandle:
    request = await _terminated_in(harness, Step.RELEASE)
    await harness.reconcile()
    return harness.client.get_workflow_handle(finisher_id(request.transfer_id))


async def reconciled(harness: Reconciler) -> AnyHandle:
    """Three transfers, one of which can't be finished within the run's patience."""
    for _ in range(2):
        await (await harness.start()).terminate()
    await _terminated_in(harness, Step.RECORD)
    harness.faults.plan(Compensation.DEPOSIT, Fault.FAILS, attempts=100)
    run = await harness.begin(replace(AT_ONCE, wait_seconds=0.3, at_once=2))
    await run.result()
    harness.faults.plan(Compensation.DEPOSIT, Fault.FAILS, attempts=0)
    return run


async def batch_completed(harness: BatchHarness) -> AnyHandle:
    """Three chunks, two of them side by side."""
    return await harness.start(10)


async def batch_in_pieces(harness: BatchHarness) -> AnyHandle:
    """Refused, failing for a while, undone behind a lost answer, and repeated alone until it succeeds."""
    harness.fake.plan_for(1, Step.WITHDRAW, Fault.REFUSED)
    harness.fake.plan_for(2, Step.RECORD, Fault.REFUSED)
    harness.fake.plan_for(3, Step.DEPOSIT, Fault.FAILS, attempts=2)
    harness.fake.plan_for(4, Step.DEPOSIT, Fault.FAILS)
    harness.fake.plan_for(4, Compensation.WITHDRAW, Fault.FAILS, attempts=9)
    return await harness.start(8)


async def batch_cancelled(harness: BatchHarness) -> AnyHandle:
    harness.fake.plan(Step.RECORD, Fault.WAITS)
    batch = await harness.start(12)
    await until(harness.fake.waiting[Step.RECORD].is_set)
    await batch.cancel()
    harness.fake.go.set()
    return batch


async def batch_finished(harness: BatchHarness) -> AnyHandle:
    """By the reconciler: some are past the point of no return, one was refused, the others are undone."""
    harness.fake.plan_for(2, Step.RECORD, Fault.REFUSED)
    harness.fake.plan(Step.RELEASE, Fault.FAILS, attempts=100)
    harness.fake.plan(Compensation.DEPOSIT, Fault.FAILS, attempts=100)
    lost = await harness.start(10)
    await until(lambda: (4, Step.RECORD) in harness.fake.rows)
    await lost.terminate()
    harness.fake.plan(Step.RELEASE, Fault.FAILS, attempts=0)
    harness.fake.plan(Compensation.DEPOSIT, Fault.FAILS, attempts=0)
    assert harness.batch is not None
    failure = Failure(code=FailureCode.INTERRUPTED, detail="the batch's workflow was found terminated")
    return await harness.client.start_workflow(
        FINISH_BATCH,
        args=[UnfinishedBatch(batch_id=harness.batch.batch_id, failure=failure), harness.batching],
        id=batch_finisher_id(harness.batch.batch_id),
        task_queue=TaskQueue.TRANSFERS,
    )


async def _terminated_in(harness: Reconciler, name: Name) -> TransferRequest:
    harness.timings = replace(harness.timings, start_to_close_seconds=60)
    request = new_request()
    harness.faults.plan(name, Fault.WAITS, attempts=1)
    transfer = await harness.start(request)
    await until(lambda: name in harness.faults.calls)
    await transfer.terminate()
    harness.faults.plan(name, Fault.WAITS, attempts=0)
    return request


RECORDED: Final[list[Callable[[Reconciler], Awaitable[AnyHandle]]]] = [
    completed,
    rejected,
    compensated,
    cancelled,
    cancelled_past_the_commit_point,
    parked_and_repaired,
    finished_undone,
    finished_forward,
    reconciled,
]
RECORDED_OF_BATCHES: Final[list[Callable[[BatchHarness], Awaitable[AnyHandle]]]] = [
    batch_completed,
    batch_in_pieces,
    batch_cancelled,
    batch_finished,
]


async def record(address: str) -> None:
    HISTORIES.mkdir(exist_ok=True)
    client = await Client.connect(address, data_converter=pydantic_data_converter, identity="recorder")
    for scenario in RECORDED:
        if _is_missing(scenario):
            async with reconciler_on(client) as harness, harness.workers():
                harness.timings = replace(QUICK, start_to_close_seconds=0.5)
                await _write(scenario, await scenario(harness))
    for scenario_of_batch in RECORDED_OF_BATCHES:
        if _is_missing(scenario_of_batch):
            batches = BatchHarness(client, batching=Batching(timings=UNHURRIED, chunk=4, at_once=2))
            async with batches.workers():
                await _write(scenario_of_batch, await scenario_of_batch(batches))


def _file(scenario: Callable[..., object]) -> Path:
    return HISTORIES / f"{scenario.__name__}.json"


def _is_missing(scenario: Callable[..., object]) -> bool:
    return not _file(scenario).exists()


async def _write(scenario: Callable[..., object], workflow: AnyHandle) -> None:
    await workflow.result()
    history = await workflow.fetch_history()
    _file(scenario).write_text(_without_paths(history.to_json()) + "\n")


def _without_paths(text: str) -> str:
    """Stack traces name this machine's folders; nothing replays them."""
    return re.sub(r'File \\"[^"]*/', r'File \\"', text)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, temporal_process(Path(folder)) as server:
        asyncio.run(record(server))
