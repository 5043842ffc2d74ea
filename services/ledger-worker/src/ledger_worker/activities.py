"""The edge to Temporal: an activity is a list of one request to a step, in one transaction of its own."""

from collections.abc import Callable

from service_runtime.activity_edge import answer, decide, this_attempt
from sqlalchemy import Connection, Engine
from temporalio import activity
from transfer_contract.activities import LedgerActivities
from transfer_contract.steps import StepRow
from transfer_contract.transfers import AbortRequest, TransferRequest

from ledger_worker import steps
from ledger_worker.demo_faults import Faults


class LedgerStepActivities(LedgerActivities):
    """The contract on PostgreSQL. Each decision is committed before its activity answers or raises."""

    def __init__(self, engine: Engine, faults: Faults) -> None:
        self._engine = engine
        self._faults = faults

    @activity.defn(name="record", no_thread_cancel_exception=True)
    def record(self, request: TransferRequest) -> StepRow:
        attempt = this_attempt()
        self._faults.before_record(request, attempt)
        return answer(self._run(lambda connection: steps.record(connection, [request], attempt, self._faults.refuse)))

    @activity.defn(name="record_compensation", no_thread_cancel_exception=True)
    def record_compensation(self, request: AbortRequest) -> StepRow:
        attempt = this_attempt()
        self._faults.before_record_compensation(request.transfer)
        return self._run(lambda connection: steps.record_compensation(connection, [request], attempt))

    def _run(self, step: Callable[[Connection], list[StepRow]]) -> StepRow:
        [row] = decide(self._engine, step)
        return row
