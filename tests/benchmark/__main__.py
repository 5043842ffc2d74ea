"""`make benchmark`: measures the lanes in turns, tells tables, goals and ratios, keeps JSON, plot and tables."""

import argparse
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import uvloop
from benchmark import (
    bulk,
    bulk_results,
    documentation,
    goals,
    growth,
    growth_tables,
    results,
    step_costs,
    step_results,
    tables,
)
from benchmark.bulk_results import SHAPES
from benchmark.compose_world import compose_world
from benchmark.plot import plot
from benchmark.results import Results
from benchmark.rounds import Plan, run_rounds
from benchmark.worlds import LANES, NotHere, World, embedded_world
from rich.console import Console
from stack import ROOT

WORLDS: Final[Mapping[str, Callable[[Path], AbstractAsyncContextManager[World]]]] = {
    documentation.FIRST: embedded_world,
    "compose": compose_world,
}

_SMOKE: Final = Plan(rounds=1, seconds=5, loads=(20,), lanes=("floor", "saga", "post", "sample"))
_BATCHES: Final = 3
"""Of a smoke's round."""
_AGAIN: Final = 3
"""A smoke whose ratios have fallen is measured longer before it fails: its minute may have been a bad one."""


@dataclass(frozen=True)
class Output:
    folder: Path
    console: Console
    keep: bool
    """Whether docs/performance.md is written, too."""


def main() -> str | int:
    parser = argparse.ArgumentParser(prog="make benchmark", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=4, help="of each window")
    parser.add_argument("--worlds", nargs="*", default=[*WORLDS], choices=WORLDS)
    parser.add_argument("--lanes", nargs="*", default=LANES, choices=LANES)
    parser.add_argument("--loads", nargs="*", type=int, default=[1, 8, 20], help="transfers at once")
    parser.add_argument("--output", type=Path, default=ROOT / ".local" / "benchmark", help="a folder for the results")
    parser.add_argument("--record", action="store_true", help="and into docs/performance.md, for a quiet machine")
    parser.add_argument("--bulk", action="store_true", help="batches instead, and a single transfer beside them")
    parser.add_argument(
        "--steps", action="store_true", help="instead: a batch's steps alone, without Temporal and HTTP"
    )
    parser.add_argument("--growth", action="store_true", help="instead: among many transfers; embedded alone")
    parser.add_argument("--transfers", type=int, default=200_000, help="with --growth: final ones; a twentieth by POST")
    parser.add_argument("--pages", type=int, default=100, help="with --growth: of each list and place")
    parser.add_argument("--minutes", type=float, default=30, help="with --growth: of load, for memory; 0: none")
    parser.add_argument("--backlog", type=int, default=5_000, help="with --growth: while a worker is down; 0: none")
    parser.add_argument("--smoke", action="store_true", help="a minute; fails where a ratio has fallen by 30 %%")
    arguments = parser.parse_args()
    output = Output(arguments.output, Console(width=180), keep=arguments.record)
    if arguments.smoke:
        fallen = uvloop.run(_smoke(output.console))
        return f"error: {'; '.join(fallen)}" if fallen else 0
    if arguments.steps:
        _measure_steps(arguments.rounds, output)
        return 0
    plan = Plan(arguments.rounds, arguments.seconds, arguments.loads, arguments.lanes)
    if arguments.growth:
        lanes = replace(plan, lanes=growth.LANES)
        grown = growth.GrowthPlan(
            lanes, arguments.transfers, arguments.pages, arguments.minutes * 60, arguments.backlog
        )
        uvloop.run(_measure_growth(grown, output))
        return 0
    measure = _measure_bulk if arguments.bulk else _measure
    for name in arguments.worlds:
        try:
            uvloop.run(measure(name, plan, output))
        except NotHere as reason:
            output.console.print(f"{name}: not measured, {reason}")
    return 0


async def _measure(name: str, plan: Plan, output: Output) -> None:
    """Nothing is compared: the tables say which goals are met."""
    async with _started(name) as world:
        found = Results.of_now(world.name)
        await run_rounds(world, plan, found=found, say=output.console.print)
    results.save(output.folder / f"{name}.json", found)
    (output.folder / f"{name}.svg").write_text(plot(found))
    told = [tables.speed(found), tables.cpu(found), goals.goals(found)]
    (output.folder / f"{name}.md").write_text("\n".join(f"{rows.title}:\n\n{rows.as_markdown()}" for rows in told))
    if output.keep:
        documentation.record(found)
    for rows in told:
        output.console.print(rows.as_rich())


async def _measure_bulk(name: str, plan: Plan, output: Output) -> None:
    """A world that isn't the first one is held to what the first one did last in this folder."""
    async with _started(name) as world:
        found = await bulk.measure_bulk(world, rounds=plan.rounds)
    documentation.save_bulk(output.folder, found)
    if output.keep:
        documentation.record_bulk(found)
    other = documentation.held_to(output.folder, name)
    for rows in (bulk_results.speed(found, other), bulk_results.processes(found)):
        output.console.print(rows.as_rich())


def _measure_steps(rounds: int, output: Output) -> None:
    with _folder() as folder:
        found = step_costs.measure_steps(Path(folder), rounds=rounds)
    documentation.save_steps(output.folder, found)
    if output.keep:
        documentation.record_steps(found)
    output.console.print(step_results.steps(found).as_rich())


async def _measure_growth(plan: growth.GrowthPlan, output: Output) -> None:
    """Each part is told and kept as soon as it is measured: all together take an hour."""
    with _folder() as folder:
        async with embedded_world(Path(folder)) as world:
            async for found in growth.measure_growth(world, plan, say=output.console.print):
                documentation.save_growth(output.folder, found)
                output.console.print([*growth_tables.told(found).values()][-1].as_rich())
    if output.keep:
        documentation.record_growth(found)


async def _smoke(console: Console) -> list[str]:
    """No ratio has fallen where none is recorded."""
    recorded = documentation.recorded_ratios(documentation.RECORDED)
    if not recorded:
        folder = documentation.RECORDED.relative_to(ROOT)
        console.print(f"Not measured: no ratios are recorded in {folder} to compare with.")
        return []
    async with _started(documentation.FIRST) as world:
        found, batches = Results.of_now(world.name), list[bulk_results.Bulk]()
        for rounds in (1, _AGAIN):
            await run_rounds(world, replace(_SMOKE, rounds=rounds), found=found, say=console.print)
            batches += [await bulk.measure_shape(world, SHAPES[0]) for _ in range(rounds * _BATCHES)]
            now = goals.ratios_of(found, batches)
            console.print(goals.compared(now, recorded).as_rich())
            if not (fallen := goals.fallen(now, recorded)):
                break
            console.print(f"Fallen: {'; '.join(fallen)}.")
    return fallen


@asynccontextmanager
async def _started(name: str) -> AsyncIterator[World]:
    with _folder() as folder:
        async with WORLDS[name](Path(folder)) as world:
            yield world


def _folder() -> tempfile.TemporaryDirectory[str]:
    """PostgreSQL, which doesn't run as root, has to come through."""
    folder = tempfile.TemporaryDirectory(prefix="benchmark-")
    Path(folder.name).chmod(0o755)
    return folder


if __name__ == "__main__":
    sys.exit(main())
