"""What a chaos run gathers: the history, what the clients were promised, what is wrong, how long recoveries took."""

from pathlib import Path
from typing import Self

from chaos.journal import Journal
from chaos.promises import Promises
from chaos.recoveries import Recoveries
from chaos.violations import Violations


class Findings:
    def __init__(self, folder: Path) -> None:
        self.journal = Journal(folder / "journal.jsonl")
        self.violations = Violations(self.journal)
        self.recoveries = Recoveries()
        self.promises = Promises(self.violations, on_completed=self.recoveries.completed)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.journal.close()
