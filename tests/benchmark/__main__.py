"""`make benchmark`: measures the lanes in turns, tells tables and ratios, keeps the results."""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import uvloop
from benchmark import process_cpu, results, tables
from benchmark.load import measure
from benchmark.results import Measured, Results
from benchmark.worlds import World, embedded_world
from rich.console import Console
from stack import ROOT

LOADS = (1, 8, 50)
"""Transfers at once: one after the other, a few, and more than anything here can work on at a time."""


def main() -> None:
    arguments = _arguments()
    uvloop.run(_run(arguments))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make benchmark", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6, help="of each window")
    parser.add_argument("--lanes", nargs="*", help="only these")
    parser.add_argument("--loads", nargs="*", type=int, default=LOADS, help="transfers at once")
    parser.add_argument("--output", type=Path, default=ROOT / ".local" / "benchmark", help="a folder")
    return parser.parse_args()


async def _run(arguments: argparse.Namespace) -> None:
    console = Console(width=160)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        Path(folder).chmod(0o755)
        async with embedded_world(Path(folder)) as world:
            found = await _rounds(world, arguments, console)
    results.save(arguments.output / f"{found.world}.json", found)
    for table in (tables.speed(found), tables.cpu(found)):
        console.print(table.as_rich())


async def _rounds(world: World, arguments: argparse.Namespace, console: Console) -> Results:
    found = Results.of_now(world.name)
    idle = process_cpu.cpu_seconds(world.pids)
    await asyncio.sleep(arguments.seconds)
    now = process_cpu.cpu_seconds(world.pids)
    print({name: round((now[name] - idle[name]) / arguments.seconds * 1000) for name in now})
    names: Sequence[str] = arguments.lanes or list(world.lanes)
    for number in range(arguments.rounds):
        for load in arguments.loads:
            for lane in _turned(names, number):
                window = await measure(
                    world.lanes[lane],
                    at_once=load,
                    seconds=arguments.seconds,
                    settle_seconds=arguments.seconds / 4,
                    pids=world.pids,
                )
                found.measured.append(Measured(number, lane, window))
                console.print(
                    f"{number + 1}/{arguments.rounds} {lane:7} {load:3} at once: {window.per_second:6.1f}/s  "
                    f"p50 {window.p50_ms:5.0f} ms  p95 {window.p95_ms:5.0f} ms  cpu {window.total_cpu_ms:5.1f} ms  "
                    f"(others: {window.others_cpu:.2f} processors)"
                )
    return found


def _turned(names: Sequence[str], by: int) -> list[str]:
    """Another one begins each round, so that what comes and goes on the machine meets all alike."""
    start = by % len(names)
    return [*names[start:], *names[:start]]


if __name__ == "__main__":
    main()
