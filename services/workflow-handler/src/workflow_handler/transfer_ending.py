"""How a transfer ends, whoever brings it there: rule 5's abort, rule 4's commit point, rule 10's result."""

from functools import partial

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from transfer_contract.names import PARKED_SIGNAL, TRANSFER_STATUS
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
from workflow_handler.steps import TransferSteps


class RowsNotFinalError(Exception):
    """The story ended and the rows aren't final: a defect. Fails the workflow task, so the workflow stays open."""


class TransferEnding:
    """The base of the workflows that end transfers. What they have heard stands in `_heard`, the latest row a step."""

    def __init__(self, request: TransferRequest, timings: Timings) -> None:
        self._transfer_id = request.transfer_id
        self._steps = TransferSteps(request, timings)
        self._saga: Saga[StepRow] = Saga()
        self._heard: dict[Step, StepRow] = {}

    async def _abort(self, failure: Failure, *, door_is_shut: bool = False) -> bool:
        """Undoes everything, last in, first out, whatever has been attempted (rule 5).

        Nothing is undone before `record_compensation`, the barrier, has shut the door (rule 6). False where it answers
        `applied` instead: the transfer is past the commit point and goes forward (rule 4).
        """
        workflow.upsert_search_attributes([TRANSFER_STATUS.value_set(TransferStatus.COMPENSATING)])
        owed = [c for c in Compensation if not (c is Compensation.RECORD and door_is_shut)]
        return await self._saga.undo([self._compensating(c, failure) for c in owed], because=failure)

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
        """A worker says that this compensation or `release` keeps failing."""
        self._saga.park(activity_type)
        workflow.upsert_search_attributes([TRANSFER_STATUS.value_set(TransferStatus.NEEDS_ATTENTION)])


def _door_is_shut(row: StepRow) -> bool:
    return row.decision is not Decision.APPLIED
