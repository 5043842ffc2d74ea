"""How transfers of a batch end: rule 5's abort, rule 6's barrier and rule 4's commit point, for each of a list."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from transfer_contract.batches import Decisions, Ranges, positions_in
    from transfer_contract.names import PARKED_SIGNAL, TRANSFER_STATUS
    from transfer_contract.steps import Compensation, Decision
    from transfer_contract.transfers import TransferStatus

from workflow_handler.batch_steps import BatchSteps, Undos, failing_in, only
from workflow_handler.policies import Timings
from workflow_handler.transfer_ending import RowsNotFinalError

_NOT_APPLIED = tuple(decision for decision in Decision if decision is not Decision.APPLIED)
_PUT_BACK = "deposit_compensation_many"


class BatchEnding:
    """The base of the workflows that end batches.

    Where one transfer fails technically, the others of its list go on without it: it gets an activity that is retried
    without limit, as a transfer of its own has from the beginning.
    """

    def __init__(self, batch_id: str, timings: Timings) -> None:
        self._batch_id = batch_id
        self._steps = BatchSteps(batch_id, timings)
        self._ended: set[int] = set()
        self._is_cancelled = False
        self._parked: set[str] = set()

    async def _end_all(self, work: Coroutine[Any, Any, int]) -> int:
        """`work` answers how many transfers it was about. A cancel doesn't cut it short: it may look for one."""
        working = asyncio.ensure_future(work)
        while not working.done():
            try:
                await workflow.wait([working])
            except asyncio.CancelledError:
                self._is_cancelled = True
        error = working.exception()
        if error is not None or len(self._ended) != working.result():
            raise RowsNotFinalError(f"batch {self._batch_id}: {len(self._ended)} ended") from error
        return working.result()

    async def _release(self, positions: Ranges, *, must_succeed: bool = False) -> None:
        """Past the commit point (rules 4 and 8)."""
        answer = await self._steps.release(positions, must_succeed=must_succeed)
        self._end(answer.positions(Decision.APPLIED))
        if failing := failing_in(answer):
            await self._release(failing, must_succeed=True)

    async def _abort(self, undo: Undos, *, must_succeed: bool = False) -> None:
        """The barrier, transfer by transfer: who is past it goes forward, and only the others are undone (rule 6)."""
        door = await self._steps.compensate(Compensation.RECORD, undo, must_succeed=must_succeed)
        ways: list[Coroutine[Any, Any, None]] = []
        if past := door.positions(Decision.APPLIED):
            ways.append(self._release(past))
        if shut := self._still_to_undo(undo, door):
            ways.append(self._undo(shut))
        if failing := only(undo, failing_in(door)):
            ways.append(self._abort(failing, must_succeed=True))
        await asyncio.gather(*ways)

    async def _undo(self, undo: Undos, *, must_succeed: bool = False) -> None:
        """Behind the shut door: last in, first out, unless the deposit's compensation is parked (rule 6)."""
        deposit = asyncio.ensure_future(self._steps.compensate(Compensation.DEPOSIT, undo, must_succeed=must_succeed))
        await workflow.wait_condition(lambda: deposit.done() or _PUT_BACK in self._parked)
        if deposit.done():
            await self._undo_the_rest(undo, deposit.result(), must_succeed=must_succeed)
            return
        await asyncio.gather(deposit, self._put_back(undo))
        if failing := only(undo, failing_in(deposit.result())):
            await self._steps.compensate(Compensation.DEPOSIT, failing, must_succeed=True)

    async def _undo_the_rest(self, undo: Undos, deposits: Decisions, *, must_succeed: bool) -> None:
        ways: list[Coroutine[Any, Any, None]] = []
        if done := self._still_to_undo(undo, deposits):
            ways.append(self._put_back(done, must_succeed=must_succeed))
        if failing := only(undo, failing_in(deposits)):
            ways.append(self._undo(failing, must_succeed=True))
        await asyncio.gather(*ways)

    async def _put_back(self, undo: Undos, *, must_succeed: bool = False) -> None:
        answer = await self._steps.compensate(Compensation.WITHDRAW, undo, must_succeed=must_succeed)
        self._end(answer.positions(*_NOT_APPLIED))
        if failing := only(undo, failing_in(answer)):
            await self._put_back(failing, must_succeed=True)

    def _still_to_undo(self, undo: Undos, answer: Decisions) -> Undos:
        """Those whose compensation has answered, each with the failure that its rows keep."""
        return only(undo, answer.positions(*_NOT_APPLIED))

    def _end(self, positions: Ranges) -> None:
        self._ended.update(positions_in(positions))

    @workflow.signal(name=PARKED_SIGNAL)
    def parked(self, activity_type: str) -> None:
        """A worker says that this compensation or release keeps failing."""
        self._parked.add(activity_type)
        workflow.upsert_search_attributes([TRANSFER_STATUS.value_set(TransferStatus.NEEDS_ATTENTION)])
