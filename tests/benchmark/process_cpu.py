"""What processes use: processor time and memory, as Linux accounts for them."""

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final

_TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")

Pids = Mapping[str, int]
"""By the name that the tables give the process."""

BESIDE_THE_PRODUCT: Final = ("floor", "sample", "kept sample", "benchmark")
"""How the names of all others begin."""


def cpu_seconds(pids: Pids) -> dict[str, float]:
    """User and system time of each process and of all its children so far, those included that have ended.

    A child that has a name of its own counts there only.
    """
    named = frozenset(pids.values())
    return {name: sum(map(_seconds, _family(pid, but=named - {pid}))) for name, pid in pids.items()}


def machine_busy_seconds() -> float:
    """All processors together, everybody's work."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    user, nice, system, _idle, _iowait, interrupts, soft_interrupts = fields[:7]
    return (user + nice + system + interrupts + soft_interrupts) / _TICKS_PER_SECOND


def resident_bytes(pids: Pids) -> dict[str, int]:
    """Of the process itself, without its children."""
    return {name: int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES for name, pid in pids.items()}


def family_bytes(pids: Pids) -> dict[str, int]:
    """Of each process and its children together. What they share, such as PostgreSQL's buffers, counts once."""
    named = frozenset(pids.values())
    return {name: sum(map(_proportional_bytes, _family(pid, but=named - {pid}))) for name, pid in pids.items()}


def _family(pid: int, *, but: Collection[int] = ()) -> Iterator[int]:
    if pid in but:
        return
    yield pid
    try:
        children = [child for task in Path(f"/proc/{pid}/task").iterdir() for child in _children(task)]
    except (FileNotFoundError, ProcessLookupError):  # ended just now
        return
    for child in children:
        yield from _family(child, but=but)


def _children(task: Path) -> list[int]:
    return [int(child) for child in (task / "children").read_text().split()]


def _seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):  # ended just now: its parent's account has it
        return 0.0
    return sum(map(int, fields[11:15])) / _TICKS_PER_SECOND


def _proportional_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
