"""The steps of a batch as its workflow calls them: lists of transfers by their positions, never the transfers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any, Final

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from transfer_contract.activities import AccountBatchActivities, LedgerBatchActivities
    from transfer_contract.batches import (
        BatchItems,
        BatchUndo,
        Decisions,
        Ranges,
        Undo,
        positions_in,
        ranges_of,
    )
    from transfer_contract.names import TaskQueue
    from transfer_contract.steps import Compensation, Step, StepError

from workflow_handler.policies import Timings, forward_many, unlimited_many

Undos = tuple[Undo, ...]

RANGES_TOLD: Final = 20
"""In an activity's id, which has room for some more; where a list has more, its first and last position are."""


@dataclass(frozen=True)
class Tries:
    """Attempts that these transfers have had at their step, in larger lists, since when, and the last one's error."""

    made: int = 0
    last_error: StepError | None = None
    since: datetime | None = None


class BatchSteps:
    """Activity ids say which positions they are about, and are told apart by a number."""

    def __init__(self, batch_id: str, timings: Timings) -> None:
        self._batch_id = batch_id
        self._timings = timings
        self._numbers = count(1)

    async def forward(self, step: Step, positions: Ranges, tries: Tries) -> Decisions:
        """Raises ActivityError where nothing is known of any of them."""
        method, queue = _FORWARD[step]
        items = BatchItems(
            batch_id=self._batch_id, positions=positions, attempts_before=tries.made, last_error=tries.last_error
        )
        left = self._timings.forward_attempts - tries.made
        options = forward_many(self._timings, self._activity_id(step, positions), queue, attempts=left)
        return await workflow.execute_activity_method(method, items, **options)

    async def release(self, positions: Ranges, *, must_succeed: bool) -> Decisions:
        items = BatchItems(batch_id=self._batch_id, positions=positions, must_succeed=must_succeed)
        options = unlimited_many(self._timings, self._activity_id(Step.RELEASE, positions), TaskQueue.ACCOUNTS)
        return await workflow.execute_activity_method(AccountBatchActivities.release_many, items, **options)

    async def compensate(self, compensation: Compensation, undo: Undos, *, must_succeed: bool) -> Decisions:
        method, queue = _COMPENSATIONS[compensation]
        items = BatchUndo(batch_id=self._batch_id, undo=undo, must_succeed=must_succeed)
        options = unlimited_many(self._timings, self._activity_id(compensation, items.positions), queue)
        return await workflow.execute_activity_method(method, items, **options)

    async def find_unfinished(self) -> Ranges:
        method = AccountBatchActivities.find_unfinished
        options = unlimited_many(self._timings, "find_unfinished", TaskQueue.ACCOUNTS)
        return await workflow.execute_activity_method(method, self._batch_id, **options)

    def _activity_id(self, name: str, positions: Ranges) -> str:
        return f"{name}:{told(positions)}:{next(self._numbers)}"


def told(positions: Ranges) -> str:
    """As an activity's id says which they are."""
    ranges = positions if len(positions) <= RANGES_TOLD else ((positions[0][0], positions[-1][1]),)
    return ",".join(f"{first}-{last}" for first, last in ranges)


def only(undo: Undos, positions: Ranges) -> Undos:
    """Of these transfers, those at the positions, each with its own failure."""
    wanted = set(positions_in(positions))
    parts = [(each, ranges_of(wanted.intersection(positions_in(each.positions)))) for each in undo]
    return tuple(Undo(failure=each.failure, positions=part) for each, part in parts if part)


def chunks(positions: Ranges, size: int) -> Iterator[Ranges]:
    """In their order, so many at a time."""
    wanted = [*positions_in(positions)]
    for first in range(0, len(wanted), size):
        yield ranges_of(wanted[first : first + size])


def failing_in(answer: Decisions) -> Ranges:
    return ranges_of(position for each in answer.failing for position in positions_in(each.positions))


_ForwardMethod = Callable[[Any, BatchItems], Any]
_FORWARD: Final[dict[Step, tuple[_ForwardMethod, TaskQueue]]] = {
    Step.WITHDRAW: (AccountBatchActivities.withdraw_many, TaskQueue.ACCOUNTS),
    Step.DEPOSIT: (AccountBatchActivities.deposit_many, TaskQueue.ACCOUNTS),
    Step.RECORD: (LedgerBatchActivities.record_many, TaskQueue.LEDGER),
}

_CompensationMethod = Callable[[Any, BatchUndo], Any]
_COMPENSATIONS: Final[dict[Compensation, tuple[_CompensationMethod, TaskQueue]]] = {
    Compensation.RECORD: (LedgerBatchActivities.record_compensation_many, TaskQueue.LEDGER),
    Compensation.DEPOSIT: (AccountBatchActivities.deposit_compensation_many, TaskQueue.ACCOUNTS),
    Compensation.WITHDRAW: (AccountBatchActivities.withdraw_compensation_many, TaskQueue.ACCOUNTS),
}
