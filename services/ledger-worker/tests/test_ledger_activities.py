"""The two activities: Temporal's view of an answer and of a refusal, and the demo scenarios."""

import dataclasses
import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from ledger_worker.activities import LedgerStepActivities
from ledger_worker.batch_activities import LedgerBatchStepActivities
from ledger_worker.demo_faults import DemoFaults, NoFaults
from ledger_worker.settings import LedgerWorkerSettings
from ledger_worker.worker import build_worker
from prometheus_client import CollectorRegistry
from service_runtime.database import create_database_engine
from service_runtime.internal_client import InternalClient
from service_runtime.worker_identity import worker_identity
from sqlalchemy import Engine
from temporalio import workflow
from temporalio.client import Client
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory, CancelledError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from transfer_contract.activities import LedgerActivities
from transfer_contract.names import Process, TaskQueue
from transfer_contract.steps import Decision, Failure, FailureCode, Step, StepError, StepRow
from transfer_contract.transfers import AbortRequest, Scenario, TransferRequest

NewTransfer = Callable[..., TransferRequest]

SLOW_SECONDS = 0.3


@pytest.fixture
def activities(ledger_engine: Engine) -> LedgerStepActivities:
    return LedgerStepActivities(ledger_engine, DemoFaults(slow_seconds=SLOW_SECONDS))


def environment(attempt: int = 1, last_error: StepError | None = None) -> ActivityEnvironment:
    env = ActivityEnvironment()
    details = [last_error.model_dump()] if last_error else []
    env.info = dataclasses.replace(env.info, attempt=attempt, heartbeat_details=details, task_queue=TaskQueue.LEDGER)
    return env


def abort(transfer: TransferRequest) -> AbortRequest:
    return AbortRequest(transfer=transfer, failure=Failure(code=FailureCode.CANCELLED, detail="cancelled"))


def refusal(activities: LedgerStepActivities, transfer: TransferRequest) -> ApplicationError:
    with pytest.raises(ApplicationError) as raised:
        environment().run(activities.record, transfer)
    return raised.value


def test_record_answers_its_row_with_the_attempt_that_decided(
    activities: LedgerStepActivities, new_transfer: NewTransfer
) -> None:
    transfer = new_transfer()
    earlier = StepError(code="database_unavailable", detail="gone")

    row = environment(2, earlier).run(activities.record, transfer)

    assert (row.transfer_id, row.step, row.decision) == (transfer.transfer_id, Step.RECORD, Decision.APPLIED)
    assert row.forward is not None
    assert (row.forward.attempt, row.forward.error) == (2, earlier)
    assert row.forward.worker == worker_identity(Process.LEDGER_WORKER)
    assert environment(3).run(activities.record, transfer) == row


def test_a_refusal_is_an_error_that_temporal_neither_retries_nor_counts_and_that_carries_the_row(
    activities: LedgerStepActivities, new_transfer: NewTransfer
) -> None:
    transfer = new_transfer(scenario=Scenario.LEDGER_REJECTS)

    error = refusal(activities, transfer)

    assert error.type == FailureCode.LEDGER_REJECTED
    assert error.non_retryable
    assert error.category is ApplicationErrorCategory.BENIGN
    [row] = error.details
    assert isinstance(row, StepRow)
    assert row.decision is Decision.REJECTED
    assert refusal(activities, transfer).details == (row,)


@pytest.mark.parametrize("scenario", [Scenario.LEDGER_REJECTS, Scenario.SLOW_COMPENSATION, Scenario.COMPENSATION_FAILS])
def test_record_compensation_answers_a_refused_row_without_an_error(
    scenario: Scenario, activities: LedgerStepActivities, new_transfer: NewTransfer
) -> None:
    transfer = new_transfer(scenario=scenario)
    [row] = refusal(activities, transfer).details

    assert environment().run(activities.record_compensation, abort(transfer)) == row


def test_record_after_the_tombstone_answers_cancelled_without_an_error(
    activities: LedgerStepActivities, new_transfer: NewTransfer
) -> None:
    transfer = new_transfer()
    tombstone = environment().run(activities.record_compensation, abort(transfer))

    assert tombstone.decision is Decision.CANCELLED
    assert environment().run(activities.record, transfer) == tombstone


def test_record_compensation_of_an_applied_record_answers_applied(
    activities: LedgerStepActivities, new_transfer: NewTransfer
) -> None:
    transfer = new_transfer()
    row = environment().run(activities.record, transfer)
    assert environment().run(activities.record_compensation, abort(transfer)) == row


def test_ledger_fails_twice_applies_on_the_third_attempt(
    activities: LedgerStepActivities, new_transfer: NewTransfer
) -> None:
    transfer = new_transfer(scenario=Scenario.LEDGER_FAILS_TWICE)
    for attempt in (1, 2):
        with pytest.raises(ApplicationError) as raised:
            environment(attempt).run(activities.record, transfer)
        assert (raised.value.type, raised.value.non_retryable) == ("demo_fault", False)

    assert environment(3).run(activities.record, transfer).decision is Decision.APPLIED


