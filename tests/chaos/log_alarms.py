"""What no log may have after a run, whatever was broken: a defect, rule 7's alarm, what a constraint had to refuse."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

_ALARMS: Final = ("unhandled error", "guard violated", "IntegrityError")
"""A constraint is the last defence: where it had to save the money, the code that decides is wrong."""
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
