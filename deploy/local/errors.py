"""What goes wrong while the stack is run, as its user sees it."""

import os
from pathlib import Path

_TAIL_LINES = 15


class StackError(Exception):
    """Says in one line what is wrong and what to do about it; `log` is where the reason stands."""

    def __init__(self, message: str, *, log: Path | None = None) -> None:
        reason = f": the end of {os.path.relpath(log)} says why; mend that and try again" if log else ""
        super().__init__(message + reason)
        self.log = log
        for line in self.tail():
            self.add_note(line)

    def tail(self) -> list[str]:
        if self.log is None or not self.log.exists():
            return []
        return self.log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
