"""Whose workflows the faults have tried to strike: all that may end otherwise than by themselves."""

import re
from collections import defaultdict
from typing import Final

from chaos.schedule import FaultKind
from transfer_contract.batches import batch_of

_OWN: Final = re.compile(r"^(transfer|batch)-")


class Strikes:
    """Noted before each call: one whose answer was lost may have struck all the same."""

    def __init__(self) -> None:
        self._tried: defaultdict[FaultKind, set[str]] = defaultdict(set)

    def trying(self, kind: FaultKind, workflow_id: str) -> None:
        """Who strikes the reconciler's workflow of a transfer, or of a batch, leaves the one's own alone."""
        self._tried[kind].add(_OWN.sub("", workflow_id))

    @property
    def all(self) -> set[str]:
        """The ids of transfers and batches, and those of the reconciler's workflows."""
        return set().union(*self._tried.values())

    @property
    def deleted(self) -> set[str]:
        return set(self._tried[FaultKind.WORKFLOW_DELETED])

    def may_have_ended(self, transfer_id: str) -> bool:
        """The transfer itself, or its batch with all of its transfers."""
        return not self.all.isdisjoint((transfer_id, batch_of(transfer_id)))
