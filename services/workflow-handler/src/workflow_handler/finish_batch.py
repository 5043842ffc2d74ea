"""Brings a batch that nobody carries any more to its end: the reconciler's algorithm, for many transfers at once."""

import asyncio

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from transfer_contract.batches import Decisions, Ranges, Undo, UnfinishedBatch, positions_in
    from transfer_contract.names import FINISH_BATCH
    from transfer_contract.steps import Decision

from workflow_handler.batch_ending import BatchEnding
from workflow_handler.batch_steps import Undos, chunks, only
from workflow_handler.policies import Batching


@workflow.defn(name=FINISH_BATCH)
class FinishBatch(BatchEnding):
    """Decides by rows, never from a read: what it reads only leaves out what is final, and stays so.

    May run beside the batch's own workflow, late attempts and runs of single transfers: the rows decide.
    """

    @workflow.init
    def __init__(self, unfinished: UnfinishedBatch, batching: Batching) -> None:
        super().__init__(unfinished.batch_id, batching.timings)
        self._failure = unfinished.failure
        self._batching = batching

    @workflow.run
    async def run(self, unfinished: UnfinishedBatch, batching: Batching) -> int:  # noqa: ARG002
        """How many it has brought to their end."""
        return await self._end_all(self._finish())

    async def _finish(self) -> int:
        left = await self._steps.find_unfinished()
        room = asyncio.Semaphore(self._batching.at_once)

        async def finish(chunk: Ranges) -> None:
            async with room:
                await self._abort((Undo(failure=self._failure, positions=chunk),))

        await asyncio.gather(*map(finish, chunks(left, self._batching.chunk)))
        return len([*positions_in(left)])

    def _still_to_undo(self, undo: Undos, answer: Decisions) -> Undos:
        """A refusal that stands in the rows is the original failure; the interruption came on top of it."""
        refused = {each.failure: each.positions for each in answer.decided if each.decision is Decision.REJECTED}
        refusals = tuple(Undo(failure=why, positions=positions) for why, positions in refused.items() if why)
        others = only(undo, answer.positions(Decision.CANCELLED, Decision.COMPENSATED))
        return (*refusals, *others)
