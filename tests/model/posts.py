"""A `POST` in the model (rule 11): it looks first and starts a run later, and much may happen in between."""

from model.protocol import Body, Bounds, Run, Transfer, final_status
from model.rules import Rule


class Posts:
    def __init__(self, bounds: Bounds, dropped: frozenset[Rule]) -> None:
        self._bounds = bounds
        self._dropped = dropped

    def looked_at(self, transfer: Transfer) -> Transfer:
        """Somebody may have looked at any time. What was seen makes no difference once there can be no further run."""
        looked = transfer.looked or (transfer.body is not None and self._may_start(transfer, transfer.body))
        looked = looked and transfer.runs < self._bounds.runs
        return transfer if looked is transfer.looked else transfer._replace(looked=looked)

    def start_a_run(self, transfer: Transfer, body: Body) -> bool:
        """What was seen may be true no more, but whether Temporal has a run is part of the start."""
        if transfer.runs == self._bounds.runs or not self._temporal_lets_start(transfer.run, body):
            return False
        return (transfer.looked and transfer.body is body) or self._may_start(transfer, body)

    def _may_start(self, transfer: Transfer, body: Body) -> bool:
        if not self._temporal_lets_start(transfer.run, body):
            return False
        if Rule.ROWS_FIRST_POST in self._dropped:
            return True
        is_another = transfer.rows.body not in (None, body) and Rule.FINGERPRINT not in self._dropped
        return final_status(transfer.rows) is None and not is_another

    def _temporal_lets_start(self, run: Run | None, body: Body) -> bool:
        """One run at a time; one that has closed is compared by its memo (rule 3)."""
        return run is None or (not run.is_running and (run.body is body or Rule.FINGERPRINT in self._dropped))
