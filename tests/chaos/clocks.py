"""A wall clock of its own for a process: it steps as one that is set, and monotonic time goes on.

By a small preloaded library: Debian's libfaketime (0.9.10) breaks `time.sleep` where it lets monotonic time go on.
"""

import shutil
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_SOURCE: Final = Path(__file__).with_name("stepped_clock.c")
PROBLEM: Final = "no C compiler is installed, which the library that steps a clock needs"


def can_step() -> bool:
    return shutil.which("cc") is not None


def environment(clock: Path) -> Mapping[str, str]:
    """Of a process whose clock is that file; nothing where clocks can't be stepped."""
    if not can_step():
        return {}
    clock.parent.mkdir(exist_ok=True)
    set_ahead(clock, 0)
    library = clock.with_suffix(".so")
    if not library.exists():
        compiling = ["cc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", str(library), str(_SOURCE)]
        subprocess.run(compiling, check=True, capture_output=True)
    return {"LD_PRELOAD": str(library), "CHAOS_CLOCK": str(clock)}


def set_ahead(clock: Path, seconds: int) -> None:
    """Of the machine's clock; below zero it is behind. Every process that has it sees that at once."""
    clock.touch()
    with clock.open("r+b") as file:
        file.write(struct.pack("=q", seconds))
