"""What no log may have after a run, whatever was broken: a defect's traceback, and rule 7's alarm."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

_ALARMS: Final = ("unhandled error", "guard violated")
_LONGEST: Final = 4000


def alarms(logs: Path) -> Iterator[str]:
    """The lines, each with its file's name."""
    for file in sorted(logs.glob("*.log")):
        with file.open(errors="replace") as lines:
            for line in lines:
                if any(alarm in line for alarm in _ALARMS):
                    yield f"{file.name}: {line.strip()[:_LONGEST]}"
