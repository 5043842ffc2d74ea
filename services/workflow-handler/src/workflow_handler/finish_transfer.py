"""Brings one transfer that nobody carries any more to its end: the reconciler's algorithm, by the saga's own steps."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from transfer_contract.names import FINISH_TRANSFER
    from transfer_contract.steps import Compensation, Decision, Failure, StepRow, refusal_of
    from transfer_contract.transfers import AbortRequest, TransferResult

from workflow_handler.policies import Timings
from workflow_handler.transfer_ending import TransferEnding


@workflow.defn(name=FINISH_TRANSFER)
class FinishTransfer(TransferEnding):
    """Decides by a row, never from a read: it closes the door, or learns that the transfer is past it.

    May run beside the transfer's own workflow, late attempts and any number of others: the rows decide. Like
    `TransferMoney` it closes as completed, when the rows are final.
    """

    @workflow.init
    def __init__(self, request: AbortRequest, timings: Timings) -> None:
        super().__init__(request.transfer, timings)

    @workflow.run
    async def run(self, request: AbortRequest, timings: Timings) -> TransferResult:  # noqa: ARG002
        if not await self._abort(request.failure):
            await self._release()
        return self._result()

    async def _compensate(self, compensation: Compensation, failure: Failure) -> StepRow:
        """A refusal that stands in the rows is the original failure; the interruption came on top of it."""
        refused = (row for row in self._heard.values() if row.decision is Decision.REJECTED)
        original = next(map(refusal_of, refused), failure)
        return await super()._compensate(compensation, original)
