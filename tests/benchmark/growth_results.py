"""What was measured in a system that has grown: kept as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import linear_regression, median
from typing import Final

from benchmark.results import Results, of_raw, rounded

_MIB: Final = 1024 * 1024
FLAT_SHARE: Final = 0.05
FLAT_MIB: Final = 5.0
"""What a process may grow by from the first third to the last and still count as flat, whichever is more: allocators
and garbage collectors go up and down by as much. At ten transfers a second some 12,000 lie between the two in half an
hour: whoever kept 500 bytes of each would grow by 6 MiB."""


@dataclass(frozen=True)
class Page:
    """Pages of one list, one after the other. `items` are on the shortest of them. Times in milliseconds."""

    list: str
    place: str
    items: int
    pages: int
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True)
class Trend:
    """The medians of the first and the last third of the samples, in MiB; the slope of the line through all."""

    first: float
    last: float
    mib_an_hour: float
    bytes_a_transfer: float
    """By what it grew, over the transfers between the two thirds."""

    @property
    def is_flat(self) -> bool:
        return self.last - self.first <= max(FLAT_MIB, FLAT_SHARE * self.first)


@dataclass(frozen=True)
class Memory:
    """What each process and its children had in memory, at equal distances."""

    seconds: float
    transfers: int
    mib: Mapping[str, Sequence[float]]

    def trend(self, name: str) -> Trend:
        samples = self.mib[name]
        third = len(samples) // 3
        first, last = median(samples[:third]), median(samples[-third:])
        times = [self.seconds / 3600 * number / (len(samples) - 1) for number in range(len(samples))]
        return Trend(
            first=first,
            last=last,
            mib_an_hour=linear_regression(times, samples).slope,
            bytes_a_transfer=(last - first) * _MIB / (self.transfers * 2 / 3),
        )


@dataclass(frozen=True)
class Attempts:
    """What the histories of transfers say of their tries: steps' attempts and workflow tasks."""

    steps: int = 0
    repeated: int = 0
    """Attempts at a step after its first one."""
    timed_out: int = 0
    tasks: int = 0
    tasks_timed_out: int = 0

    def __add__(self, other: "Attempts") -> "Attempts":
        return Attempts(
            steps=self.steps + other.steps,
            repeated=self.repeated + other.repeated,
            timed_out=self.timed_out + other.timed_out,
            tasks=self.tasks + other.tasks,
            tasks_timed_out=self.tasks_timed_out + other.tasks_timed_out,
        )


@dataclass(frozen=True)
class Backlog:
    """`drained_seconds`: from the start of the worker's process until the last transfer that became final."""

    transfers: int
    completed: int
    unfinished: int
    drained_seconds: float
    saturated_per_second: float
    """With which the rate of draining is compared: measured among as many transfers, just before."""
    attempts: Attempts
    violations: int
    """Sentences of `money_checks` on all that is in the books."""

    @property
    def per_second(self) -> float:
        return (self.transfers - self.unfinished) / self.drained_seconds


@dataclass
class GrowthResults:
    """`transfers`: how many were final when `after` began. What has not been measured is missing."""

    before: Results
    after: Results
    transfers: int = 0
    pages: list[Page] = field(default_factory=list)
    memory: Memory | None = None
    backlog: Backlog | None = None


def save(path: Path, found: GrowthResults) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rounded(asdict(found)), indent=1) + "\n")


def load(path: Path) -> GrowthResults:
    raw = json.loads(path.read_text())
    memory, backlog = raw["memory"], raw["backlog"]
    return GrowthResults(
        before=of_raw(raw["before"]),
        after=of_raw(raw["after"]),
        transfers=raw["transfers"],
        pages=[Page(**page) for page in raw["pages"]],
        memory=Memory(**memory) if memory else None,
        backlog=Backlog(**{**backlog, "attempts": Attempts(**backlog["attempts"])}) if backlog else None,
    )
