"""A `TransferMoney` as a deployment that went wrong might bring it."""

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from transfer_contract.names import TRANSFER_MONEY
    from transfer_contract.steps import Step
    from transfer_contract.transfers import TransferRequest, TransferResult

from workflow_handler.policies import Timings
from workflow_handler.transfer_money import TransferMoney


@workflow.defn(name=TRANSFER_MONEY)
class Defective(TransferMoney):
    """After the withdraw it ends as the transfer's reference says; by default its tasks fail."""

    @workflow.init
    def __init__(self, request: TransferRequest, timings: Timings) -> None:
        super().__init__(request, timings)

    @workflow.run
    async def run(self, request: TransferRequest, timings: Timings) -> TransferResult:
        if request.reference == "does nothing":
            raise RuntimeError("a defect that fails the first workflow task")
        await self._forward(Step.WITHDRAW)
        if request.reference == "fails":
            raise ApplicationError("a defect")
        if request.reference == "completes":
            return TransferResult(transfer_id=request.transfer_id, status=None)
        raise RuntimeError("a defect that fails the workflow task")
