"""Whose workflows the faults have tried to strike: all that may end otherwise than by themselves."""

from collections import defaultdict
from typing import Final

from chaos.schedule import FaultKind

_WORKFLOW_PREFIX: Final = "transfer-"


class Strikes:
    """Noted before each call: one whose answer was lost may have struck all the same."""

    def __init__(self) -> None:
        self._tried: defaultdict[FaultKind, set[str]] = defaultdict(set)

    def trying(self, kind: FaultKind, workflow_id: str) -> None:
        """Who strikes the reconciler's workflow of a transfer leaves the transfer's own alone."""
        self._tried[kind].add(workflow_id.removeprefix(_WORKFLOW_PREFIX))

    @property
    def all(self) -> set[str]:
        """The transfers' ids, and those of the reconciler's workflows."""
        return set().union(*self._tried.values())

    @property
    def deleted(self) -> set[str]:
        return set(self._tried[FaultKind.WORKFLOW_DELETED])
