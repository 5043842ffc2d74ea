"""Processes and servers that die, stand still or are asked to stop; what keeps them up starts them again."""

import signal
from typing import Final

from chaos.chaos_system import ChaosSystem
from chaos.effect import Effect
from chaos.schedule import ScheduledFault
from chaos.supervised import Supervised

_BACK_WITHIN_SECONDS: Final = 90


async def kill(system: ChaosSystem, fault: ScheduledFault) -> Effect:
    """SIGKILL. Over when it has been started again, as every fault of this kind: it isn't ready yet."""
    return await _signal(system, fault, signal.SIGKILL)


async def terminate(system: ChaosSystem, fault: ScheduledFault) -> Effect:
    """Asked to stop cleanly, and started again: a restart."""
    return await _signal(system, fault, _supervised(system, fault.target).program.stop_signal)


async def freeze(system: ChaosSystem, fault: ScheduledFault) -> Effect:
    """SIGSTOP for as long as the fault says: connections stay open, nobody answers."""
    pids = await _supervised(system, fault.target).freeze(fault.for_seconds)
    return Effect(len(pids), f"{fault.target} stood still for {fault.for_seconds} s")


async def _signal(system: ChaosSystem, fault: ScheduledFault, number: signal.Signals) -> Effect:
    process = _supervised(system, fault.target)
    pid = await process.signal(number)
    if pid is None:
        return Effect(0, f"{fault.target} was not running")
    await process.until_started_again(instead_of=pid, within_seconds=_BACK_WITHIN_SECONDS)
    return Effect(1, f"{fault.target} got {number.name} and was started again")


def _supervised(system: ChaosSystem, target: str) -> Supervised:
    return system.processes[target] if target in system.processes else system.server(target)
