"""Transfers whose workflows are taken away from them, and what stands in their rows."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from saga.fake_participants import Fault, Name
from saga.harness import Handle, new_request
from saga.reconciling import Reconciler
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client
from transfer_contract.names import FINISH_TRANSFER, TaskQueue, finisher_id
from transfer_contract.steps import Decision, Failure, FailureCode, Occurrence, Step, StepRow
from transfer_contract.transfers import AbortRequest, TransferRequest, TransferResult

FOREVER: Final = 1_000
"""Attempts: more than any test has."""


async def until_waiting(reconciler: Reconciler, name: Name) -> None:
    assert await asyncio.to_thread(reconciler.faults.waiting[name].wait, 20)


async def terminated_in(reconciler: Reconciler, name: Name) -> TransferRequest:
    """A transfer whose workflow is gone while an attempt of this step is under way; the attempt goes on."""
    reconciler.timings = replace(reconciler.timings, start_to_close_seconds=60)
    request = new_request()
    reconciler.faults.plan(name, Fault.WAITS, attempts=1)
    transfer = await reconciler.start(request)
    await until_waiting(reconciler, name)
    await transfer.terminate()
    reconciler.faults.plan(name, Fault.WAITS, attempts=0)
    reconciler.faults.calls.clear()
    return request


def failure_of(reconciler: Reconciler, transfer_id: str) -> Failure:
    failure = reconciler.books.rows[transfer_id, Step.WITHDRAW].failure
    assert failure is not None
    return failure


async def reset(client: Client, transfer: Handle) -> None:
    """To its first task, as an operator does."""
    execution = WorkflowExecution(workflow_id=transfer.id, run_id=transfer.first_execution_run_id or "")
    await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=execution,
            reason="by the test",
            workflow_task_finish_event_id=4,
            request_id=str(uuid4()),
        )
    )


async def finish(reconciler: Reconciler, request: TransferRequest) -> TransferResult:
    """By hand, whether anybody carries it or not."""
    interrupted = Failure(code=FailureCode.INTERRUPTED, detail="by the test")
    result: TransferResult = await reconciler.client.execute_workflow(
        FINISH_TRANSFER,
        args=[AbortRequest(transfer=request, failure=interrupted), reconciler.timings],
        id=finisher_id(request.transfer_id),
        task_queue=TaskQueue.TRANSFERS,
        result_type=TransferResult,
    )
    return result


async def until_task_attempt(transfer: Handle, attempt: int) -> None:
    async with asyncio.timeout(40):
        while (await transfer.describe()).raw_description.pending_workflow_task.attempt < attempt:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


def applied(request: TransferRequest, step: Step) -> StepRow:
    return StepRow(transfer_id=request.transfer_id, step=step, decision=Decision.APPLIED, forward=just_now())


def tombstone(request: TransferRequest, step: Step) -> StepRow:
    return StepRow(transfer_id=request.transfer_id, step=step, decision=Decision.CANCELLED, compensation=just_now())


def just_now() -> Occurrence:
    now = datetime.now(UTC)
    return Occurrence(attempt=1, scheduled_at=now, decided_at=now)
