"""The wall clock of one worker jumps, forwards or backwards, by up to an hour, and later back."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from chaos import clocks
from chaos.chaos_system import ChaosSystem
from chaos.effect import Effect
from chaos.schedule import ScheduledFault
from service_runtime.live_workers import list_heartbeats

_SMALLEST_SECONDS: Final = 60
_LARGEST_SECONDS: Final = 3600
_SEEN_SECONDS: Final = 4.0
"""A heartbeat a second, and more on a busy machine."""


async def step(system: ChaosSystem, fault: ScheduledFault) -> Effect:
    clock: Path = system.clock(fault.target)
    offset = _offset(fault)
    await asyncio.to_thread(clocks.set_ahead, clock, offset)
    try:
        await asyncio.sleep(max(fault.for_seconds, _SEEN_SECONDS))
        seen = await offset_of(system, fault.target)
    finally:
        await asyncio.to_thread(clocks.set_ahead, clock, 0)
    stepped = seen is not None and abs(seen - offset) < _SMALLEST_SECONDS / 2
    return Effect(int(stepped), f"{fault.target}: its clock stepped by {offset} s, by its heartbeats {seen}")


async def offset_of(system: ChaosSystem, name: str) -> float | None:
    """How far a worker's clock is ahead of this machine's, by its newest heartbeat; None where it has sent none."""
    pid = await system.processes[name].pid()
    beats = [beat for beat in await list_heartbeats(await system.temporal_client()) if beat.pid == str(pid)]
    return None if not beats else round((beats[0].heartbeat_at - datetime.now(UTC)).total_seconds(), 1)


def _offset(fault: ScheduledFault) -> int:
    size = _SMALLEST_SECONDS + fault.numbers[0] % (_LARGEST_SECONDS - _SMALLEST_SECONDS)
    return size if fault.numbers[1] % 2 else -size
