"""The measurement itself: every lane at every load, in turns, so that what comes and goes on the machine meets all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmark.load import Window, measure
from benchmark.results import Measured, Results
from benchmark.worlds import World


@dataclass(frozen=True)
class Plan:
    rounds: int
    seconds: float
    """Of each window."""
    loads: Sequence[int]
    """Transfers at once: one after the other, a few, and more than anything here can work on at a time."""
    lanes: Sequence[str]


async def run_rounds(world: World, plan: Plan, *, found: Results, say: Callable[[str], None]) -> None:
    """Adds to what has been found."""
    for number in range(plan.rounds):
        for load in plan.loads:
            for lane in _turned([lane for lane in plan.lanes if lane in world.lanes], by=number):
                window = await measure(world.lanes[lane], at_once=load, seconds=plan.seconds, pids=world.pids)
                found.measured.append(Measured(number, lane, window))
                say(f"{number + 1}/{plan.rounds} {_line(lane, window)}")


def _turned(names: Sequence[str], *, by: int) -> list[str]:
    """Another one begins each round."""
    start = by % len(names)
    return [*names[start:], *names[:start]]


def _line(lane: str, window: Window) -> str:
    return (
        f"{lane:12}{window.at_once:3} at once: {window.per_second:6.1f}/s  p50 {window.p50_ms:5.0f} ms  "
        f"p95 {window.p95_ms:5.0f} ms  processor {window.total_cpu_ms:5.1f} ms  "
        f"(others: {window.others_cpu:.2f} processors)"
    )
