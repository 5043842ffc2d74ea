"""The business story of one transfer."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from transfer_contract.names import TRANSFER_MONEY
    from transfer_contract.steps import Step
    from transfer_contract.transfers import TransferRequest, TransferResult

from workflow_handler.policies import Timings
from workflow_handler.steps import NotApplied
from workflow_handler.transfer_ending import TransferEnding


@workflow.defn(name=TRANSFER_MONEY)
class TransferMoney(TransferEnding):
    """Always closes as completed with a result, and never while the rows aren't final (rule 10)."""

    @workflow.init
    def __init__(self, request: TransferRequest, timings: Timings) -> None:
        super().__init__(request, timings)

    @workflow.run
    async def run(self, request: TransferRequest, timings: Timings) -> TransferResult:  # noqa: ARG002
        try:
            await self._forward(Step.WITHDRAW)
            await self._forward(Step.DEPOSIT)
            await self._forward(Step.RECORD)
        except NotApplied as outcome:
            if outcome.ends_the_transfer:
                return self._result(outcome.failure)
            if await self._abort(outcome.failure, door_is_shut=outcome.shuts_the_door):
                return self._result(outcome.failure)
        await self._release()
        return self._result()

    async def _forward(self, step: Step) -> None:
        try:
            self._heard[step] = await self._steps.forward(step)
        except NotApplied as outcome:
            if outcome.row is not None:
                self._heard[step] = outcome.row
            raise
