"""A workflow shaped like `TransferMoney`, and activities that write rows in memory and do as a test tells them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from checker_databases import Databases
from service_runtime.worker_identity import identity_on, worker_identity
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from transfer_contract.names import (
    FINISH_TRANSFER,
    TRANSFER_MONEY,
    TRANSFER_STATUS,
    WORKER_OF_QUEUE,
    TaskQueue,
    finisher_id,
    workflow_id,
)
from transfer_contract.steps import (
    REFUSALS,
    Compensation,
    Decision,
    Failure,
    FailureCode,
    Occurrence,
    Step,
    StepError,
    StepRow,
    final_status,
    original_failure,
    refusal_of,
)
from transfer_contract.transfers import AbortRequest, TransferMemo, TransferRequest, TransferResult, TransferStatus

Name = Step | Compensation
EVERY_QUEUE = tuple(TaskQueue)
DEFECTIVE = "defective"
"""The reference of a transfer whose workflow fails its tasks after the withdraw."""


@workflow.defn(name=TRANSFER_MONEY)
class StandInTransferMoney:
    @workflow.run
    async def run(self, request: TransferRequest) -> TransferResult:
        rows: dict[Step, StepRow] = {}
        failure = await self._forward(request, rows)
        if failure is not None and failure.code is FailureCode.IDEMPOTENCY_KEY_REUSED:
            return TransferResult(transfer_id=request.transfer_id, status=None, failure=failure)
        if failure is None or (final_status(rows.values()) is None and await self._abort(request, failure, rows)):
            rows[Step.RELEASE] = await _run(Step.RELEASE, request)
        return TransferResult(
            transfer_id=request.transfer_id,
            status=final_status(rows.values()),
            failure=original_failure(rows.values()),
            rows=tuple(rows.values()),
        )

    async def _forward(self, request: TransferRequest, rows: dict[Step, StepRow]) -> Failure | None:
        for step in (Step.WITHDRAW, Step.DEPOSIT, Step.RECORD):
            started_at = workflow.now()
            if step is Step.DEPOSIT and request.reference == DEFECTIVE:
                raise RuntimeError("a defect that fails the workflow task")
            try:
                rows[step] = await _run(step, request, attempts=3)
            except ActivityError as error:
                if isinstance(error.cause, ApplicationError) and error.cause.type in REFUSALS:
                    rows[step] = StepRow.model_validate(error.cause.details[0])
                    return refusal_of(rows[step])
                return _failure(step, error, started_at)
        return None

    async def _abort(self, request: TransferRequest, failure: Failure, rows: dict[Step, StepRow]) -> bool:
        """True where the transfer turns out to be past its point of no return."""
        workflow.upsert_search_attributes([TRANSFER_STATUS.value_set(TransferStatus.COMPENSATING)])
        for compensation in Compensation:
            if compensation.step is failure.step is Step.RECORD and failure.code in REFUSALS:
                continue
            row = rows[compensation.step] = await _run(compensation, AbortRequest(transfer=request, failure=failure))
            if row.step is Step.RECORD and row.decision is Decision.APPLIED:
                return True
        return False


@workflow.defn(name=FINISH_TRANSFER)
class StandInFinishTransfer:
    """The reconciler's, for a transfer that has not been recorded."""

    @workflow.run
    async def run(self, request: AbortRequest) -> None:
        for compensation in Compensation:
            await _run(compensation, request)


async def _run(name: Name, given: TransferRequest | AbortRequest, *, attempts: int = 0) -> StepRow:
    row: StepRow = await workflow.execute_activity(
        name.value,
        given,
        activity_id=name.value,
        task_queue=TaskQueue.LEDGER if "record" in name else TaskQueue.ACCOUNTS,
        result_type=StepRow,
        start_to_close_timeout=timedelta(seconds=30),
        heartbeat_timeout=timedelta(seconds=10),
        retry_policy=RetryPolicy(
            initial_interval=timedelta(milliseconds=20),
            maximum_interval=timedelta(milliseconds=50),
            maximum_attempts=attempts,
        ),
    )
    return row


def _failure(step: Step, error: ActivityError, started_at: datetime) -> Failure:
    cause = error.cause
    if isinstance(cause, ApplicationError):
        reused = cause.type == FailureCode.IDEMPOTENCY_KEY_REUSED
        code = FailureCode.IDEMPOTENCY_KEY_REUSED if reused else FailureCode.STEP_FAILED
        attempts = 3
    else:
        code, attempts = FailureCode.CANCELLED, 1
    return Failure(
        code=code,
        detail=f"{step}: {cause}",
        step=step,
        attempts=attempts,
        started_at=started_at,
        finished_at=workflow.now(),
        worker=error.identity or None,
    )


