"""A batch in the ledger: the steps of one transfer for many at once, each with its own row, read at account-api."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from ledger_worker import batch_activities
from ledger_worker.batch_activities import LedgerBatchStepActivities
from ledger_worker.demo_faults import DemoFaults
from ledger_worker.queries import find_transfers
from service_runtime.internal_client import InternalClient
from service_runtime.problems import unavailable
from sqlalchemy import Engine
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from transfer_contract.batches import (
    BatchItems,
    BatchRequests,
    BatchUndo,
    Decisions,
    Undo,
    positions_in,
    transfer_id_in,
)
from transfer_contract.names import Process, TaskQueue
from transfer_contract.steps import Decision, Failure, FailureCode
from transfer_contract.transfers import Scenario, TransferRequest

NewTransfer = Callable[..., TransferRequest]
Told = dict[Decision, tuple[tuple[int, int], ...]]

FAILURE = Failure(code=FailureCode.CANCELLED, detail="on request")


class FakeAccountApi(InternalClient):
    """Knows one batch, and is away for as many calls as a test says."""

    def __init__(self) -> None:
        super().__init__(Process.ACCOUNT_API, "http://nobody", timeout_seconds=1)
        self.transfers: dict[int, TransferRequest] = {}
        self.away = 0

    async def post(self, path: str, answer: type[Any], *, body: Any = None, extra_seconds: float = 0) -> Any:
        assert (path, answer) == ("/transfer-batches/requests", BatchRequests)
        if self.away:
            self.away -= 1
            raise unavailable("account-api")
        return BatchRequests(tuple(self.transfers[position] for position in positions_in(body.positions)))


@pytest.fixture
def account_api() -> FakeAccountApi:
    return FakeAccountApi()


@pytest.fixture
def many(ledger_engine: Engine, account_api: FakeAccountApi) -> LedgerBatchStepActivities:
    return LedgerBatchStepActivities(ledger_engine, DemoFaults(slow_seconds=0), account_api)


@pytest.fixture
def environment() -> ActivityEnvironment:
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, task_queue=TaskQueue.LEDGER)
    return environment


@pytest.fixture
def ordered(account_api: FakeAccountApi, new_transfer: NewTransfer) -> Callable[..., str]:
    """`ordered(changes, …)`: the id of a batch with a transfer for each."""

    def order(*changes: dict[str, Any]) -> str:
        batch_id = str(uuid4())
        account_api.transfers = {
            position: new_transfer(transfer_id=transfer_id_in(batch_id, position), **each)
            for position, each in enumerate(changes, start=1)
        }
        return batch_id

    return order


def all_of(batch_id: str, last: int, **changes: Any) -> BatchItems:
    return BatchItems(batch_id=batch_id, positions=((1, last),), **changes)


def undo_all(batch_id: str, last: int) -> BatchUndo:
    return BatchUndo(batch_id=batch_id, undo=(Undo(failure=FAILURE, positions=((1, last),)),))


def told(answer: Decisions) -> Told:
    return {each.decision: each.positions for each in answer.decided}


async def test_a_refused_transfer_of_a_list_is_a_row_like_the_others(
    many: LedgerBatchStepActivities,
    environment: ActivityEnvironment,
    ordered: Callable[..., str],
    ledger_engine: Engine,
) -> None:
    batch_id = ordered({}, {"scenario": Scenario.LEDGER_REJECTS}, {})
    answer = await environment.run(many.record_many, all_of(batch_id, 3))
    assert told(answer) == {Decision.APPLIED: ((1, 1), (3, 3)), Decision.REJECTED: ((2, 2),)}
    [refused] = [each for each in answer.decided if each.failure]
    assert refused.failure is not None
    assert refused.failure.code is FailureCode.LEDGER_REJECTED
    with ledger_engine.connect() as connection:
        [stored] = find_transfers(connection, [transfer_id_in(batch_id, 1)])
    assert stored.transfer.transfer_id == transfer_id_in(batch_id, 1)


async def test_the_door_of_a_list_tells_each_transfer_which_side_it_is_on(
    many: LedgerBatchStepActivities, environment: ActivityEnvironment, ordered: Callable[..., str]
) -> None:
    batch_id = ordered({}, {"scenario": Scenario.LEDGER_REJECTS}, {})
    await environment.run(many.record_many, all_of(batch_id, 2))
    for _ in range(2):
        door = await environment.run(many.record_compensation_many, undo_all(batch_id, 3))
        assert told(door) == {
            Decision.APPLIED: ((1, 1),), Decision.REJECTED: ((2, 2),), Decision.CANCELLED: ((3, 3),)
        }  # fmt: skip
    assert told(await environment.run(many.record_many, all_of(batch_id, 3))) == told(door)


async def test_a_demo_fault_and_what_the_database_refuses_fail_alone(
    many: LedgerBatchStepActivities,
    environment: ActivityEnvironment,
    ordered: Callable[..., str],
    ledger_engine: Engine,
) -> None:
    batch_id = ordered({}, {"scenario": Scenario.LEDGER_FAILS_TWICE}, {}, {}, {})
    with refusing(ledger_engine, transfer_id_in(batch_id, 4)):
        answer = await environment.run(many.record_many, all_of(batch_id, 5))
        with pytest.raises(ApplicationError):
            await environment.run(many.record_many, all_of(batch_id, 5, must_succeed=True))
    assert told(answer) == {Decision.APPLIED: ((1, 1), (3, 3), (5, 5))}
    assert {(each.error.code, each.positions) for each in answer.failing} == {
        ("demo_fault", ((2, 2),)),
        ("database_error", ((4, 4),)),
    }
    third = all_of(batch_id, 5, attempts_before=2)
    assert told(await environment.run(many.record_many, third)) == {Decision.APPLIED: ((1, 5),)}


async def test_a_restart_of_account_api_is_waited_for(
    many: LedgerBatchStepActivities,
    environment: ActivityEnvironment,
    ordered: Callable[..., str],
    account_api: FakeAccountApi,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batch_id = ordered({}, {})
    account_api.away = 2
    assert told(await environment.run(many.record_many, all_of(batch_id, 2))) == {Decision.APPLIED: ((1, 2),)}
    monkeypatch.setattr(batch_activities, "AWAY_SECONDS", 0.0)
    account_api.away = 100
    with pytest.raises(ApplicationError, match="account-api"):
        await environment.run(many.record_many, all_of(batch_id, 2))


@contextmanager
def refusing(engine: Engine, transfer_id: str) -> Iterator[None]:
    """A database that refuses to write this transfer's row."""
    make = f"""
        CREATE FUNCTION refuse_it() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.transfer_id = '{transfer_id}' THEN
                RAISE EXCEPTION 'refused by the test' USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        END $$
    """
    trigger = "CREATE TRIGGER refuse_it BEFORE INSERT ON decisions FOR EACH ROW EXECUTE FUNCTION refuse_it()"
    with engine.begin() as connection:
        connection.exec_driver_sql(make)
        connection.exec_driver_sql(trigger)
    try:
        yield
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP FUNCTION refuse_it() CASCADE")
