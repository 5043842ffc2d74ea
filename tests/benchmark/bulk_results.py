"""What the bulk lane was measured to do: kept as JSON, told as tables."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

from benchmark.capacity import BUSY
from benchmark.results import rounded
from benchmark.tables import Rows

SHOWN_MS_PER_THOUSAND: Final = 5
"""A process that spends less merely idles."""
MOST_BESIDE: Final = 2
"""What a single transfer's p95 may grow to while batches run, as a multiple."""
LEAST_SHARE: Final = 0.8
"""Of the embedded world's transfers a second, with Temporal on PostgreSQL."""


@dataclass(frozen=True)
class Shape:
    """So many batches side by side, and what they are held to: transfers a second, or seconds for all."""

    name: str
    batches: int
    transfers: int
    at_least_per_second: float | None = None
    at_most_seconds: float | None = None

    @property
    def goal(self) -> str:
        if self.at_least_per_second is not None:
            return f"≥ {self.at_least_per_second:.0f}/s"
        return f"≤ {self.at_most_seconds or 0.0:g} s"

    def is_met(self, seconds: float, per_second: float) -> bool:
        if self.at_least_per_second is not None:
            return per_second >= self.at_least_per_second
        return seconds <= (self.at_most_seconds or 0.0)


SHAPES: Final = (
    Shape("one of 10,000", 1, 10_000, at_least_per_second=5_000),
    Shape("ten of 1,000", 10, 1_000, at_least_per_second=3_000),
    Shape("one of 1,000", 1, 1_000, at_most_seconds=1.5),
)


@dataclass(frozen=True)
class Bulk:
    """One measurement of a shape. Processor time in milliseconds a thousand transfers, memory as most that was seen."""

    shape: str
    seconds: float
    per_second: float
    cpu_ms_per_thousand: Mapping[str, float]
    most_mib: Mapping[str, float]


@dataclass(frozen=True)
class Beside:
    """A single transfer's p95 in milliseconds, alone and while batches of 10,000 follow one another."""

    alone_ms: float
    beside_ms: float
    sharing_ms: float
    """Beside them, between the very accounts that the batches have locked, chunk after chunk."""


@dataclass
class BulkResults:
    world: str
    taken_at: str
    commit: str
    machine: str
    beside: Beside
    bulk: list[Bulk] = field(default_factory=list)

    def of(self, shape: Shape) -> list[Bulk]:
        return [one for one in self.bulk if one.shape == shape.name]

    def middle(self, shape: Shape, figure: str) -> float:
        """The median over the rounds of a number of `Bulk`, by its name."""
        return median(float(getattr(one, figure)) for one in self.of(shape))


def save(path: Path, found: BulkResults) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rounded(asdict(found)), indent=1) + "\n")


def load(path: Path) -> BulkResults:
    raw = json.loads(path.read_text())
    bulk, beside = [Bulk(**one) for one in raw.pop("bulk")], Beside(**raw.pop("beside"))
    return BulkResults(**raw, bulk=bulk, beside=beside)


def speed(found: BulkResults, embedded: BulkResults | None = None) -> Rows:
    """With the figures of the embedded world, another one is held to a share of them, else to the goals."""
    body = [_held_to_goal(found, shape) if embedded is None else _held_to(embedded, found, shape) for shape in SHAPES]
    body.append(_held_to_alone("a single transfer beside them", found.beside, found.beside.beside_ms))
    body.append(_held_to_alone("the same on their accounts", found.beside, found.beside.sharing_ms))
    return Rows(f"Batches ({found.world})", ["", "seconds", "transfers/s", "goal", ""], body)


def _held_to_goal(found: BulkResults, shape: Shape) -> list[str]:
    seconds, per_second = found.middle(shape, "seconds"), found.middle(shape, "per_second")
    judged = _judged(shape.is_met(seconds, per_second))
    return [shape.name, f"{seconds:.2f}", f"{per_second:.0f}", shape.goal, judged]


def _held_to(embedded: BulkResults, found: BulkResults, shape: Shape) -> list[str]:
    seconds, per_second = found.middle(shape, "seconds"), found.middle(shape, "per_second")
    share = per_second / embedded.middle(shape, "per_second")
    goal = f"≥ {LEAST_SHARE} of {embedded.world}"
    judged = f"{share:.2f}, {_judged(share >= LEAST_SHARE)}"
    return [shape.name, f"{seconds:.2f}", f"{per_second:.0f}", goal, judged]


def _held_to_alone(name: str, single: Beside, p95_ms: float) -> list[str]:
    said = f"p95 {single.alone_ms:.0f} → {p95_ms:.0f} ms"
    return [name, said, "", "at most doubled", _judged(p95_ms <= MOST_BESIDE * single.alone_ms)]


def _judged(is_met: bool) -> str:
    return "met" if is_met else "missed"


def processes(found: BulkResults) -> Rows:
    """Of the largest batch: who works at it, and how many transfers one processor of each can carry."""
    measured = found.of(SHAPES[0])
    spent = {name: median(one.cpu_ms_per_thousand[name] for one in measured) for name in measured[0].most_mib}
    total = sum(spent.values())
    body = [
        [
            name,
            f"{ms:.0f}",
            f"{100 * ms / total:.0f} %",
            f"{1_000_000 * BUSY / ms:,.0f}",
            f"{max(one.most_mib[name] for one in measured):.0f}",
        ]
        for name, ms in sorted(spent.items(), key=lambda each: -each[1])
        if ms >= SHOWN_MS_PER_THOUSAND
    ]
    head = ["", "ms a thousand", "of all", "transfers/s a processor at 60 %", "most MiB"]
    return Rows(f"Processor time and memory ({found.world}), {SHAPES[0].name}", head, body)