class Activities:
    """`before[(transfer_id, name)]` runs at the start of each attempt, and may wait or raise."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases
        self.before: dict[tuple[str, Name], Callable[[], Awaitable[None]]] = {}
        self.refusals: dict[tuple[str, Step], FailureCode] = {}

    def hold(self, transfer: TransferRequest, name: Name) -> asyncio.Event:
        """Its attempts wait until the event is set."""
        let_go = asyncio.Event()

        async def wait() -> None:
            await let_go.wait()

        self.before[transfer.transfer_id, name] = wait
        return let_go

    def fail(self, transfer: TransferRequest, name: Name, code: str, *, for_good: bool = False) -> None:
        async def raise_it() -> None:
            raise ApplicationError("not today", type=code, non_retryable=for_good)

        self.before[transfer.transfer_id, name] = raise_it

    def on(self, queue: TaskQueue) -> list[Callable[..., Any]]:
        names: Iterable[Name] = [*Step, *Compensation]
        mine = [name for name in names if ("record" in name) is (queue is TaskQueue.LEDGER)]
        return [self._compensation(n) if isinstance(n, Compensation) else self._forward(n) for n in mine]

    def _forward(self, step: Step) -> Callable[..., Any]:
        @activity.defn(name=step.value)
        async def forward(request: TransferRequest) -> StepRow:
            await self._told(request.transfer_id, step)
            row = self._row(request.transfer_id, step)
            if row is None:
                code = self.refusals.get((request.transfer_id, step))
                error = StepError(code=code, detail=f"{step} refused") if code else None
                decision = Decision.REJECTED if error else Decision.APPLIED
                row = StepRow(
                    transfer_id=request.transfer_id, step=step, decision=decision, forward=_this_attempt(error)
                )
                self._databases.put(request, row)
            if row.decision is Decision.REJECTED:
                raise ApplicationError(f"{step} refused", row, type=row.forward.error.code, non_retryable=True)  # type: ignore[union-attr]
            return row

        return forward

    def _compensation(self, compensation: Compensation) -> Callable[..., Any]:
        @activity.defn(name=compensation.value)
        async def compensate(request: AbortRequest) -> StepRow:
            transfer_id, step = request.transfer.transfer_id, compensation.step
            await self._told(transfer_id, compensation)
            row = self._row(transfer_id, step) or StepRow(
                transfer_id=transfer_id, step=step, decision=Decision.CANCELLED, compensation=_this_attempt()
            )
            if row.decision is Decision.APPLIED and step is not Step.RECORD:
                undone = {"decision": Decision.COMPENSATED, "compensation": _this_attempt()}
                row = row.model_copy(update=undone)
            if step is Step.WITHDRAW:
                row = row.model_copy(update={"failure": request.failure})
            self._databases.put(request.transfer, row)
            return row

        return compensate

    async def _told(self, transfer_id: str, name: Name) -> None:
        activity.heartbeat()
        if told := self.before.get((transfer_id, name)):
            await told()

    def _row(self, transfer_id: str, step: Step) -> StepRow | None:
        database = self._databases.ledger if step is Step.RECORD else self._databases.accounts
        return database.rows.get(transfer_id, {}).get(step)


def _this_attempt(error: StepError | None = None) -> Occurrence:
    info = activity.info()
    return Occurrence(
        attempt=info.attempt,
        scheduled_at=info.scheduled_time,
        decided_at=datetime.now(UTC),
        error=error,
        worker=identity_on(info.task_queue),
    )


@asynccontextmanager
async def workers(client: Client, activities: Activities, *queues: TaskQueue) -> AsyncIterator[None]:
    """One worker a queue, all of them where none is named. The client decides whether they send heartbeats."""
    async with AsyncExitStack() as stack:
        for queue in queues or EVERY_QUEUE:
            is_saga = queue is TaskQueue.TRANSFERS
            worker = Worker(
                client,
                task_queue=queue,
                identity=worker_identity(WORKER_OF_QUEUE[queue]),
                workflows=[StandInTransferMoney, StandInFinishTransfer] if is_saga else [],
                activities=[] if is_saga else activities.on(queue),
                workflow_runner=UnsandboxedWorkflowRunner(),
            )
            await stack.enter_async_context(worker)
        yield


async def start(client: Client, request: TransferRequest) -> WorkflowHandle[StandInTransferMoney, TransferResult]:
    """As workflow-handler does."""
    return await client.start_workflow(
        StandInTransferMoney.run,
        request,
        id=workflow_id(request.transfer_id),
        task_queue=TaskQueue.TRANSFERS,
        memo={TransferMemo.KEY: TransferMemo(transfer=request, fingerprint=request.fingerprint)},
    )


async def take_over(client: Client, request: TransferRequest) -> WorkflowHandle[StandInFinishTransfer, None]:
    """As the reconciler does."""
    interrupted = Failure(code=FailureCode.INTERRUPTED, detail="the transfer's workflow was found terminated")
    return await client.start_workflow(
        StandInFinishTransfer.run,
        AbortRequest(transfer=request, failure=interrupted),
        id=finisher_id(request.transfer_id),
        task_queue=TaskQueue.TRANSFERS,
        memo={TransferMemo.KEY: TransferMemo(transfer=request, fingerprint=request.fingerprint)},
    )
