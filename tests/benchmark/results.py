"""What a run of the benchmark has found: kept as JSON, for tables, plot, documentation and the next comparison."""

import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmark.load import Window
from stack import ROOT


@dataclass(frozen=True)
class Measured:
    """One window of one lane in one round."""

    round: int
    lane: str
    window: Window


@dataclass
class Results:
    world: str
    taken_at: str
    commit: str
    machine: str
    measured: list[Measured] = field(default_factory=list)

    @classmethod
    def of_now(cls, world: str) -> "Results":
        commit = subprocess.check_output(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], text=True).strip()
        machine = f"{os.cpu_count()} processors, {platform.system()} {platform.release()}"
        machine += f", Python {platform.python_version()}"
        return cls(world, datetime.now(UTC).isoformat(timespec="seconds"), commit, machine)

    @property
    def lanes(self) -> list[str]:
        return list(dict.fromkeys(one.lane for one in self.measured))

    @property
    def loads(self) -> list[int]:
        return sorted({one.window.at_once for one in self.measured})

    def windows(self, lane: str, at_once: int) -> list[Window]:
        """In the order of the rounds."""
        return [one.window for one in self.measured if (one.lane, one.window.at_once) == (lane, at_once)]

    def middle(self, lane: str, at_once: int, figure: str) -> float:
        """The median over the rounds of a number of `Window`, by its name."""
        return median(float(getattr(window, figure)) for window in self.windows(lane, at_once))

    def ratio(self, lane: str, other: str, at_once: int, figure: str) -> float:
        """The median over the rounds of one lane's number by another's of the same round: they ran side by side."""
        pairs = zip(self.windows(lane, at_once), self.windows(other, at_once), strict=True)
        return median(float(getattr(one, figure)) / float(getattr(two, figure)) for one, two in pairs)

    def difference(self, lane: str, other: str, at_once: int, figure: str) -> float:
        pairs = zip(self.windows(lane, at_once), self.windows(other, at_once), strict=True)
        return median(float(getattr(one, figure)) - float(getattr(two, figure)) for one, two in pairs)

    def cpu_ms(self, lane: str, at_once: int) -> dict[str, float]:
        """Per transfer, by process: the medians over the rounds."""
        windows = self.windows(lane, at_once)
        return {name: median(window.cpu_ms[name] for window in windows) for name in windows[0].cpu_ms}


def save(path: Path, results: Results) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rounded(asdict(results)), indent=1) + "\n")


def load(path: Path) -> Results:
    return of_raw(json.loads(path.read_text()))


def of_raw(raw: dict[str, Any]) -> Results:
    """From what JSON made of them."""
    measured = [Measured(one["round"], one["lane"], Window(**one["window"])) for one in raw["measured"]]
    return Results(**{**raw, "measured": measured})


def rounded(value: object) -> object:
    match value:
        case float():
            return round(value, 3)
        case dict():
            return {name: rounded(inner) for name, inner in value.items()}
        case list():
            return [rounded(inner) for inner in value]
    return value
