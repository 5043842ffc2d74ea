"""A closed loop: so many transfers at once, each followed by the next, and what a window of it shows."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from benchmark.process_cpu import Pids, cpu_seconds, machine_busy_seconds

ENOUGH: Final = 20
"""Of fewer transfers a window says nothing: on a machine that is busy with something else it lasts longer."""

Transfer = Callable[[int], Awaitable[None]]
"""Runs one transfer, the how manyth it is told, from its start to its end. Raises where it doesn't complete."""


@dataclass(frozen=True)
class Window:
    """What was measured while `at_once` transfers were under way all the time. Times in milliseconds."""

    at_once: int
    transfers: int
    per_second: float
    """By how long each takes (Little's law). They come in waves: a count depends on where in one the window begins."""
    p50_ms: float
    p95_ms: float
    cpu_ms: dict[str, float]
    """Per transfer, by process."""
    others_cpu: float
    """Processors that were busy with anything else: what disturbed the measurement."""

    @property
    def total_cpu_ms(self) -> float:
        return sum(self.cpu_ms.values())


async def measure(transfer: Transfer, *, at_once: int, seconds: float, pids: Pids) -> Window:
    """Of the transfers that end in this time, `ENOUGH` at least.

    It begins when each of the first ones has been followed by another: they begin all at the same step, so that at
    first none end, and the fewer the slower they are.
    """
    durations: list[float] = []
    stopping = asyncio.Event()

    async def one_after_the_other(number: int) -> None:
        while not stopping.is_set():
            started = time.perf_counter()
            await transfer(number)
            durations.append(time.perf_counter() - started)
            number += at_once

    async with asyncio.TaskGroup() as group:
        for number in range(at_once):
            group.create_task(one_after_the_other(number))
        await _until(lambda: len(durations) >= at_once, pause=0.05)
        durations.clear()
        began, cpu, busy = time.perf_counter(), cpu_seconds(pids), machine_busy_seconds()
        await asyncio.sleep(seconds)
        await _until(lambda: len(durations) >= ENOUGH, pause=1)
        used = {name: after - cpu[name] for name, after in cpu_seconds(pids).items()}
        took, ended = time.perf_counter() - began, [*durations]
        others = max(0.0, machine_busy_seconds() - busy - sum(used.values())) / took
        stopping.set()
    return _window(at_once, ended, took, used, others)


async def _until(condition: Callable[[], bool], *, pause: float) -> None:
    """A look now and then disturbs less than a condition that each transfer fulfils."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(pause)


async def run_all(transfer: Transfer, count: int, *, at_once: int) -> None:
    """So many transfers, `at_once` of them under way all the time."""
    numbers = iter(range(count))

    async def one_after_the_other() -> None:
        for number in numbers:
            await transfer(number)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(one_after_the_other())


def _window(at_once: int, durations: list[float], seconds: float, used: dict[str, float], others: float) -> Window:
    per_second = at_once / statistics.mean(durations)
    cuts = statistics.quantiles(durations, n=20, method="inclusive")
    return Window(
        at_once=at_once,
        transfers=len(durations),
        per_second=per_second,
        p50_ms=statistics.median(durations) * 1000,
        p95_ms=cuts[18] * 1000,
        cpu_ms={name: spent * 1000 / (per_second * seconds) for name, spent in used.items()},
        others_cpu=others,
    )
