"""From the end of each fault until a transfer is told to be completed again; what other faults add counts in."""


class Recoveries:
    """All times in seconds since the run began."""

    def __init__(self) -> None:
        self._open: list[float] = []
        self.longest_seconds = 0.0

    def fault_ended(self, at: float) -> None:
        self._open.append(at)

    def completed(self, at: float) -> None:
        self.longest_seconds = max([self.longest_seconds, *(at - ended for ended in self._open)])
        self._open.clear()

    @property
    def missing(self) -> int:
        """Faults after which no transfer was seen to complete."""
        return len(self._open)
