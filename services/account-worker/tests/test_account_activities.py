"""The edge to Temporal: what an activity answers and raises, and the demo scenarios."""

import dataclasses
import threading
import time
from collections.abc import Callable

import pytest
import structlog
from account_worker.activities import AccountStepActivities
from account_worker.demo_faults import DemoFaults, Faults, NoFaults
from prometheus_client import CollectorRegistry
from service_runtime.worker_identity import worker_identity
from sqlalchemy import Engine
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory, CancelledError
from temporalio.testing import ActivityEnvironment
from transfer_contract.names import Process, TaskQueue
from transfer_contract.steps import Decision, Occurrence, Step, StepError, StepRow
from transfer_contract.transfers import AbortRequest, Scenario, TransferRequest

OpenAccount = Callable[..., str]
NewTransfer = Callable[..., TransferRequest]
Abort = Callable[..., AbortRequest]
MoneyOf = Callable[[str], tuple[int, int]]

SLOW_SECONDS = 0.3
NOT_WAITED_FOR_SECONDS = 60


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def faults(engine: Engine) -> DemoFaults:
    return DemoFaults(engine, slow_seconds=SLOW_SECONDS)


@pytest.fixture
def activities(engine: Engine, registry: CollectorRegistry) -> AccountStepActivities:
    return AccountStepActivities(engine, NoFaults(), registry)


@pytest.fixture
def faulty(engine: Engine, faults: Faults) -> AccountStepActivities:
    return AccountStepActivities(engine, faults, CollectorRegistry())


@pytest.fixture
def environment() -> ActivityEnvironment:
    return ActivityEnvironment()


def test_an_activity_answers_its_row_and_which_attempt_of_which_worker_decided_it(
    activities: AccountStepActivities,
    environment: ActivityEnvironment,
    open_account: OpenAccount,
    new_transfer: NewTransfer,
) -> None:
    request = new_transfer(open_account(500), open_account())
    error = StepError(code="OperationalError", detail="the server went away")
    environment.info = dataclasses.replace(
        environment.info, attempt=3, heartbeat_details=[error.model_dump()], task_queue=TaskQueue.ACCOUNTS
    )
    row = environment.run(activities.withdraw, request)
    assert row == StepRow(
        transfer_id=request.transfer_id,
        step=Step.WITHDRAW,
        decision=Decision.APPLIED,
        forward=Occurrence(
            attempt=3,
            scheduled_at=environment.info.scheduled_time,
            decided_at=row.finished_at,
            error=error,
            worker=worker_identity(Process.ACCOUNT_WORKER),
        ),
    )
    assert environment.run(activities.withdraw, request) == row  # read from the database, written once
    assert environment.run(activities.deposit, request).decision is Decision.APPLIED
    assert environment.run(activities.release, request).decision is Decision.APPLIED


def test_an_abort_keeps_the_workers_that_it_has_heard_of(
    activities: AccountStepActivities,
    environment: ActivityEnvironment,
    open_account: OpenAccount,
    new_transfer: NewTransfer,
    abort: Abort,
) -> None:
    request = new_transfer(open_account(500), open_account())
    environment.info = dataclasses.replace(environment.info, task_queue=TaskQueue.ACCOUNTS)
    environment.run(activities.withdraw, request)
    asked = abort(request)
    asked = asked.model_copy(update={"failure": asked.failure.model_copy(update={"worker": "ledger-worker@host:1"})})
    for _ in range(2):  # the second time as the database has it
        row = environment.run(activities.withdraw_compensation, asked)
        assert row.compensation is not None
        assert row.compensation.worker == worker_identity(Process.ACCOUNT_WORKER)
        assert row.failure == asked.failure


