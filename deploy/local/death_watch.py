"""Notices that a process died by itself, also where supervisord has started it again since."""

from pathlib import Path

from errors import StackError
from supervisor_client import RunState

_DEAD = ("restarting", "dead")


class DeathWatch:
    """For one start: the first pid that it sees of a process is the one that has to stay."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._pids: dict[str, int] = {}

    def check(self, process: RunState) -> None:
        """Raises StackError, with the log that holds the reason, where the process has died."""
        first_pid = self._pids.setdefault(process.name, process.pid) if process.pid else None
        if process.state in _DEAD or process.pid != first_pid:
            raise StackError(f"{process.name} died at start", log=self._logs / f"{process.name}.log")
