"""Whether memory stays what it was while transfers and pages of lists go on for long."""

import asyncio
from typing import Final

from benchmark.growth_results import Memory
from benchmark.load import measure
from benchmark.process_cpu import family_bytes
from benchmark.worlds import EmbeddedWorld
from service_runtime.background import beside

SAMPLES: Final = 60
_MIB: Final = 1024 * 1024
_PAGE_SECONDS: Final = 1.0


async def measure_memory(world: EmbeddedWorld, *, seconds: float, at_once: int) -> Memory:
    """Of the product's processes and the two servers, which have been at work before."""
    mib: dict[str, list[float]] = {name: [] for name in world.product}

    async def look() -> None:
        while True:
            for name, now in (await asyncio.to_thread(family_bytes, world.product)).items():
                mib[name].append(now / _MIB)
            await asyncio.sleep(seconds / SAMPLES)

    async def read_the_list() -> None:
        while True:
            await world.gateway.request("GET", "/transfers")
            await asyncio.sleep(_PAGE_SECONDS)

    async with beside(look(), read_the_list()):
        window = await measure(world.lanes["post"], at_once=at_once, seconds=seconds, pids=world.pids)
    return Memory(seconds=window.transfers / window.per_second, transfers=window.transfers, mib=mib)