def test_a_refusal_is_committed_and_then_raised_as_an_error_that_is_never_retried(
    activities: AccountStepActivities,
    environment: ActivityEnvironment,
    open_account: OpenAccount,
    new_transfer: NewTransfer,
) -> None:
    request = new_transfer(open_account(99), open_account())
    for _ in range(2):
        with pytest.raises(ApplicationError) as refused:
            environment.run(activities.withdraw, request)
        error = refused.value
        assert (error.type, error.non_retryable) == ("insufficient_funds", True)
        assert error.category is ApplicationErrorCategory.BENIGN
        assert error.details[0].decision is Decision.REJECTED


def test_a_reused_key_is_raised_without_a_row(
    activities: AccountStepActivities,
    environment: ActivityEnvironment,
    open_account: OpenAccount,
    new_transfer: NewTransfer,
) -> None:
    request = new_transfer(open_account(500), open_account())
    environment.run(activities.withdraw, request)
    with pytest.raises(ApplicationError) as reused:
        environment.run(activities.withdraw, request.model_copy(update={"amount_minor": 1}))
    error = reused.value
    assert (error.type, error.non_retryable, error.details) == ("idempotency_key_reused", True, ())
    assert error.category is ApplicationErrorCategory.BENIGN


def test_compensations_answer_a_refused_row_instead_of_raising_it(
    activities: AccountStepActivities, environment: ActivityEnvironment, new_transfer: NewTransfer, abort: Abort
) -> None:
    request = new_transfer("nobody", "nobody-else")
    with pytest.raises(ApplicationError):
        environment.run(activities.withdraw, request)
    assert environment.run(activities.deposit_compensation, abort(request)).decision is Decision.CANCELLED
    assert environment.run(activities.withdraw_compensation, abort(request)).decision is Decision.REJECTED


def test_a_guard_that_fires_is_an_alarm_and_a_retryable_error(
    activities: AccountStepActivities,
    environment: ActivityEnvironment,
    registry: CollectorRegistry,
    open_account: OpenAccount,
    new_transfer: NewTransfer,
) -> None:
    request = new_transfer(open_account(500), open_account())
    environment.run(activities.withdraw, request)
    with structlog.testing.capture_logs() as logs, pytest.raises(ApplicationError) as alarm:
        environment.run(activities.release, request)
    assert (alarm.value.type, alarm.value.non_retryable) == ("guard_violated", False)
    assert logs == [
        {
            "event": "guard violated",
            "log_level": "critical",
            "transfer_id": request.transfer_id,
            "step": Step.DEPOSIT,
            "found": None,
        }
    ]
    assert registry.get_sample_value("guard_violations_total") == 1


def test_deposit_fails_in_its_scenario_each_time_and_leaves_no_row(
    faulty: AccountStepActivities,
    environment: ActivityEnvironment,
    open_account: OpenAccount,
    new_transfer: NewTransfer,
    abort: Abort,
    money_of: MoneyOf,
) -> None:
    alice, bob = open_account(500), open_account()
    request = new_transfer(alice, bob, scenario=Scenario.DEPOSIT_FAILS)
    environment.run(faulty.withdraw, request)
    for _ in range(3):
        with pytest.raises(ApplicationError) as fault:
            environment.run(faulty.deposit, request)
        assert (fault.value.type, fault.value.non_retryable) == ("demo_fault", False)
    environment.run(faulty.deposit_compensation, abort(request))
    environment.run(faulty.withdraw_compensation, abort(request))
    assert (money_of(alice), money_of(bob)) == ((500, 0), (0, 0))


@pytest.fixture
def sluggish(engine: Engine) -> AccountStepActivities:
    """For steps that don't wait: how busy the machine is doesn't matter then."""
    faults = DemoFaults(engine, slow_seconds=NOT_WAITED_FOR_SECONDS)
    return AccountStepActivities(engine, faults, CollectorRegistry())


