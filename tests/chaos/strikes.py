"""Whose workflows the faults have tried to strike: all that may end otherwise than by themselves."""

from collections import defaultdict

from chaos.schedule import FaultKind
from transfer_contract.batches import batch_of


class Strikes:
    """Noted before each call: one whose answer was lost may have struck all the same."""

    def __init__(self) -> None:
        self._tried: defaultdict[FaultKind, set[str]] = defaultdict(set)

    def trying(self, kind: FaultKind, workflow_id: str) -> None:
        """A transfer's own workflow, or a batch's."""
        self._tried[kind].add(workflow_id.partition("-")[2])

    @property
    def all(self) -> set[str]:
        """The ids of transfers and batches."""
        return set().union(*self._tried.values())

    @property
    def deleted(self) -> set[str]:
        return set(self._tried[FaultKind.WORKFLOW_DELETED])

    def may_have_ended(self, transfer_id: str) -> bool:
        """The transfer itself, or its batch with all of its transfers."""
        return not self.all.isdisjoint((transfer_id, batch_of(transfer_id)))
