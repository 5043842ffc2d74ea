"""Follows the processes' logs as `tail -F` does, each line prefixed by its process."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

_LOOK_SECONDS = 0.3


def follow(logs: list[Path], *, last_lines: int) -> Iterator[list[str]]:
    """What is new at each look, without end. Begins with the last lines of each.

    Survives the rotation of a log and waits for one to be made.
    """
    width = max(len(log.stem) for log in logs)
    files = [_FollowedLog(log, last_lines) for log in logs]
    while True:
        yield [f"{file.name:<{width}} | {line}" for file in files for line in file.new_lines()]
        time.sleep(_LOOK_SECONDS)


class _FollowedLog:
    def __init__(self, path: Path, last_lines: int) -> None:
        self.name = path.stem
        self._path = path
        self._last_lines = last_lines
        self._file: TextIO | None = None
        self._begun = ""

    def new_lines(self) -> list[str]:
        """Whole lines only: the rest of a line that is being written comes with the next ones."""
        lines = self._read()
        if self._file is None or self._is_rotated():
            self._open()
            lines += self._read()[-self._last_lines :] if self._last_lines else self._read()
            self._last_lines = 0
        return lines

    def _read(self) -> list[str]:
        if self._file is None:
            return []
        *lines, self._begun = (self._begun + self._file.read()).split("\n")
        return lines

    def _open(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = self._path.open(errors="replace") if self._path.exists() else None

    def _is_rotated(self) -> bool:
        if self._file is None or not self._path.exists():
            return False
        now, opened = self._path.stat(), os.fstat(self._file.fileno())
        return now.st_ino != opened.st_ino or now.st_size < self._file.tell()
