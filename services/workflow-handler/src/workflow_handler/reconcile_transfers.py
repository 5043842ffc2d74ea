"""One run of the reconciler: finds the transfers and batches that nobody carries, and has each of them finished."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar, cast

from temporalio import workflow
from temporalio.exceptions import ChildWorkflowError, WorkflowAlreadyStartedError
from temporalio.workflow import ChildWorkflowCancellationType, ChildWorkflowHandle, ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from transfer_contract.batches import UnfinishedBatch
    from transfer_contract.names import RECONCILE_TRANSFERS, batch_finisher_id, finisher_id
    from transfer_contract.reconciler import (
        Abandoned,
        AbandonedBatch,
        BatchTakenOver,
        Finding,
        LastPosition,
        ReconcilerActivities,
        ReconciliationReport,
        Search,
        SearchPosition,
        TakenOver,
    )
    from transfer_contract.steps import Failure, FailureCode
    from transfer_contract.transfers import AbortRequest, TransferMemo

from workflow_handler.finish_batch import FinishBatch
from workflow_handler.finish_transfer import FinishTransfer
from workflow_handler.policies import RECONCILING, Batching, Reconciling, searching

Result = TypeVar("Result")


@workflow.defn(name=RECONCILE_TRANSFERS)
class ReconcileTransfers:
    """Any number may run at once: a transfer is finished by one `FinishTransfer`, a batch by one `FinishBatch`.

    Its id says which. That one goes on when this run is over, for as long as it takes: what can't be finished now holds
    up neither the others nor the next run.
    """

    @workflow.run
    async def run(self, settings: Reconciling = RECONCILING) -> ReconciliationReport:
        search = Search(position=_last_position(), grace_seconds=settings.grace_seconds, limit=settings.limit)
        found = await workflow.execute_activity_method(
            ReconcilerActivities.find_abandoned_transfers, search, **searching(settings.timings)
        )
        at_once = asyncio.Semaphore(settings.at_once)
        batches, taken_over = await asyncio.gather(
            asyncio.gather(*(_take_over_batch(each, settings, at_once) for each in found.batches)),
            asyncio.gather(*(_take_over(each, settings, at_once) for each in found.abandoned)),
        )
        report = ReconciliationReport(
            taken_over=tuple(taken_over),
            batches=tuple(batches),
            carried=found.carried,
            under_way=found.under_way,
            is_complete=found.is_complete,
            position=found.position,
        )
        if report.taken_over or report.batches or report.under_way:
            workflow.logger.warning("reconciled: %s", report.model_dump_json(exclude={"position"}))
        return report


def _last_position() -> SearchPosition:
    """Of the run before it, by the same schedule. A run by hand begins at the beginning."""
    if not workflow.has_last_completion_result():
        return SearchPosition()
    return cast("LastPosition", workflow.get_last_completion_result(LastPosition)).position


async def _take_over(abandoned: Abandoned, settings: Reconciling, at_once: asyncio.Semaphore) -> TakenOver:
    transfer = abandoned.transfer
    failure = _interrupted("transfer", abandoned.found)
    async with at_once:
        finishing = workflow.start_child_workflow(
            FinishTransfer.run,
            args=[AbortRequest(transfer=transfer, failure=failure), settings.timings],
            id=finisher_id(transfer.transfer_id),
            memo={TransferMemo.KEY: TransferMemo(transfer=transfer, fingerprint=transfer.fingerprint)},
            parent_close_policy=ParentClosePolicy.ABANDON,
            cancellation_type=ChildWorkflowCancellationType.ABANDON,
        )
        result, error = await _in_time(finishing, settings)
    return TakenOver(
        transfer_id=transfer.transfer_id,
        found=abandoned.found,
        has_rows=abandoned.has_rows,
        status=result.status if result else None,
        error=error,
    )


async def _take_over_batch(
    abandoned: AbandonedBatch, settings: Reconciling, at_once: asyncio.Semaphore
) -> BatchTakenOver:
    unfinished = UnfinishedBatch(batch_id=abandoned.batch_id, failure=_interrupted("batch", abandoned.found))
    async with at_once:
        finishing = workflow.start_child_workflow(
            FinishBatch.run,
            args=[unfinished, Batching(timings=settings.timings)],
            id=batch_finisher_id(abandoned.batch_id),
            parent_close_policy=ParentClosePolicy.ABANDON,
            cancellation_type=ChildWorkflowCancellationType.ABANDON,
        )
        ended, error = await _in_time(finishing, settings)
    return BatchTakenOver(**dict(abandoned), ended=ended, error=error)


async def _in_time(
    start: Awaitable[ChildWorkflowHandle[Any, Result]], settings: Reconciling
) -> tuple[Result | None, str | None]:
    """Its result; none where it takes longer than a run waits for. Or why there will be none."""
    try:
        finishing = await start
        async with asyncio.timeout(settings.wait_seconds):
            return await asyncio.shield(finishing), None
    except (WorkflowAlreadyStartedError, TimeoutError):  # another run's, or one that goes on
        return None, None
    except ChildWorkflowError as error:
        return None, f"{error}: {error.cause}"


def _interrupted(what: str, found: Finding) -> Failure:
    return Failure(code=FailureCode.INTERRUPTED, detail=f"the {what}'s workflow was found {found.replace('_', ' ')}")
