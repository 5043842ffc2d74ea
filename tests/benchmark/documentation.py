"""The figures of docs/performance.md: each block between its two marks is made from the recorded results."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from benchmark import bulk_results, capacity, goals, growth_results, growth_tables, results, step_results, tables
from benchmark.bulk_results import SHAPES, BulkResults
from benchmark.growth_results import GrowthResults
from benchmark.plot import plot
from benchmark.results import Results
from benchmark.step_results import StepResults
from stack import ROOT

RECORDED: Final = ROOT / "docs" / "performance"
_BULK: Final = "-bulk.json"
_GROWTH: Final = "-growth.json"
_STEPS: Final = "steps.json"
FIRST: Final = "embedded"
"""The world that the goals hold for, and that others are compared with."""
PAGE: Final = ROOT / "docs" / "performance.md"


def record(found: Results) -> None:
    """Keeps the results beside the page, and writes them into it."""
    results.save(RECORDED / f"{found.world}.json", found)
    (RECORDED / f"{found.world}.svg").write_text(plot(found))
    PAGE.write_text(filled(PAGE.read_text(), blocks(RECORDED)))


def record_bulk(found: BulkResults) -> None:
    save_bulk(RECORDED, found)
    PAGE.write_text(filled(PAGE.read_text(), blocks(RECORDED)))


def save_bulk(folder: Path, found: BulkResults) -> None:
    bulk_results.save(folder / f"{found.world}{_BULK}", found)


def record_growth(found: GrowthResults) -> None:
    save_growth(RECORDED, found)
    PAGE.write_text(filled(PAGE.read_text(), blocks(RECORDED)))


def save_growth(folder: Path, found: GrowthResults) -> None:
    growth_results.save(folder / f"{found.before.world}{_GROWTH}", found)


def record_steps(found: StepResults) -> None:
    save_steps(RECORDED, found)
    PAGE.write_text(filled(PAGE.read_text(), blocks(RECORDED)))


def save_steps(folder: Path, found: StepResults) -> None:
    step_results.save(folder / _STEPS, found)


def blocks(folder: Path) -> dict[str, str]:
    """By name: the world and what is told of it."""
    made: dict[str, str] = {}
    for path in sorted(folder.glob("*.json")):
        if path.name.endswith(_BULK):
            made |= _bulk_blocks(bulk_results.load(path), held_to(folder, path.name.removesuffix(_BULK)))
            continue
        if path.name == _STEPS:
            steps = step_results.load(path)
            made |= {"steps machine": _taken(steps), "steps": step_results.steps(steps).as_markdown()}
            continue
        if path.name.endswith(_GROWTH):
            made |= _growth_blocks(growth_results.load(path))
            continue
        found = results.load(path)
        made[f"{found.world} machine"] = _taken(found)
        made[f"{found.world} speed"] = tables.speed(found).as_markdown()
        made[f"{found.world} cpu"] = tables.cpu(found).as_markdown()
        made[f"{found.world} goals"] = goals.goals(found).as_markdown()
        made[f"{found.world} capacity"] = capacity.processors(found).as_markdown()
    return made


def held_to(folder: Path, world: str) -> BulkResults | None:
    """What another world's bulk lane is compared with; None for the first one, or where that isn't there."""
    path = folder / f"{FIRST}{_BULK}"
    return bulk_results.load(path) if world != FIRST and path.exists() else None


def recorded_ratios(folder: Path) -> dict[str, float]:
    """Those that were recorded, of the first world. The bulk lane's come with a run of their own."""
    path, bulk_path = folder / f"{FIRST}.json", folder / f"{FIRST}{_BULK}"
    if not path.exists():
        return {}
    bulk = bulk_results.load(bulk_path).of(SHAPES[0]) if bulk_path.exists() else []
    return goals.ratios_of(results.load(path), bulk)


def _bulk_blocks(found: BulkResults, other: BulkResults | None) -> dict[str, str]:
    return {
        f"{found.world} bulk machine": _taken(found),
        f"{found.world} bulk speed": bulk_results.speed(found, other).as_markdown(),
        f"{found.world} bulk processes": bulk_results.processes(found).as_markdown(),
    }


def _growth_blocks(found: GrowthResults) -> dict[str, str]:
    """A part that this run left out is no longer told by what an earlier one has found."""
    told = {name: f"{rows.title}:\n\n{rows.as_markdown()}" for name, rows in growth_tables.told(found).items()}
    parts = {part: told.get(part, "Not measured in this run.\n") for part in growth_tables.PARTS}
    return {
        f"{found.before.world} growth {name}": text for name, text in {"machine": _taken(found.before), **parts}.items()
    }


def _taken(found: Results | BulkResults | StepResults) -> str:
    return f"{found.machine}; commit `{found.commit}`, {found.taken_at}.\n"


def filled(page: str, made: Mapping[str, str]) -> str:
    """Blocks of which nothing is recorded stay as they are."""

    def block(match: re.Match[str]) -> str:
        name = match["name"]
        return f"<!-- {name} -->\n{made.get(name, match['content'])}<!-- /{name} -->"

    return re.sub(r"<!-- (?P<name>[a-z ]+) -->\n(?P<content>.*?)<!-- /(?P=name) -->", block, page, flags=re.DOTALL)
