"""The bulk lane: batches through HTTP, from the start of the first request until all of their transfers are final."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final
from uuid import uuid4

from benchmark import lanes
from benchmark.bulk_results import SHAPES, Beside, Bulk, BulkResults, Shape
from benchmark.keep_alive_client import KeepAliveClient
from benchmark.lanes import Pairs
from benchmark.load import measure
from benchmark.process_cpu import Pids, cpu_seconds, resident_bytes
from benchmark.results import Results
from benchmark.worlds import World

_LOOK_SECONDS: Final = 0.5
_LAST_LOOKS_SECONDS: Final = 0.1
"""Near the end, and at small batches: what the figures may be too slow by. A look counts all rows of a batch, so
looking more often would slow down what is measured."""
_SMALL: Final = 1_000
_NEAR_THE_END: Final = 0.9
_MIB: Final = 1024 * 1024
_BESIDE_SECONDS: Final = 8.0


async def measure_bulk(world: World, *, rounds: int) -> BulkResults:
    found = [await measure_shape(world, shape) for _ in range(rounds) for shape in SHAPES]
    now = Results.of_now(world.name)
    return BulkResults(now.world, now.taken_at, now.commit, now.machine, await _beside(world), found)


async def measure_shape(world: World, shape: Shape) -> Bulk:
    body = _body(world.pairs, shape.transfers)
    async with _memory_of(world.pids) as most:
        cpu, began = cpu_seconds(world.pids), time.perf_counter()
        await asyncio.gather(*(_run(world.gateway, body) for _ in range(shape.batches)))
        seconds = time.perf_counter() - began
        used = {name: after - cpu[name] for name, after in cpu_seconds(world.pids).items()}
    transfers = shape.batches * shape.transfers
    return Bulk(
        shape=shape.name,
        seconds=seconds,
        per_second=transfers / seconds,
        cpu_ms_per_thousand={name: spent * 1_000_000 / transfers for name, spent in used.items()},
        most_mib={name: most_bytes / _MIB for name, most_bytes in most.items()},
    )


async def _beside(world: World) -> Beside:
    async def one_batch_after_the_other() -> None:
        while True:
            await _run(world.gateway, body)

    async def p95_ms(pairs: Pairs) -> float:
        single = lanes.post(world.gateway, pairs)
        window = await measure(single, at_once=1, seconds=_BESIDE_SECONDS, pids=world.pids)
        return window.p95_ms

    middle = len(world.pairs) // 2
    theirs, others = world.pairs[:middle], world.pairs[middle:]
    body = _body(theirs, SHAPES[0].transfers)
    alone = await p95_ms(others)
    batches = asyncio.create_task(one_batch_after_the_other())
    try:
        return Beside(alone, await p95_ms(others), await p95_ms(theirs))
    finally:
        batches.cancel()
        with suppress(asyncio.CancelledError):
            await batches


async def _run(gateway: KeepAliveClient, body: bytes) -> None:
    """Until all of its transfers have completed."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid4())}
    batch = await _asked(gateway, "POST", "/transfer-batches", body, headers)
    while batch["status"] != "finished":
        near_the_end = batch["counts"].get("completed", 0) >= _NEAR_THE_END * batch["total"]
        often = near_the_end or batch["total"] <= _SMALL
        await asyncio.sleep(_LAST_LOOKS_SECONDS if often else _LOOK_SECONDS)
        batch = await _asked(gateway, "GET", f"/transfer-batches/{batch['id']}", b"", {})
    assert batch["counts"]["completed"] == batch["total"], batch["counts"]


async def _asked(
    gateway: KeepAliveClient, method: str, path: str, body: bytes, headers: Mapping[str, str]
) -> dict[str, Any]:
    """Where it is overloaded it is repeated with its key, as the API says."""
    status = 503
    while status == 503:
        status, answer = await gateway.request(method, path, body, headers)
    assert status < 300, answer
    told: dict[str, Any] = json.loads(answer)
    return told


def _body(pairs: Pairs, transfers: int) -> bytes:
    orders = [
        {"source_account": source, "destination_account": destination, "amount": "0.01", "currency": "EUR"}
        for source, destination in (pairs[number % len(pairs)] for number in range(transfers))
    ]
    return json.dumps({"transfers": orders}).encode()


@asynccontextmanager
async def _memory_of(pids: Pids) -> AsyncIterator[dict[str, int]]:
    """The most that each process had, looked at ten times a second."""
    most = resident_bytes(pids)

    async def look() -> None:
        while True:
            await asyncio.sleep(0.1)
            for name, now in resident_bytes(pids).items():
                most[name] = max(most[name], now)

    looking = asyncio.create_task(look())
    try:
        yield most
    finally:
        looking.cancel()
