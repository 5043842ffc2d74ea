"""What a chaos run has found to be wrong, each once, with the time at which it was first seen."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from chaos.journal import Journal

MOST: Final = 500
"""One is too many; more than these help nobody to find the cause, and the journal has them all."""


@dataclass(frozen=True)
class Violation:
    at: float
    check: str
    detail: str
    transfer_id: str | None
    asked_at: float
    """When the answer that is wrong was asked for; else as `at`."""


class Violations:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._known: dict[tuple[str, str], Violation] = {}
        self._dropped: Violation | None = None

    @property
    def now(self) -> float:
        return self._journal.now

    def add(self, check: str, detail: str, transfer_id: str | None = None, *, asked_at: float | None = None) -> None:
        if (check, detail) in self._known:
            return
        now = self.now
        violation = Violation(round(now, 3), check, detail, transfer_id, now if asked_at is None else asked_at)
        if len(self._known) < MOST:
            self._known[check, detail] = violation
        else:
            self._dropped = self._dropped or violation
        self._journal.write("violation", check=check, detail=detail, transfer_id=transfer_id)

    def excuse(self, check: str, is_right: Callable[[Violation], bool]) -> int:
        """Takes back what was found by this check and is right as it turns out; answers how much that was."""
        excused = [key for key, found in self._known.items() if found.check == check and is_right(found)]
        for key in excused:
            del self._known[key]
        return len(excused)

    @property
    def all(self) -> list[Violation]:
        """Also the first for which there was no room any more: those that were excused may have taken it."""
        return [*self._known.values(), *filter(None, [self._dropped])]
