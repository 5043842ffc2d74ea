"""Recorded histories replay with today's workflow: a change that running transfers can't follow fails here."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner
from temporalio.workflow import NondeterminismError
from transfer_contract.names import TRANSFER_MONEY
from transfer_contract.steps import Step
from transfer_contract.transfers import TransferRequest, TransferResult
from workflow_handler.finish_batch import FinishBatch
from workflow_handler.finish_transfer import FinishTransfer
from workflow_handler.policies import Timings
from workflow_handler.reconcile_transfers import ReconcileTransfers
from workflow_handler.transfer_batch import TransferBatch
from workflow_handler.transfer_money import TransferMoney

HISTORIES: Final = sorted((Path(__file__).parent / "histories").glob("*.json"))
WANTED: Final = {"completed", "rejected", "compensated", "cancelled", "parked_and_repaired"}
WANTED_OF_THE_RECONCILER: Final = {"finished_undone", "finished_forward", "reconciled"}
WANTED_OF_BATCHES: Final = {"batch_completed", "batch_in_pieces", "batch_cancelled", "batch_finished"}
OF_TRANSFERS: Final = [path for path in HISTORIES if path.stem not in WANTED_OF_THE_RECONCILER | WANTED_OF_BATCHES]


def history(path: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json("transfer-recorded", path.read_text())


def replayer(workflows: Sequence[type], runner: WorkflowRunner) -> Replayer:
    return Replayer(workflows=workflows, data_converter=pydantic_data_converter, workflow_runner=runner)


def test_every_kind_of_ending_is_recorded() -> None:
    assert {path.stem for path in HISTORIES} >= WANTED | WANTED_OF_THE_RECONCILER | WANTED_OF_BATCHES


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
async def test_a_recorded_history_replays(path: Path) -> None:
    workflows = [TransferMoney, FinishTransfer, ReconcileTransfers, TransferBatch, FinishBatch]
    await replayer(workflows, SandboxedWorkflowRunner()).replay_workflow(history(path))


@workflow.defn(name=TRANSFER_MONEY)
class DepositsBeforeItWithdraws(TransferMoney):
    """A change of the order, as somebody might make it without a second thought."""

    @workflow.init
    def __init__(self, request: TransferRequest, timings: Timings) -> None:
        super().__init__(request, timings)

    @workflow.run
    async def run(self, request: TransferRequest, timings: Timings) -> TransferResult:
        await self._forward(Step.DEPOSIT)
        return await super().run(request, timings)


@pytest.mark.parametrize("path", OF_TRANSFERS, ids=lambda path: path.stem)
async def test_a_change_of_the_order_does_not_replay(path: Path) -> None:
    with pytest.raises(NondeterminismError):
        await replayer([DepositsBeforeItWithdraws], UnsandboxedWorkflowRunner()).replay_workflow(history(path))
