"""Records the histories that the replay tests replay: `uv run python tests/replay/record_histories.py`.

Run it only when a new history is wanted; the recorded ones are what production workflows may still be in the middle of.
"""

import asyncio
import re
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "deploy/local"), str(ROOT / "tests")]

from real_servers import temporal_process  # noqa: E402
from saga.fake_participants import Fault  # noqa: E402
from saga.harness import QUICK, Handle, Harness, until  # noqa: E402
from temporalio.client import Client  # noqa: E402
from temporalio.contrib.pydantic import pydantic_data_converter  # noqa: E402
from transfer_contract.steps import Compensation, Step  # noqa: E402

HISTORIES: Final = Path(__file__).parent / "histories"


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


RECORDED: Final[list[Callable[[Harness], Awaitable[Handle]]]] = [
    completed,
    rejected,
    compensated,
    cancelled,
    cancelled_past_the_commit_point,
    parked_and_repaired,
]


async def record(address: str) -> None:
    HISTORIES.mkdir(exist_ok=True)
    for scenario in RECORDED:
        client = await Client.connect(address, data_converter=pydantic_data_converter, identity="recorder")
        harness = Harness(client, timings=replace(QUICK, start_to_close_seconds=0.5))
        async with harness.workers():
            transfer = await scenario(harness)
            await transfer.result()
            history = await transfer.fetch_history()
        (HISTORIES / f"{scenario.__name__}.json").write_text(_without_paths(history.to_json()) + "\n")


def _without_paths(text: str) -> str:
    """Stack traces name this machine's folders; nothing replays them."""
    return re.sub(r'File \\"[^"]*/', r'File \\"', text)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, temporal_process(Path(folder)) as server:
        asyncio.run(record(server))
