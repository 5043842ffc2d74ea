"""The business story of one transfer: rule 5's abort, rule 4's commit point, rule 10's result."""

from functools import partial

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from transfer_contract.names import PARKED_SIGNAL, TRANSFER_MONEY, TRANSFER_STATUS
    from transfer_contract.steps import (
        Compensation,
        Decision,
        Failure,
        FailureCode,
        Step,
        StepRow,
        final_status,
        original_failure,
    )
    from transfer_contract.transfers import TransferRequest, TransferResult, TransferStatus

from workflow_handler.policies import Timings
from workflow_handler.saga import Compensating, Saga, shielded
from workflow_handler.steps import NotApplied, TransferSteps


class RowsNotFinalError(Exception):
    """The story ended and the rows aren't final: a defect. Fails the workflow task, so the workflow stays open."""


@workflow.defn(name=TRANSFER_MONEY)
class TransferMoney:
    """Always closes as completed with a result (design rule 9), and never while the rows aren't final (rule 10)."""

    @workflow.init
    def __init__(self, request: TransferRequest, timings: Timings) -> None:
        self._transfer_id = request.transfer_id
        self._steps = TransferSteps(request, timings)
        self._saga: Saga[StepRow] = Saga()
        self._heard: dict[Step, StepRow] = {}

    @workflow.run
    async def run(self, request: TransferRequest, timings: Timings) -> TransferResult:  # noqa: ARG002
        try:
            await self._forward(Step.WITHDRAW)
            await self._forward(Step.DEPOSIT)
            await self._forward(Step.RECORD)
        except NotApplied as outcome:
            if outcome.ends_the_transfer:
                return self._result(outcome.failure)
            if await self._abort(outcome):
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

    async def _abort(self, outcome: NotApplied) -> bool:
        """Undoes everything, last in, first out, whatever this run attempted (rule 5).

        Nothing is undone before `record_compensation`, the barrier, has shut the door (rule 6). False where it answers
        `applied` instead: the transfer is past the commit point and goes forward (rule 4).
        """
        workflow.upsert_search_attributes([TRANSFER_STATUS.value_set(TransferStatus.COMPENSATING)])
        owed = [c for c in Compensation if not (c is Compensation.RECORD and outcome.shuts_the_door)]
        return await self._saga.undo([self._compensating(c, outcome.failure) for c in owed], because=outcome.failure)

    def _compensating(self, compensation: Compensation, failure: Failure) -> Compensating[StepRow]:
        return Compensating(
            name=compensation,
            run=partial(self._compensate, compensation, failure),
            barrier=_door_is_shut if compensation is Compensation.RECORD else None,
        )

    async def _compensate(self, compensation: Compensation, failure: Failure) -> StepRow:
        row = self._heard[compensation.step] = await self._steps.compensate(compensation, failure)
        return row

    async def _release(self) -> None:
        """Past the commit point a cancel changes nothing any more (rules 8 and 9)."""
        self._heard[Step.RELEASE] = await shielded(self._steps.release())

    def _result(self, failure: Failure | None = None) -> TransferResult:
        """What the rows say, never the path taken (rule 10)."""
        rows = tuple(self._heard.values())
        status = final_status(rows)
        reused = failure is not None and failure.code is FailureCode.IDEMPOTENCY_KEY_REUSED
        if status is None and not reused:
            raise RowsNotFinalError(f"{self._transfer_id}: {rows}")
        return TransferResult(
            transfer_id=self._transfer_id,
            status=status,
            failure=failure if reused else original_failure(rows),
            rows=rows,
        )

    @workflow.signal(name=PARKED_SIGNAL)
    def parked(self, activity_type: str) -> None:
        """A worker says that this compensation or `release` keeps failing (design rule 5)."""
        self._saga.park(activity_type)
        workflow.upsert_search_attributes([TRANSFER_STATUS.value_set(TransferStatus.NEEDS_ATTENTION)])


def _door_is_shut(row: StepRow) -> bool:
    return row.decision is not Decision.APPLIED
