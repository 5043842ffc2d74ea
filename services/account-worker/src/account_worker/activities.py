"""The edge to Temporal: an activity is a list of one request to a step, in one transaction of its own."""

from prometheus_client import CollectorRegistry
from service_runtime.activity_edge import answer, decide, this_attempt
from sqlalchemy import Engine
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from transfer_contract.activities import AccountActivities
from transfer_contract.steps import Compensation, FailureCode, Step, StepRow
from transfer_contract.transfers import AbortRequest, TransferRequest

from account_worker import steps
from account_worker.accounts import GuardViolated, IdempotencyKeyReused, StepProblem
from account_worker.demo_faults import Faults
from account_worker.guards import GuardAlarm
from account_worker.steps import AccountStep, Request, run_step


class AccountStepActivities(AccountActivities):
    """The contract on PostgreSQL. Each decision is committed before its activity answers or raises."""

    def __init__(self, engine: Engine, faults: Faults, registry: CollectorRegistry) -> None:
        self._engine = engine
        self._faults = faults
        self.guards = GuardAlarm(registry)

    @activity.defn(name="withdraw", no_thread_cancel_exception=True)
    def withdraw(self, request: TransferRequest) -> StepRow:
        self._faults.before_step(Step.WITHDRAW, request)
        return answer(self._run(steps.WITHDRAW, request))

    @activity.defn(name="deposit", no_thread_cancel_exception=True)
    def deposit(self, request: TransferRequest) -> StepRow:
        self._faults.before_step(Step.DEPOSIT, request)
        return answer(self._run(steps.DEPOSIT, request))

    @activity.defn(name="release", no_thread_cancel_exception=True)
    def release(self, request: TransferRequest) -> StepRow:
        self._faults.before_step(Step.RELEASE, request)
        return answer(self._run(steps.RELEASE, request))

    @activity.defn(name="deposit_compensation", no_thread_cancel_exception=True)
    def deposit_compensation(self, request: AbortRequest) -> StepRow:
        self._faults.before_compensation(Compensation.DEPOSIT, request.transfer)
        return self._run(steps.DEPOSIT_COMPENSATION, request)

    @activity.defn(name="withdraw_compensation", no_thread_cancel_exception=True)
    def withdraw_compensation(self, request: AbortRequest) -> StepRow:
        self._faults.before_compensation(Compensation.WITHDRAW, request.transfer)
        return self._run(steps.WITHDRAW_COMPENSATION, request)

    def _run(self, step: AccountStep[Request], request: Request) -> StepRow:
        attempt = this_attempt()
        [outcome] = decide(self._engine, lambda connection: run_step(connection, step, [request], attempt))
        if isinstance(outcome, StepProblem):
            raise self._error(outcome) from outcome
        return outcome

    def _error(self, problem: StepProblem) -> ApplicationError:
        match problem:
            case IdempotencyKeyReused():
                return ApplicationError(
                    str(problem),
                    type=FailureCode.IDEMPOTENCY_KEY_REUSED,
                    non_retryable=True,
                    category=ApplicationErrorCategory.BENIGN,
                )
            case GuardViolated():
                self.guards.ring(problem)
        return ApplicationError(str(problem), type="guard_violated")
