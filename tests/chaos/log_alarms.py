"""What no log may have after a run, whatever was broken: a defect's traceback, and rule 7's alarm."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

_ALARMS: Final = ("unhandled error", "guard violated")
_SHOWN: Final = 300
"""Of each end: which process and when, and which error a traceback ends with."""


def alarms(logs: Path) -> Iterator[str]:
    """The lines, each with its file's name."""
    for file in sorted(logs.glob("*.log")):
        with file.open(errors="replace") as lines:
            for line in lines:
                if any(alarm in line for alarm in _ALARMS):
                    yield f"{file.name}: {_shortened(line.strip())}"


def _shortened(line: str) -> str:
    return line if len(line) <= 2 * _SHOWN else f"{line[:_SHOWN]} … {line[-_SHOWN:]}"
