"""`make benchmark`: measures the lanes in turns, tells tables, goals and ratios, keeps JSON, plot and tables."""

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

import uvloop
from benchmark import bulk, bulk_results, documentation, goals, results, tables
from benchmark.plot import plot
from benchmark.results import Results
from benchmark.rounds import Plan, run_rounds
from benchmark.worlds import LANES, embedded_world
from rich.console import Console
from stack import ROOT

_SMOKE: Final = Plan(rounds=1, seconds=5, loads=(50,), lanes=LANES)
_AGAIN: Final = 3
"""A smoke whose ratios have fallen is measured longer before it fails: its minute may have been a bad one."""


def main() -> str | int:
    parser = argparse.ArgumentParser(prog="make benchmark", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8, help="of each window")
    parser.add_argument("--lanes", nargs="*", default=LANES, choices=LANES)
    parser.add_argument("--loads", nargs="*", type=int, default=[1, 8, 50], help="transfers at once")
    parser.add_argument("--output", type=Path, default=ROOT / ".local" / "benchmark", help="a folder for the results")
    parser.add_argument("--record", action="store_true", help="and into docs/performance.md, for a quiet machine")
    parser.add_argument("--bulk", action="store_true", help="batches instead, and a single transfer beside them")
    parser.add_argument("--smoke", action="store_true", help="a minute; fails where a ratio has fallen by 30 %%")
    arguments = parser.parse_args()
    if arguments.bulk:
        uvloop.run(_measure_bulk(arguments.rounds, arguments.output, keep=arguments.record))
        return 0
    plan = Plan(arguments.rounds, arguments.seconds, arguments.loads, arguments.lanes)
    fallen = uvloop.run(_smoke() if arguments.smoke else _measure(plan, arguments.output, keep=arguments.record))
    return f"error: {'; '.join(fallen)}" if fallen else 0


async def _measure(plan: Plan, output: Path, *, keep: bool) -> list[str]:
    """Nothing is compared: the tables say which goals are met."""
    console = Console(width=180)
    with _folder() as folder:
        async with embedded_world(Path(folder)) as world:
            found = Results.of_now(world.name)
            await run_rounds(world, plan, found=found, say=console.print)
    results.save(output / f"{found.world}.json", found)
    (output / f"{found.world}.svg").write_text(plot(found))
    told = [tables.speed(found), tables.cpu(found), goals.goals(found)]
    (output / f"{found.world}.md").write_text("\n".join(f"{rows.title}:\n\n{rows.as_markdown()}" for rows in told))
    if keep:
        documentation.record(found)
    for rows in told:
        console.print(rows.as_rich())
    return []


async def _measure_bulk(rounds: int, output: Path, *, keep: bool) -> None:
    with _folder() as folder:
        async with embedded_world(Path(folder)) as world:
            found = await bulk.measure_bulk(world, rounds=rounds)
    bulk_results.save(output / f"{found.world}-bulk.json", found)
    if keep:
        documentation.record_bulk(found)
    for rows in (bulk_results.speed(found), bulk_results.processes(found)):
        Console(width=180).print(rows.as_rich())


async def _smoke() -> list[str]:
    """No ratio has fallen where none is recorded."""
    console, recorded_in = Console(width=180), documentation.RECORDED / "embedded.json"
    if not recorded_in.exists():
        console.print(f"Not measured: no ratios are recorded in {recorded_in.relative_to(ROOT)} to compare with.")
        return []
    recorded = results.load(recorded_in)
    with _folder() as folder:
        async with embedded_world(Path(folder)) as world:
            found = Results.of_now(world.name)
            await run_rounds(world, _SMOKE, found=found, say=console.print)
            if goals.fallen(found, recorded):
                console.print("A ratio has fallen: measuring longer.")
                await run_rounds(world, replace(_SMOKE, rounds=_AGAIN), found=found, say=console.print)
    console.print(goals.ratios(found, recorded).as_rich())
    return goals.fallen(found, recorded)


def _folder() -> tempfile.TemporaryDirectory[str]:
    """PostgreSQL, which doesn't run as root, has to come through."""
    folder = tempfile.TemporaryDirectory(prefix="benchmark-")
    Path(folder.name).chmod(0o755)
    return folder


if __name__ == "__main__":
    sys.exit(main())