def test_a_slow_step_takes_its_time_before_anything_is_decided(
    faulty: AccountStepActivities,
    sluggish: AccountStepActivities,
    environment: ActivityEnvironment,
    open_account: OpenAccount,
    new_transfer: NewTransfer,
    abort: Abort,
) -> None:
    request = new_transfer(open_account(500), open_account(), scenario=Scenario.SLOW)
    for step in (faulty.withdraw, faulty.deposit, faulty.release):
        started = time.monotonic()
        environment.run(step, request)
        assert time.monotonic() - started >= SLOW_SECONDS
    other = new_transfer(request.source_account, request.destination_account, scenario=Scenario.SLOW)
    started = time.monotonic()
    environment.run(sluggish.withdraw_compensation, abort(other))
    assert time.monotonic() - started < NOT_WAITED_FOR_SECONDS


def test_a_slow_step_that_is_cancelled_decides_nothing(
    engine: Engine,
    environment: ActivityEnvironment,
    open_account: OpenAccount,
    new_transfer: NewTransfer,
    abort: Abort,
) -> None:
    faulty = AccountStepActivities(engine, DemoFaults(engine, slow_seconds=30), CollectorRegistry())
    request = new_transfer(open_account(500), open_account(), scenario=Scenario.SLOW)
    threading.Timer(0.2, environment.cancel).start()
    with pytest.raises(CancelledError):
        environment.run(faulty.withdraw, request)
    row = ActivityEnvironment().run(faulty.withdraw_compensation, abort(request))
    assert (row.decision, row.forward) == (Decision.CANCELLED, None)


def test_slow_compensations_take_their_time_and_forward_steps_do_not(
    faulty: AccountStepActivities,
    sluggish: AccountStepActivities,
    environment: ActivityEnvironment,
    open_account: OpenAccount,
    new_transfer: NewTransfer,
    abort: Abort,
) -> None:
    request = new_transfer(open_account(500), open_account(), scenario=Scenario.SLOW_COMPENSATION)
    started = time.monotonic()
    environment.run(sluggish.withdraw, request)
    environment.run(sluggish.deposit, request)
    assert time.monotonic() - started < NOT_WAITED_FOR_SECONDS
    for compensation in (faulty.deposit_compensation, faulty.withdraw_compensation):
        started = time.monotonic()
        environment.run(compensation, abort(request))
        assert time.monotonic() - started >= SLOW_SECONDS


def test_the_withdraw_compensation_fails_until_its_fault_is_lifted(
    faulty: AccountStepActivities,
    faults: DemoFaults,
    environment: ActivityEnvironment,
    open_account: OpenAccount,
    new_transfer: NewTransfer,
    abort: Abort,
) -> None:
    request = new_transfer(open_account(500), open_account(), scenario=Scenario.COMPENSATION_FAILS)
    environment.run(faulty.withdraw, request)
    environment.run(faulty.deposit, request)
    assert environment.run(faulty.deposit_compensation, abort(request)).decision is Decision.COMPENSATED
    for _ in range(2):
        with pytest.raises(ApplicationError) as fault:
            environment.run(faulty.withdraw_compensation, abort(request))
        assert (fault.value.type, fault.value.non_retryable) == ("demo_fault", False)
    faults.lift(request.transfer_id)
    faults.lift(request.transfer_id)
    assert environment.run(faulty.withdraw_compensation, abort(request)).decision is Decision.COMPENSATED


@pytest.mark.parametrize("scenario", list(Scenario))
def test_where_demo_faults_are_off_no_scenario_does_anything(
    scenario: Scenario,
    activities: AccountStepActivities,
    environment: ActivityEnvironment,
    open_account: OpenAccount,
    new_transfer: NewTransfer,
    abort: Abort,
) -> None:
    request = new_transfer(open_account(500), open_account(), scenario=scenario)
    started = time.monotonic()
    environment.run(activities.withdraw, request)
    environment.run(activities.deposit, request)
    environment.run(activities.deposit_compensation, abort(request))
    assert environment.run(activities.withdraw_compensation, abort(request)).decision is Decision.COMPENSATED
    assert time.monotonic() - started < 5
