"""What the steps of a batch were measured to cost by themselves: kept as JSON, told as a table."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from benchmark.results import rounded
from benchmark.tables import Rows


@dataclass(frozen=True)
class StepCost:
    """Microseconds a transfer, of one step of one batch."""

    name: str
    wall: float
    python: float
    """Processor time, as `postgres` is."""
    postgres: float
    waited_lock: float
    """For the statements that lock; `load` and `write` as well."""
    waited_load: float
    waited_write: float


@dataclass
class StepResults:
    taken_at: str
    commit: str
    machine: str
    costs: list[StepCost] = field(default_factory=list)
    without_foreign_keys: list[StepCost] = field(default_factory=list)


def save(path: Path, found: StepResults) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rounded(asdict(found)), indent=1) + "\n")


def load(path: Path) -> StepResults:
    raw = json.loads(path.read_text())
    costs, without = ([StepCost(**one) for one in raw.pop(kind)] for kind in ("costs", "without_foreign_keys"))
    return StepResults(**raw, costs=costs, without_foreign_keys=without)


def steps(found: StepResults) -> Rows:
    figures = ("wall", "python", "postgres", "waited_lock", "waited_load", "waited_write")
    names = list(dict.fromkeys(cost.name for cost in found.costs))
    columns = [{name: _middle(found.costs, name, figure) for name in names} for figure in figures]
    columns.append({name: _middle(found.without_foreign_keys, name, "postgres") for name in names})
    body = [[name, *(f"{column[name]:.0f}" for column in columns)] for name in names]
    body.append(["all", *(f"{sum(column.values()):.0f}" for column in columns)])
    head = ["", "all", "Python", "PostgreSQL", "lock", "load", "write", "PostgreSQL without foreign keys"]
    return Rows("A batch's steps alone, µs a transfer", head, body)


def _middle(costs: Sequence[StepCost], name: str, figure: str) -> float:
    """The median over the rounds."""
    return median(float(getattr(cost, figure)) for cost in costs if cost.name == name)
