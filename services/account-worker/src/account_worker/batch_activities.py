"""The edge to Temporal for a batch: the same steps for a list of stored transfers, in one transaction."""

from collections.abc import Callable, Sequence

from service_runtime.activity_edge import Attempt
from service_runtime.batch_edge import answer_for, attempt_on, decide_apart, play_faults, transfer_ids
from sqlalchemy import Connection, Engine
from temporalio import activity
from transfer_contract.activities import AccountBatchActivities
from transfer_contract.batches import BatchItems, BatchUndo, Decisions, Ranges, positions_in, transfer_id_in
from transfer_contract.steps import Compensation, StepError, StepRow
from transfer_contract.transfers import TransferRequest

from account_worker import steps
from account_worker.accounts import GuardViolated, StepProblem
from account_worker.batches import unfinished_positions
from account_worker.books import Asked, AskedToUndo, LockedTransfer, StoredUndo
from account_worker.demo_faults import Faults
from account_worker.guards import GuardAlarm
from account_worker.steps import AccountStep, Outcome, run_step_on_stored


class AccountBatchStepActivities(AccountBatchActivities):
    """The contract on PostgreSQL. All decisions of a list are committed before its activity answers."""

    def __init__(self, engine: Engine, faults: Faults, guards: GuardAlarm) -> None:
        self._engine = engine
        self._faults = faults
        self._guards = guards

    @activity.defn(name="withdraw_many", no_thread_cancel_exception=True)
    def withdraw_many(self, items: BatchItems) -> Decisions:
        return self._forward(steps.WITHDRAW, items)

    @activity.defn(name="deposit_many", no_thread_cancel_exception=True)
    def deposit_many(self, items: BatchItems) -> Decisions:
        return self._forward(steps.DEPOSIT, items)

    @activity.defn(name="release_many", no_thread_cancel_exception=True)
    def release_many(self, items: BatchItems) -> Decisions:
        return self._forward(steps.RELEASE, items)

    @activity.defn(name="deposit_compensation_many", no_thread_cancel_exception=True)
    def deposit_compensation_many(self, items: BatchUndo) -> Decisions:
        return self._undo(steps.DEPOSIT_COMPENSATION, Compensation.DEPOSIT, items)

    @activity.defn(name="withdraw_compensation_many", no_thread_cancel_exception=True)
    def withdraw_compensation_many(self, items: BatchUndo) -> Decisions:
        return self._undo(steps.WITHDRAW_COMPENSATION, Compensation.WITHDRAW, items)

    @activity.defn(name="find_unfinished", no_thread_cancel_exception=True)
    def find_unfinished(self, batch_id: str) -> Ranges:
        with self._engine.connect() as connection:
            return unfinished_positions(connection, batch_id)

    def _forward(self, step: AccountStep[Asked], items: BatchItems) -> Decisions:
        def work(connection: Connection, asked: Sequence[str], attempt: Attempt) -> list[Outcome]:
            return run_step_on_stored(connection, step, asked, _itself, attempt)

        return self._run(items, lambda transfer: self._faults.before_step(step.row, transfer), work)

    def _undo(self, step: AccountStep[AskedToUndo], compensation: Compensation, items: BatchUndo) -> Decisions:
        failures = {
            transfer_id_in(items.batch_id, position): each.failure
            for each in items.undo
            for position in positions_in(each.positions)
        }

        def undo(transfer: LockedTransfer) -> AskedToUndo:
            return StoredUndo(transfer.as_asked, failures[transfer.request.transfer_id])

        def work(connection: Connection, asked: Sequence[str], attempt: Attempt) -> list[Outcome]:
            return run_step_on_stored(connection, step, asked, undo, attempt)

        return self._run(items, lambda transfer: self._faults.before_compensation(compensation, transfer), work)

    def _run(
        self,
        items: BatchItems | BatchUndo,
        before: Callable[[TransferRequest], None],
        work: Callable[[Connection, Sequence[str], Attempt], list[Outcome]],
    ) -> Decisions:
        asked, attempt = transfer_ids(items), attempt_on(items)
        failing = play_faults(self._faults.scenarios(asked), before)
        going = [transfer_id for transfer_id in asked if transfer_id not in failing]
        outcomes, errors = decide_apart(self._engine, going, lambda connection, part: work(connection, part, attempt))
        rows = {each: outcome for each, outcome in outcomes.items() if isinstance(outcome, StepRow)}
        problems = {
            each: self._error(problem) for each, problem in outcomes.items() if isinstance(problem, StepProblem)
        }
        return answer_for(items, rows, failing | errors | problems)

    def _error(self, problem: StepProblem) -> StepError:
        if isinstance(problem, GuardViolated):
            self._guards.ring(problem)
        return StepError(code="guard_violated", detail=str(problem))


def _itself(transfer: LockedTransfer) -> Asked:
    return transfer.as_asked
