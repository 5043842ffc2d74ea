"""One fault on a running system under a little traffic, for the tests of each kind."""

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


async def inject_and_heal(system: ChaosSystem, load: Traffic, kind: FaultKind, target: str, seconds: float) -> None:
    """Fails where it had no effect, or where no transfer completes afterwards."""
    effect = await inject(system, kind, target, seconds)
    assert effect.count, effect.what
    await system.heal()
    await load.until_completed()
