"""From the beginning of each fault until a transfer that was begun after it has completed, other faults or not."""

from dataclasses import dataclass


@dataclass
class Recovery:
    """`seconds`: None until a transfer was seen to complete."""

    began_at: float
    seconds: float | None = None


class Recoveries:
    """All times in seconds since the run began."""

    def __init__(self) -> None:
        self._all: list[Recovery] = []
        self._open: list[Recovery] = []

    def fault_began(self, at: float) -> Recovery:
        recovery = Recovery(at)
        self._all.append(recovery)
        self._open.append(recovery)
        return recovery

    def had_no_effect(self, recovery: Recovery) -> None:
        """Nothing had to recover from it."""
        self._all = [other for other in self._all if other is not recovery]
        self._open = [other for other in self._open if other is not recovery]

    def completed(self, asked_at: float, at: float) -> None:
        """`asked_at`: when the transfer was asked for."""
        for recovery in self._open:
            if recovery.began_at <= asked_at:
                recovery.seconds = at - recovery.began_at
        self._open = [recovery for recovery in self._open if recovery.seconds is None]

    @property
    def longest_seconds(self) -> float:
        return max((recovery.seconds or 0.0 for recovery in self._all), default=0.0)

    @property
    def missing(self) -> int:
        """Faults after which no transfer was seen to complete."""
        return len(self._open)
