"""How each kind of transfer may end, and how many of those that could complete have to."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from chaos.operations import Kind
from chaos.promises import Promise
from chaos.violations import Violations

COMPLETED_SHARE: Final = 0.9
REJECTED_SHARE: Final = 0.9
_FEW: Final = 3
"""So many may be undone by faults in the shortest of runs, which has hardly more of the kind."""
_UNDONE_BY_FAULTS: Final = "compensated"
ALLOWED: Final = {
    Kind.OPENING: {"completed", _UNDONE_BY_FAULTS},
    Kind.VALID: {"completed", _UNDONE_BY_FAULTS},
    Kind.CANCELLED: {"completed", "compensated"},
    Kind.CLOSED: {"completed", "compensated"},
    Kind.CONTENDED: {"completed", "rejected", _UNDONE_BY_FAULTS},
    Kind.INSUFFICIENT: {"rejected", _UNDONE_BY_FAULTS},
    Kind.REFUSED: {"compensated"},
}
"""Faults may use up a forward step's attempts, so that anything may be undone; they refuse nothing."""


@dataclass
class Share:
    """Of the transfers of a kind that could complete: without those that an operator has ended."""

    could: int = 0
    completed: int = 0


def judge_ends(promises: Iterable[Promise], violations: Violations) -> None:
    """Those that have none are another check's."""
    for promise in promises:
        if promise.status and promise.status not in ALLOWED[promise.kind]:
            detail = f"{promise.key}, {promise.kind}, ended {promise.status}"
            violations.add("each transfer ends as its kind may", detail, promise.transfer_id)


def judge_rejected(promises: Iterable[Promise], add: Callable[[str, str], None]) -> None:
    """A withdrawal that is refused ends a transfer by itself; undone is only the one that was never tried."""
    ended = [promise.status for promise in promises if promise.kind is Kind.INSUFFICIENT and promise.status]
    rejected = ended.count("rejected")
    if rejected < min(REJECTED_SHARE * len(ended), len(ended) - _FEW):
        add(f"at least 90 % of the kind {Kind.INSUFFICIENT} are rejected", f"{rejected} of {len(ended)}")


def judge_share(promises: Iterable[Promise], kind: Kind, add: Callable[[str, str], None]) -> Share:
    could = [promise for promise in promises if promise.kind is kind]
    share = Share(len(could), sum(promise.status == "completed" for promise in could))
    if not could:
        add("there are transfers to be judged by", f"none of the kind {kind}")
    elif share.completed < COMPLETED_SHARE * share.could:
        add(f"at least 90 % of the kind {kind} complete", f"{share.completed} of {share.could}")
    return share
