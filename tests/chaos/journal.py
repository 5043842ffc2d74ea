"""The history of a chaos run: every request with its times and its answer, or that it had none, as JSON lines."""

import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from chaos.operations import Operation

UNKNOWN: Final = "unknown"
"""The answer to a request that had none, or one that leaves open what happened (503)."""

_UNAVAILABLE: Final = 503


class Journal:
    """Times are seconds since the run began. Kept in the file alone, so that it takes no memory."""

    def __init__(self, file: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._lines = file.open("a", buffering=1)
        self._clock = clock
        self._began = clock()
        self.answers: Counter[str] = Counter()
        """By status code, or `unknown`."""

    def close(self) -> None:
        self._lines.close()

    @property
    def now(self) -> float:
        return self._clock() - self._began

    def answered(self, operation: Operation, request: str, asked_at: float, answer: int | str) -> None:
        """`answer`: the status code, or why there is none."""
        known = isinstance(answer, int) and answer != _UNAVAILABLE
        self.answers[str(answer) if known else UNKNOWN] += 1
        self.write(
            "request",
            asked_at=round(asked_at, 3),
            client=operation.client,
            number=operation.number,
            kind=operation.kind,
            key=operation.key,
            body=operation.body,
            request=request,
            known=known,
            answer=answer,
        )

    def write(self, event: str, **fields: object) -> None:
        self._lines.write(json.dumps({"at": round(self.now, 3), "event": event, **fields}) + "\n")
