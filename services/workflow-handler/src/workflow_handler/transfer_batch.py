"""The business story of a batch: each transfer's own, told for many at once."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, Final

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from transfer_contract.batches import Batch, Decisions, Failing, Ranges, Undo
    from transfer_contract.names import TRANSFER_BATCH
    from transfer_contract.steps import Decision, Failure, FailureCode, Step

from workflow_handler.batch_ending import BatchEnding
from workflow_handler.batch_steps import Tries, Undos, chunks
from workflow_handler.policies import Batching, pause_seconds
from workflow_handler.steps import interrupted, unknown_outcome

_FRESH: Final = Tries()
_NEXT: Final = {Step.WITHDRAW: Step.DEPOSIT, Step.DEPOSIT: Step.RECORD}


@workflow.defn(name=TRANSFER_BATCH)
class TransferBatch(BatchEnding):
    """Closes as completed when every transfer's rows are final, and never before (rule 10)."""

    @workflow.init
    def __init__(self, batch: Batch, batching: Batching) -> None:
        super().__init__(batch.batch_id, batching.timings)
        self._batch = batch
        self._batching = batching

    @workflow.run
    async def run(self, batch: Batch, batching: Batching) -> Batch:  # noqa: ARG002
        await self._end_all(self._carry())
        return batch

    async def _carry(self) -> int:
        """Withdraws chunk by chunk, in the order given: the first ones get what an account can pay."""
        room = asyncio.Semaphore(self._batching.at_once)
        under_way: list[asyncio.Future[None]] = []
        for chunk in chunks(((1, self._batch.total),), self._batching.chunk):
            await room.acquire()
            way_on = await self._step(Step.WITHDRAW, chunk)
            going = asyncio.ensure_future(way_on)
            going.add_done_callback(lambda _: room.release())
            under_way.append(going)
        await asyncio.gather(*under_way)
        return self._batch.total

    async def _step(self, step: Step, positions: Ranges, tries: Tries = _FRESH) -> Coroutine[Any, Any, None]:
        """One attempt; what follows from it is left to the caller, to await at once or beside something else.

        After a cancel what hasn't begun its next step is undone; what is at one hears it out.
        """
        tries = replace(tries, since=tries.since or workflow.now())
        if self._is_cancelled:
            failure = Failure(code=FailureCode.CANCELLED, detail=f"cancelled on request before {step}")
            return self._abort((Undo(failure=failure, positions=positions),))
        try:
            answer = await self._steps.forward(step, positions, tries)
        except ActivityError as error:  # nothing is known of any of them
            failure = unknown_outcome(step, error, self._batching.timings, tries.since)
            return self._abort((Undo(failure=failure, positions=positions),))
        return self._after(step, answer, tries)

    async def _after(self, step: Step, answer: Decisions, tries: Tries) -> None:
        """Each transfer goes its own way, and none waits for another one's."""
        ways: list[Coroutine[Any, Any, None]] = []
        if applied := answer.positions(Decision.APPLIED):
            ways.append(self._go_on(step, applied))
        if not_applied := _not_applied(step, answer):
            if step is Step.WITHDRAW:
                ways.append(self._abort(not_applied))
            else:  # the door is shut already (rule 5)
                ways.append(self._undo(not_applied))
        if step is Step.WITHDRAW:  # rejected: nothing to undo (rule 5)
            self._end(answer.positions(Decision.REJECTED))
        ways += [self._try_again(step, each, tries) for each in answer.failing]
        await asyncio.gather(*ways)

    async def _go_on(self, step: Step, positions: Ranges) -> None:
        if step is Step.RECORD:
            await self._release(positions)
        else:
            await (await self._step(_NEXT[step], positions))

    async def _try_again(self, step: Step, failing: Failing, tries: Tries) -> None:
        """Those that failed by themselves, without the others of their list."""
        timings, made = self._batching.timings, tries.made + 1
        if made < timings.forward_attempts:
            await asyncio.sleep(pause_seconds(timings, made))
            await (await self._step(step, failing.positions, Tries(made, failing.error, tries.since)))
            return
        failure = Failure(
            code=FailureCode.STEP_FAILED,
            detail=f"{step} failed: {failing.error.detail}",
            step=step,
            attempts=made,
            started_at=tries.since,
            finished_at=workflow.now(),
        )
        await self._abort((Undo(failure=failure, positions=failing.positions),))


def _not_applied(step: Step, answer: Decisions) -> Undos:
    """Those that must be undone, each with the failure that its row tells."""
    ends = {Decision.APPLIED} | ({Decision.REJECTED} if step is Step.WITHDRAW else set())
    return tuple(
        Undo(failure=each.failure or interrupted(step), positions=each.positions)
        for each in answer.decided
        if each.decision not in ends
    )
