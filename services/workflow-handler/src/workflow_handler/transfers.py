"""Starting, cancelling and retrying a transfer: what Temporal and the decision rows allow (rules 3, 9 and 11)."""

from datetime import UTC, datetime

from service_runtime.carrying import is_open
from service_runtime.problems import Problem
from service_runtime.request_id import current_request_id
from service_runtime.temporal import describe_workflow, has_no_history
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import ResetActivityRequest
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode
from transfer_contract.batches import batch_of
from transfer_contract.http import ProblemCode, TransferStarted
from transfer_contract.names import (
    PARKED_AFTER_ATTEMPTS,
    TRANSFER_MONEY,
    TaskQueue,
    batch_finisher_id,
    batch_workflow_id,
    finisher_id,
    workflow_id,
)
from transfer_contract.steps import Compensation, Step
from transfer_contract.transfers import Scenario, TransferMemo, TransferOrder, TransferRequest, TransferResult

from workflow_handler.policies import PRODUCTION, Timings
from workflow_handler.rows import Rows

_RETRIED_WITHOUT_LIMIT = {name for step in (Step.RELEASE, *Compensation) for name in (step.value, f"{step}_many")}
"""For one transfer, and for a list of a batch's."""


class Transfers:
    """What may be asked of a transfer's workflow. Every method is safe to repeat.

    Raises `Problem` with the code that the client gets, `RPCError` where Temporal is away.
    """

    def __init__(self, client: Client, rows: Rows, timings: Timings = PRODUCTION) -> None:
        self._client = client
        self._rows = rows
        self._timings = timings

    async def start(self, order: TransferOrder) -> TransferStarted:
        """One transfer per id, whatever is repeated and wherever a caller crashed (rules 3 and 11)."""
        try:
            known = await self._rows.of(order.transfer_id)
        except Problem:
            return await self._replay_closed_run(order)
        if known is None:
            return await self._start_first_run(TransferRequest(**order.model_dump(), created_at=datetime.now(UTC)))
        _must_be_same(order, known.transfer.fingerprint)
        if known.final_status is None:
            await self._keep_running(known.transfer)
        return _replayed(known.transfer)

    async def cancel(self, transfer_id: str) -> None:
        """Asks the run to cancel: a request, not a promise (rule 9). A transfer without a run gets one first.

        One in the reconciler's hands is being undone, if that is possible: there is nothing to ask for.
        """
        known = await self._rows.of(transfer_id)
        if (known and known.final_status) or await self._rows.is_recorded(transfer_id):
            raise _not_cancellable()
        if await self._is_being_finished(transfer_id):
            return
        run = await self._describe(transfer_id)
        if run is None and known is None:
            raise _not_found(transfer_id)
        if run is None or run.status is not WorkflowExecutionStatus.RUNNING:
            request = known.transfer if known else (await _memo(run)).transfer if run else None
            if request is None or not await self._keep_running(request):
                raise _not_cancellable()
        await self._client.get_workflow_handle(workflow_id(transfer_id)).cancel()

    async def retry(self, transfer_id: str) -> None:
        """Makes the server retry every parked step now, and lifts the demo fault that parked it."""
        runs = await self._runs_of(transfer_id)
        if not runs and await self._rows.of(transfer_id) is None:
            raise _not_found(transfer_id)
        parked = [(run, step) for run in runs for step in run.raw_description.pending_activities if _is_parked(step)]
        if not parked:
            raise Problem(ProblemCode.NOT_PARKED, "No step of the transfer waits for an operator.")
        if await self._scenario_of(transfer_id, parked[0][0]) is Scenario.COMPENSATION_FAILS:
            await self._rows.lift_fault(transfer_id)
        for run, step in parked:
            await self._retry_now(run.id, step.activity_id)

    async def _retry_now(self, workflow: str, activity_id: str) -> None:
        request = ResetActivityRequest(
            namespace=self._client.namespace, execution=WorkflowExecution(workflow_id=workflow), id=activity_id
        )
        try:
            await self._client.workflow_service.reset_activity(request)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:  # it has succeeded this very moment
                raise

    async def _start_first_run(self, request: TransferRequest) -> TransferStarted:
        """No rows: nobody has moved anything yet, but there may be, or have been, a run without rows."""
        if await self._start_run(request, WorkflowIDReusePolicy.REJECT_DUPLICATE):
            return TransferStarted(transfer_id=request.transfer_id, replayed=False, created_at=request.created_at)
        run = await self._describe(request.transfer_id)
        if run is None:
            raise self._rows.unreadable()  # forgotten this very moment: the caller repeats
        first = await _memo(run)
        _must_be_same(request, first.fingerprint)
        await self._keep_running(first.transfer)
        return _replayed(first.transfer)

    async def _keep_running(self, request: TransferRequest) -> bool:
        """Sees to it that a run carries the transfer; False where its rows are final, and none is started (rule 11).

        The reconciler's run carries it, too. The rows are read again once no run is open: it may just have made them
        final.
        """
        run = await self._describe(request.transfer_id)
        if (run is not None and is_open(run)) or await self._is_being_finished(request.transfer_id):
            return True
        known = await self._rows.of(request.transfer_id)
        if known is not None and known.final_status is not None:
            return False
        await self._start_run(request, WorkflowIDReusePolicy.ALLOW_DUPLICATE)
        return True

    async def _start_run(self, request: TransferRequest, reuse: WorkflowIDReusePolicy) -> bool:
        """False where there is a run already (with REJECT_DUPLICATE: or was one)."""
        memo = TransferMemo(transfer=request, fingerprint=request.fingerprint, request_id=current_request_id.get())
        try:
            await self._client.start_workflow(
                TRANSFER_MONEY,
                args=[request, self._timings],
                id=workflow_id(request.transfer_id),
                task_queue=TaskQueue.TRANSFERS,
                memo={TransferMemo.KEY: memo},
                id_reuse_policy=reuse,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            )
        except WorkflowAlreadyStartedError:
            return False
        return True

    async def _replay_closed_run(self, order: TransferOrder) -> TransferStarted:
        """The rows can't be read: only a closed run with a final result says enough (rule 11)."""
        run = await self._describe(order.transfer_id)
        if run is None or run.status is not WorkflowExecutionStatus.COMPLETED:
            raise self._rows.unreadable()
        first = await _memo(run)
        _must_be_same(order, first.fingerprint)
        if not await self._has_final_result(run):
            raise self._rows.unreadable()
        return _replayed(first.transfer)

    async def _has_final_result(self, run: WorkflowExecutionDescription) -> bool:
        """False also where the server doesn't find its history any more."""
        handle = self._client.get_workflow_handle(run.id, run_id=run.run_id, result_type=TransferResult)
        try:
            return (await handle.result()).status is not None
        except RPCError as error:
            if has_no_history(error):
                return False
            raise

    async def _runs_of(self, transfer_id: str) -> list[WorkflowExecutionDescription]:
        """All that may have a step of this transfer's parked: its own, the reconciler's, its batch's."""
        runs = [await self._describe(transfer_id), *await self._finishers_of(transfer_id)]
        if batch_id := batch_of(transfer_id):
            runs.append(await describe_workflow(self._client, batch_workflow_id(batch_id)))
        return [run for run in runs if run is not None]

    async def _scenario_of(self, transfer_id: str, run: WorkflowExecutionDescription) -> Scenario | None:
        if batch_of(transfer_id) is None:
            return (await _memo(run)).transfer.scenario
        known = await self._rows.of(transfer_id)  # a batch keeps no transfers in its memo
        return known.transfer.scenario if known else None

    async def _describe(self, transfer_id: str) -> WorkflowExecutionDescription | None:
        return await describe_workflow(self._client, workflow_id(transfer_id))

    async def _is_being_finished(self, transfer_id: str) -> bool:
        return any(map(is_open, await self._finishers_of(transfer_id)))

    async def _finishers_of(self, transfer_id: str) -> list[WorkflowExecutionDescription]:
        """What the reconciler has started for it, or for its batch."""
        batch_id = batch_of(transfer_id)
        workflow = batch_finisher_id(batch_id) if batch_id else finisher_id(transfer_id)
        finisher = await describe_workflow(self._client, workflow)
        return [finisher] if finisher else []


async def _memo(run: WorkflowExecutionDescription) -> TransferMemo:
    return await run.memo_value(TransferMemo.KEY, type_hint=TransferMemo)


def _must_be_same(order: TransferOrder, fingerprint: str) -> None:
    if order.fingerprint != fingerprint:
        raise Problem(
            ProblemCode.IDEMPOTENCY_KEY_REUSED, "The idempotency key was used before, for a request with another body."
        )


def _is_parked(step: PendingActivityInfo) -> bool:
    return step.attempt > PARKED_AFTER_ATTEMPTS and step.activity_type.name in _RETRIED_WITHOUT_LIMIT


def _replayed(transfer: TransferRequest) -> TransferStarted:
    return TransferStarted(transfer_id=transfer.transfer_id, replayed=True, created_at=transfer.created_at)


def _not_cancellable() -> Problem:
    return Problem(ProblemCode.NOT_CANCELLABLE, "The transfer can't be cancelled any more.")


def _not_found(transfer_id: str) -> Problem:
    return Problem(ProblemCode.NOT_FOUND, f"There is no transfer {transfer_id}.")
