"""One fault on a running system under a little traffic, for the tests of each kind."""

import asyncio
from collections.abc import Iterable

import pytest
from chaos import faults
from chaos.chaos_system import ChaosSystem
from chaos.effect import Effect
from chaos.schedule import FaultKind, ScheduledFault
from chaos.traffic import Traffic

_NUMBERS = (7, 1, 0, 3)


async def inject(system: ChaosSystem, kind: FaultKind, target: str, seconds: float) -> Effect:
    """Skips the test where this machine doesn't allow it."""
    if (why := faults.impossible_here(system).get(kind)) is not None:
        pytest.skip(why)
    return await faults.inject(system, ScheduledFault(0, kind, target, seconds, _NUMBERS))


async def inject_and_heal(
    system: ChaosSystem, load: Traffic, side_by_side: Iterable[tuple[FaultKind, str, float]]
) -> None:
    """Fails where one of them had no effect, or where no transfer completes afterwards."""
    possible = [fault for fault in side_by_side if fault[0] not in faults.impossible_here(system)]
    if not possible:
        pytest.skip("; ".join(faults.impossible_here(system).values()))
    effects = await asyncio.gather(*(inject(system, *fault) for fault in possible))
    assert [effect.what for effect in effects if effect.count == 0] == []
    await system.heal()
    await load.until_completed()
