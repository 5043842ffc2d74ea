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
from saga.fake_participants import Fault, Name  # noqa: E402
from saga.harness import QUICK, Handle, Harness, new_request, until  # noqa: E402
from saga.reconciling import AT_ONCE, Reconciler, reconciler_on  # noqa: E402
from temporalio.client import Client, WorkflowHandle  # noqa: E402
from temporalio.contrib.pydantic import pydantic_data_converter  # noqa: E402
from transfer_contract.names import finisher_id  # noqa: E402
from transfer_contract.steps import Compensation, Step  # noqa: E402
from transfer_contract.transfers import TransferRequest  # noqa: E402

HISTORIES: Final = Path(__file__).parent / "histories"

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


async def record(address: str) -> None:
    HISTORIES.mkdir(exist_ok=True)
    for scenario in RECORDED:
        file = HISTORIES / f"{scenario.__name__}.json"
        if file.exists():
            continue
        client = await Client.connect(address, data_converter=pydantic_data_converter, identity="recorder")
        async with reconciler_on(client) as harness, harness.workers():
            harness.timings = replace(QUICK, start_to_close_seconds=0.5)
            workflow = await scenario(harness)
            await workflow.result()
            history = await workflow.fetch_history()
        file.write_text(_without_paths(history.to_json()) + "\n")


def _without_paths(text: str) -> str:
    """Stack traces name this machine's folders; nothing replays them."""
    return re.sub(r'File \\"[^"]*/', r'File \\"', text)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, temporal_process(Path(folder)) as server:
        asyncio.run(record(server))