def test_a_slow_record_takes_its_time_before_it_decides(
    activities: LedgerStepActivities, new_transfer: NewTransfer
) -> None:
    began = time.monotonic()
    row = environment().run(activities.record, new_transfer(scenario=Scenario.SLOW))
    assert time.monotonic() - began >= SLOW_SECONDS
    assert row.decision is Decision.APPLIED


def test_a_slow_record_that_is_cancelled_stops_and_has_decided_nothing(
    ledger_engine: Engine, new_transfer: NewTransfer
) -> None:
    slow = LedgerStepActivities(ledger_engine, DemoFaults(slow_seconds=30))
    transfer = new_transfer(scenario=Scenario.SLOW)
    env = environment()
    cancelling = threading.Timer(0.1, env.cancel)
    cancelling.start()

    with pytest.raises(CancelledError):
        env.run(slow.record, transfer)

    cancelling.join()
    tombstone = environment().run(slow.record_compensation, abort(transfer))
    assert tombstone.decision is Decision.CANCELLED


def test_a_slow_compensation_takes_its_time(activities: LedgerStepActivities, new_transfer: NewTransfer) -> None:
    began = time.monotonic()
    row = environment().run(activities.record_compensation, abort(new_transfer(scenario=Scenario.SLOW_COMPENSATION)))
    assert time.monotonic() - began >= SLOW_SECONDS
    assert row.decision is Decision.CANCELLED


@pytest.mark.parametrize("scenario", list(Scenario))
def test_without_demo_faults_every_scenario_is_an_ordinary_transfer(
    scenario: Scenario, ledger_engine: Engine, new_transfer: NewTransfer
) -> None:
    ordinary = LedgerStepActivities(ledger_engine, NoFaults())
    assert environment().run(ordinary.record, new_transfer(scenario=scenario)).decision is Decision.APPLIED
    undone = environment().run(ordinary.record_compensation, abort(new_transfer(scenario=scenario)))
    assert undone.decision is Decision.CANCELLED


def test_a_database_that_is_away_is_a_retryable_error_without_its_statement(new_transfer: NewTransfer) -> None:
    engine = create_database_engine("postgresql+psycopg://nobody:secret@127.0.0.1:1/nothing", pool_size=1)
    away = LedgerStepActivities(engine, NoFaults())
    transfer = new_transfer()

    with pytest.raises(ApplicationError) as record_raised:
        environment().run(away.record, transfer)
    with pytest.raises(ApplicationError) as compensation_raised:
        environment().run(away.record_compensation, abort(transfer))

    for error in (record_raised.value, compensation_raised.value):
        assert str(error) == "database_unavailable: the database doesn't answer"
        assert not error.non_retryable


@workflow.defn
class BothSteps:
    @workflow.run
    async def run(self, request: TransferRequest) -> list[StepRow]:
        """Record, then its compensation, on the queue and by the names that the contract gives them."""
        recorded = await workflow.execute_activity_method(
            LedgerActivities.record,
            request,
            task_queue=TaskQueue.LEDGER,
            start_to_close_timeout=timedelta(seconds=10),
            heartbeat_timeout=timedelta(seconds=5),
        )
        answered = await workflow.execute_activity_method(
            LedgerActivities.record_compensation,
            abort(request),
            task_queue=TaskQueue.LEDGER,
            start_to_close_timeout=timedelta(seconds=10),
        )
        return [recorded, answered]


async def test_the_worker_serves_both_steps_on_the_ledgers_queue(
    temporal_client: Client, ledger_engine: Engine, activities: LedgerStepActivities, new_transfer: NewTransfer
) -> None:
    settings = LedgerWorkerSettings(database_url="unused", account_api_url="http://unused")
    registry = CollectorRegistry()
    account_api = InternalClient(Process.ACCOUNT_API, settings.account_api_url, timeout_seconds=1)
    worker = build_worker(
        temporal_client,
        "me",
        activities=activities,
        batch_activities=LedgerBatchStepActivities(ledger_engine, DemoFaults(slow_seconds=0), account_api),
        settings=settings,
        registry=registry,
    )
    workflows = Worker(
        temporal_client, task_queue="both", workflows=[BothSteps], workflow_runner=UnsandboxedWorkflowRunner()
    )
    transfer = new_transfer()
    async with worker, workflows:
        rows = await temporal_client.execute_workflow(BothSteps.run, transfer, id="both", task_queue="both")

    assert settings.process is Process.LEDGER_WORKER
    assert [row.decision for row in rows] == [Decision.APPLIED, Decision.APPLIED]
    applied = {"activity": "record", "outcome": "applied"}
    assert registry.get_sample_value("activity_attempts_total", applied) == 1
