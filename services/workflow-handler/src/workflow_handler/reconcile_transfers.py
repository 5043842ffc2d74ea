"""One run of the reconciler: finds the transfers that nobody carries, and has each of them finished."""

import asyncio
from typing import cast

from temporalio import workflow
from temporalio.exceptions import ChildWorkflowError, WorkflowAlreadyStartedError
from temporalio.workflow import ChildWorkflowCancellationType, ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from transfer_contract.names import RECONCILE_TRANSFERS, finisher_id
    from transfer_contract.reconciler import (
        Abandoned,
        Finding,
        LastPosition,
        ReconcilerActivities,
        ReconciliationReport,
        Search,
        SearchPosition,
        TakenOver,
    )
    from transfer_contract.steps import Failure, FailureCode, FinalStatus
    from transfer_contract.transfers import AbortRequest, TransferMemo

from workflow_handler.finish_transfer import FinishTransfer
from workflow_handler.policies import RECONCILING, Reconciling, searching


@workflow.defn(name=RECONCILE_TRANSFERS)
class ReconcileTransfers:
    """Any number may run at once: a transfer is finished by one `FinishTransfer`, whose id says which transfer.

    That one goes on when this run is over, for as long as it takes: what can't be finished now holds up neither the
    others nor the next run.
    """

    @workflow.run
    async def run(self, settings: Reconciling = RECONCILING) -> ReconciliationReport:
        search = Search(position=_last_position(), grace_seconds=settings.grace_seconds, limit=settings.limit)
        found = await workflow.execute_activity_method(
            ReconcilerActivities.find_abandoned_transfers, search, **searching(settings.timings)
        )
        at_once = asyncio.Semaphore(settings.at_once)
        taken_over = await asyncio.gather(*(_take_over(each, settings, at_once) for each in found.abandoned))
        report = ReconciliationReport(
            taken_over=tuple(taken_over),
            carried=found.carried,
            under_way=found.under_way,
            is_complete=found.is_complete,
            position=found.position,
        )
        if report.taken_over or report.under_way:
            workflow.logger.warning("reconciled: %s", report.model_dump_json(exclude={"position"}))
        return report


def _last_position() -> SearchPosition:
    """Of the run before it, by the same schedule. A run by hand begins at the beginning."""
    if not workflow.has_last_completion_result():
        return SearchPosition()
    return cast("LastPosition", workflow.get_last_completion_result(LastPosition)).position


async def _take_over(abandoned: Abandoned, settings: Reconciling, at_once: asyncio.Semaphore) -> TakenOver:
    async with at_once:
        status, error = await _finish(abandoned, settings)
    return TakenOver(
        transfer_id=abandoned.transfer.transfer_id,
        found=abandoned.found,
        has_rows=abandoned.has_rows,
        status=status,
        error=error,
    )


async def _finish(abandoned: Abandoned, settings: Reconciling) -> tuple[FinalStatus | None, str | None]:
    """The final status as soon as there is one; none where it takes longer than a run waits for."""
    transfer = abandoned.transfer
    try:
        finishing = await workflow.start_child_workflow(
            FinishTransfer.run,
            args=[AbortRequest(transfer=transfer, failure=_interrupted(abandoned.found)), settings.timings],
            id=finisher_id(transfer.transfer_id),
            memo={TransferMemo.KEY: TransferMemo(transfer=transfer, fingerprint=transfer.fingerprint)},
            parent_close_policy=ParentClosePolicy.ABANDON,
            cancellation_type=ChildWorkflowCancellationType.ABANDON,
        )
        async with asyncio.timeout(settings.wait_seconds):
            return (await asyncio.shield(finishing)).status, None
    except (WorkflowAlreadyStartedError, TimeoutError):  # another run's, or one that goes on
        return None, None
    except ChildWorkflowError as error:
        return None, f"{error}: {error.cause}"


def _interrupted(found: Finding) -> Failure:
    return Failure(code=FailureCode.INTERRUPTED, detail=f"the transfer's workflow was found {found.replace('_', ' ')}")
