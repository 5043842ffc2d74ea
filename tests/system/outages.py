"""What tests of an outage share: the two servers taken away and given back, and answers that have to come in time."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
from system.public_api import Json
from system.running_system import EIGHT, RunningSystem

ANSWER_WITHIN_SECONDS: Final = 3.0
TEMPORAL: Final = "temporal"
POSTGRES: Final = "postgres"
_START_SECONDS: Final = 20
_LOOK_SECONDS: Final = 0.1


class Answers:
    """Times every answer: during an outage the slowest one counts."""

    def __init__(self) -> None:
        self.slowest_seconds = 0.0

    async def of(self, request: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
        started = time.perf_counter()
        response = await request()
        self.slowest_seconds = max(self.slowest_seconds, time.perf_counter() - started)
        return response

    async def unavailable(self, request: Callable[[], Awaitable[httpx.Response]]) -> None:
        response = await self.of(request)
        assert (response.status_code, response.json()["code"]) == (503, "unavailable")
        assert response.headers["Retry-After"] == "1"


@asynccontextmanager
async def killed(system: RunningSystem, server: str) -> AsyncIterator[None]:
    """SIGKILL; inside it is away, and afterwards it takes connections again."""
    await system.kill(server)
    try:
        yield
    finally:
        await system.start(server)


@asynccontextmanager
async def frozen(system: RunningSystem) -> AsyncIterator[None]:
    """PostgreSQL hangs, all of its processes: connections stay open, and nothing answers."""
    pids = [*_family((await system.pids())[POSTGRES])]
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)


@dataclass
class Restarted:
    """Processes that were killed, and started again while Temporal was away."""

    pids: dict[str, int]
    starting: list[asyncio.Task[None]]

    async def until_ready(self) -> None:
        await asyncio.gather(*self.starting)


async def restart(system: RunningSystem, names: Sequence[str]) -> Restarted:
    """Returns when they run, which is before they can be ready."""
    await asyncio.gather(*(system.kill(name) for name in names))
    starting = [asyncio.create_task(system.start(name)) for name in names]
    deadline = time.monotonic() + _START_SECONDS
    while not (await system.pids()).keys() >= {*names}:
        assert time.monotonic() < deadline, f"not all of {names} are started"
        await asyncio.sleep(_LOOK_SECONDS)
    return Restarted({name: pid for name, pid in (await system.pids()).items() if name in names}, starting)


def _family(pid: int) -> Iterator[int]:
    yield pid
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield from _family(int(child))


async def until_recovered(system: RunningSystem, body: Json) -> None:
    """All eight are ready, and a transfer completes."""
    await system.until_readiness(*EIGHT, ready=True)
    response = await system.api.post_transfer(body, wait_seconds=20)
    assert response.json()["status"] == "completed", response.text


async def pids_of_the_eight(system: RunningSystem) -> dict[str, int]:
    return {name: pid for name, pid in (await system.pids()).items() if name in EIGHT}
