"""The bulk lane: batches through HTTP, from the start of the first request until all of their transfers are final."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final
from uuid import uuid4

from benchmark.keep_alive_client import KeepAliveClient
from benchmark.lanes import Pairs
from benchmark.load import measure
from benchmark.process_cpu import Pids, cpu_seconds, resident_bytes
from benchmark.tables import Rows
from benchmark.worlds import World

_LOOK_SECONDS: Final = 0.05
"""What the figures may be too slow by."""
_MIB: Final = 1024 * 1024
_BESIDE_SECONDS: Final = 8.0


@dataclass(frozen=True)
class Shape:
    """So many batches side by side, and what they are held to: transfers a second, or seconds for all."""

    name: str
    batches: int
    transfers: int
    at_least_per_second: float | None = None
    at_most_seconds: float | None = None


SHAPES: Final = (
    Shape("one of 10,000", 1, 10_000, at_least_per_second=5_000),
    Shape("ten of 1,000", 10, 1_000, at_least_per_second=3_000),
    Shape("one of 1,000", 1, 1_000, at_most_seconds=1.5),
)


@dataclass(frozen=True)
class Bulk:
    """One measurement of a shape. Processor time in milliseconds a thousand transfers, memory as most that was seen."""

    shape: str
    seconds: float
    per_second: float
    cpu_ms_per_thousand: Mapping[str, float]
    most_mib: Mapping[str, float]


@dataclass(frozen=True)
class Beside:
    """A single transfer's p95 in milliseconds, alone and while batches of 10,000 follow one another."""

    alone_ms: float
    beside_ms: float


async def measure_bulk(world: World, *, rounds: int) -> tuple[list[Bulk], Beside]:
    found = [await _measured(world, shape) for _ in range(rounds) for shape in SHAPES]
    return found, await _beside(world)


def save(path: Path, found: list[Bulk], beside: Beside) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"bulk": [*map(asdict, found)], "beside": asdict(beside)}, indent=1) + "\n")


def table(found: list[Bulk], beside: Beside) -> Rows:
    body = []
    for shape in SHAPES:
        of_shape = [one for one in found if one.shape == shape.name]
        seconds, per_second = median(one.seconds for one in of_shape), median(one.per_second for one in of_shape)
        goal, is_met = _judged(shape, seconds, per_second)
        body.append([shape.name, f"{seconds:.2f}", f"{per_second:.0f}", goal, "met" if is_met else "missed"])
    ratio = beside.beside_ms / beside.alone_ms
    said = f"p95 {beside.alone_ms:.0f} → {beside.beside_ms:.0f} ms"
    body.append(["a single transfer beside them", said, "", "at most doubled", "met" if ratio <= 2 else "missed"])
    return Rows("Batches", ["", "seconds", "transfers/s", "goal", ""], body)


def _judged(shape: Shape, seconds: float, per_second: float) -> tuple[str, bool]:
    if shape.at_least_per_second is not None:
        return f"≥ {shape.at_least_per_second:.0f}/s", per_second >= shape.at_least_per_second
    limit = shape.at_most_seconds or 0.0
    return f"≤ {limit:g} s", seconds <= limit


async def _measured(world: World, shape: Shape) -> Bulk:
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

    async def p95_ms() -> float:
        window = await measure(
            world.lanes["post"], at_once=1, seconds=_BESIDE_SECONDS, settle_seconds=1, pids=world.pids
        )
        return window.p95_ms

    body = _body(world.pairs, SHAPES[0].transfers)
    alone = await p95_ms()
    batches = asyncio.create_task(one_batch_after_the_other())
    try:
        return Beside(alone, await p95_ms())
    finally:
        batches.cancel()
        with suppress(asyncio.CancelledError):
            await batches


async def _run(gateway: KeepAliveClient, body: bytes) -> None:
    """Until all of its transfers have completed."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid4())}
    batch = await _asked(gateway, "POST", "/transfer-batches", body, headers)
    while batch["status"] != "finished":
        await asyncio.sleep(_LOOK_SECONDS)
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
    """All batches pay from the same accounts."""
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
