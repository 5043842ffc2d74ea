"""A link that is cut, slow, stalled in one direction, or loses answers, for as long as the fault says."""

import asyncio

from chaos import fault_proxy
from chaos.chaos_system import ChaosSystem
from chaos.effect import Effect
from chaos.fault_proxy import PASSES, LinkCounts, LinkFault
from chaos.schedule import ScheduledFault


async def cut(system: ChaosSystem, fault: ScheduledFault) -> Effect:
    before, after = await _faulty(system, fault, fault_proxy.cut())
    return Effect(after.cut - before.cut, f"{fault.target}: connections reset")


async def slow(system: ChaosSystem, fault: ScheduledFault) -> Effect:
    """From 10 ms to 2 s, each way."""
    seconds = (10 + fault.numbers[0] % 1990) / 1000
    before, after = await _faulty(system, fault, fault_proxy.delay(seconds))
    return Effect(after.delayed - before.delayed, f"{fault.target}: messages later by {seconds} s")


async def stall_requests(system: ChaosSystem, fault: ScheduledFault) -> Effect:
    before, after = await _faulty(system, fault, fault_proxy.stall_requests())
    return Effect(after.held - before.held, f"{fault.target}: connections whose requests were held up")


async def stall_answers(system: ChaosSystem, fault: ScheduledFault) -> Effect:
    before, after = await _faulty(system, fault, fault_proxy.stall_answers())
    return Effect(after.held - before.held, f"{fault.target}: connections whose answers were held up")


async def drop_answers(system: ChaosSystem, fault: ScheduledFault) -> Effect:
    """The first answer of each connection, or the second, … up to the twentieth: COMMIT is one of them."""
    passing = fault.numbers[0] % 20
    before, after = await _faulty(system, fault, fault_proxy.drop_answers(after=passing))
    return Effect(after.dropped - before.dropped, f"{fault.target}: answers lost, on each connection after {passing}")


async def _faulty(system: ChaosSystem, fault: ScheduledFault, link_fault: LinkFault) -> tuple[LinkCounts, LinkCounts]:
    before = await system.proxies.counts(fault.target)
    try:
        await system.proxies.set(fault.target, link_fault)
        await asyncio.sleep(fault.for_seconds)
        return before, await system.proxies.counts(fault.target)
    finally:
        await system.proxies.set(fault.target, PASSES)
