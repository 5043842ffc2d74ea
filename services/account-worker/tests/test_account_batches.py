"""A batch in the accounts database: its order is stored whole, its steps are a transfer's own, for many at once."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest
from account_worker.activities import AccountStepActivities
from account_worker.batch_activities import AccountBatchStepActivities
from account_worker.batches import find_progress, store_batch
from account_worker.demo_faults import DemoFaults
from prometheus_client import CollectorRegistry
from service_runtime.database import in_transaction
from sqlalchemy import Engine, text
from structlog.testing import capture_logs
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from transfer_contract.batches import (
    BatchItem,
    BatchItems,
    BatchOrder,
    BatchRequests,
    BatchStored,
    BatchUndo,
    Decisions,
    Undo,
    transfer_id_in,
)
from transfer_contract.names import TaskQueue
from transfer_contract.steps import Decision, Failure, FailureCode, Step
from transfer_contract.transfers import AbortRequest, Scenario, TransferRequest, TransferStatus

OpenAccount = Callable[..., str]
MoneyOf = Callable[[str], tuple[int, int]]
Order = Callable[..., BatchOrder]

FAILURE = Failure(code=FailureCode.STEP_TIMED_OUT, detail="record did not answer in time", step=Step.RECORD, attempts=3)


@pytest.fixture
def environment() -> ActivityEnvironment:
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, task_queue=TaskQueue.ACCOUNTS)
    return environment


@pytest.fixture
def single(engine: Engine) -> AccountStepActivities:
    return AccountStepActivities(engine, DemoFaults(engine, slow_seconds=0), CollectorRegistry())


@pytest.fixture
def many(engine: Engine, single: AccountStepActivities) -> AccountBatchStepActivities:
    return AccountBatchStepActivities(engine, DemoFaults(engine, slow_seconds=0), single.guards)


@pytest.fixture
def store(engine: Engine) -> Callable[[BatchOrder], BatchStored | None]:
    return lambda order: in_transaction(engine, lambda connection: store_batch(connection, order))


@pytest.fixture
def stored(store: Callable[[BatchOrder], BatchStored | None]) -> Callable[..., str]:
    """`stored(items)`: the id of a batch that has been ordered."""

    def order(*items: BatchItem) -> str:
        order = ordered(*items)
        assert store(order) is not None
        return order.batch_id

    return order


def ordered(*items: BatchItem) -> BatchOrder:
    return BatchOrder(batch_id=str(uuid4()), transfers=[*items])


def pays(source: str, destination: str, amount_minor: int = 100, **changes: Any) -> BatchItem:
    return BatchItem(
        source_account=source, destination_account=destination, amount_minor=amount_minor, currency="EUR", **changes
    )


def all_of(batch_id: str, last: int, **changes: Any) -> BatchItems:
    return BatchItems(batch_id=batch_id, positions=((1, last),), **changes)


def told(answer: Decisions) -> dict[Decision, tuple[tuple[int, int], ...]]:
    return {each.decision: each.positions for each in answer.decided}


def rows_of(engine: Engine, transfer_id: str) -> dict[str, str]:
    with engine.connect() as connection:
        query = text("SELECT step, decision FROM decisions WHERE transfer_id = :id")
        return {row.step: row.decision for row in connection.execute(query, {"id": transfer_id})}


# the order


def test_an_order_is_stored_whole_and_its_transfers_are_there_before_any_step(
    engine: Engine, api: httpx.Client, open_account: OpenAccount
) -> None:
    alice, bob = open_account(500), open_account()
    order = ordered(pays(alice, bob), pays(alice, bob, 200, reference="rent"))
    answer = BatchStored.model_validate_json(api.post("/transfer-batches", json=order.model_dump(mode="json")).content)
    assert (answer.replayed, answer.batch.total, answer.finished_at) == (False, 2, None)
    [total] = answer.totals
    assert (total.status, total.transfers, total.amount_minor) == (TransferStatus.ACCEPTED, 2, 300)
    item = api.get(f"/transfers/{transfer_id_in(order.batch_id, 2)}").json()
    assert (item["transfer"]["reference"], item["rows"]) == ("rent", [])
    finish(engine, order)


def test_the_same_order_again_is_answered_as_it_stands_and_another_one_is_refused(
    engine: Engine, store: Callable[[BatchOrder], BatchStored | None], open_account: OpenAccount
) -> None:
    order = ordered(pays(open_account(500), open_account()))
    first, again = store(order), store(order)
    assert first is not None
    assert again is not None
    assert (again.batch, again.replayed) == (first.batch, True)
    other = order.model_copy(update={"transfers": [order.transfers[0].model_copy(update={"amount_minor": 101})]})
    assert store(other) is None
    finish(engine, order)


def test_the_transfers_of_an_unknown_batch_are_none(api: httpx.Client) -> None:
    assert api.get(f"/transfer-batches/{uuid4()}").status_code == 404
    assert api.get(f"/transfer-batches/{uuid4()}/transfers").json()["items"] == []


def test_a_chunk_is_read_in_the_order_of_its_positions(
    engine: Engine, api: httpx.Client, stored: Callable[..., str], open_account: OpenAccount
) -> None:
    alice, bob = open_account(500), open_account()
    items = [pays(alice, bob, 1 + number, scenario=Scenario.SLOW if number else None) for number in range(5)]
    batch_id = stored(*items)
    asked = BatchItems(batch_id=batch_id, positions=((5, 5), (2, 3)))
    answer = api.post("/transfer-batches/requests", json=asked.model_dump(mode="json"))
    read = BatchRequests.model_validate_json(answer.content).root
    assert [(each.transfer_id, each.amount_minor) for each in read] == [
        (transfer_id_in(batch_id, position), position) for position in (2, 3, 5)
    ]
    assert {each.scenario for each in read} == {Scenario.SLOW}
    finish(engine, BatchOrder(batch_id=batch_id, transfers=items))


# the steps


def test_an_account_pays_the_first_ones_of_a_batch(
    many: AccountBatchStepActivities,
    environment: ActivityEnvironment,
    stored: Callable[..., str],
    open_account: OpenAccount,
    money_of: MoneyOf,
) -> None:
    alice, bob = open_account(250), open_account()
    batch_id = stored(pays(alice, bob), pays(alice, bob), pays(alice, bob), pays(alice, bob, 50))
    answer = environment.run(many.withdraw_many, all_of(batch_id, 4))
    assert told(answer) == {Decision.APPLIED: ((1, 2), (4, 4)), Decision.REJECTED: ((3, 3),)}
    [refused] = [each for each in answer.decided if each.decision is Decision.REJECTED]
    assert refused.failure is not None
    assert refused.failure.code is FailureCode.INSUFFICIENT_FUNDS
    assert money_of(alice) == (0, 0)
    end(many, environment, batch_id, (1, 2, 4))
    assert money_of(bob) == (250, 0)


def test_a_repeated_step_of_a_batch_answers_its_rows_and_moves_nothing(
    many: AccountBatchStepActivities,
    environment: ActivityEnvironment,
    stored: Callable[..., str],
    open_account: OpenAccount,
    money_of: MoneyOf,
) -> None:
    alice, bob = open_account(500), open_account()
    batch_id = stored(pays(alice, bob), pays(alice, "nobody"), pays(alice, bob))
    everybody = all_of(batch_id, 3)
    for step in (many.withdraw_many, many.deposit_many):
        assert environment.run(step, everybody) == environment.run(step, everybody)
    assert money_of(alice) == (200, 0)
    assert money_of(bob) == (0, 200)
    undo = BatchUndo(batch_id=batch_id, undo=(Undo(failure=FAILURE, positions=((1, 3),)),))
    for compensation in (many.deposit_compensation_many, many.withdraw_compensation_many):
        assert environment.run(compensation, undo) == environment.run(compensation, undo)
    assert (money_of(alice), money_of(bob)) == ((500, 0), (0, 0))


def test_late_steps_of_a_batch_run_into_the_tombstones_of_its_abort(
    many: AccountBatchStepActivities,
    environment: ActivityEnvironment,
    stored: Callable[..., str],
    open_account: OpenAccount,
    money_of: MoneyOf,
) -> None:
    alice, bob = open_account(500), open_account()
    batch_id = stored(pays(alice, bob), pays(alice, bob))
    undo = BatchUndo(batch_id=batch_id, undo=(Undo(failure=FAILURE, positions=((1, 2),)),))
    environment.run(many.deposit_compensation_many, undo)
    environment.run(many.withdraw_compensation_many, undo)
    for late in (many.withdraw_many, many.deposit_many):
        assert told(environment.run(late, all_of(batch_id, 2))) == {Decision.CANCELLED: ((1, 2),)}
    assert (money_of(alice), money_of(bob)) == ((500, 0), (0, 0))


def test_a_transfer_of_a_batch_and_a_request_of_its_own_meet_in_one_row(
    many: AccountBatchStepActivities,
    single: AccountStepActivities,
    environment: ActivityEnvironment,
    stored: Callable[..., str],
    open_account: OpenAccount,
    api: httpx.Client,
) -> None:
    """A cancel of one transfer has a run of its own, beside the batch's."""
    alice, bob = open_account(500), open_account()
    batch_id = stored(pays(alice, bob), pays(alice, bob))
    environment.run(many.withdraw_many, all_of(batch_id, 2))
    alone = TransferRequest.model_validate(api.get(f"/transfers/{transfer_id_in(batch_id, 2)}").json()["transfer"])
    assert environment.run(single.withdraw, alone).decision is Decision.APPLIED
    abort = AbortRequest(transfer=alone, failure=Failure(code=FailureCode.CANCELLED, detail="on request"))
    environment.run(single.deposit_compensation, abort)
    environment.run(single.withdraw_compensation, abort)
    deposits = environment.run(many.deposit_many, all_of(batch_id, 2))
    assert told(deposits) == {Decision.APPLIED: ((1, 1),), Decision.CANCELLED: ((2, 2),)}
    environment.run(many.release_many, all_of(batch_id, 1))


def test_what_the_database_refuses_fails_alone(
    engine: Engine,
    many: AccountBatchStepActivities,
    environment: ActivityEnvironment,
    stored: Callable[..., str],
    open_account: OpenAccount,
) -> None:
    alice, bob = open_account(500), open_account()
    batch_id = stored(*[pays(alice, bob)] * 5)
    with refusing(engine, transfer_id_in(batch_id, 3)):
        with capture_logs() as logs:
            answer = environment.run(many.withdraw_many, all_of(batch_id, 5))
        assert [(each["of"], each["error"].split(":")[0]) for each in logs] == [
            (transfers, "IntegrityError") for transfers in (5, 3, 1)
        ]
        with pytest.raises(ApplicationError):
            environment.run(many.withdraw_many, all_of(batch_id, 5, must_succeed=True))
    assert told(answer) == {Decision.APPLIED: ((1, 2), (4, 5))}
    assert [each.positions for each in answer.failing] == [((3, 3),)]
    environment.run(many.withdraw_many, all_of(batch_id, 5))
    end(many, environment, batch_id, (1, 2, 3, 4, 5))


def test_a_demo_fault_of_one_transfer_is_no_other_ones(
    many: AccountBatchStepActivities,
    environment: ActivityEnvironment,
    stored: Callable[..., str],
    open_account: OpenAccount,
) -> None:
    alice, bob = open_account(500), open_account()
    batch_id = stored(pays(alice, bob), pays(alice, bob, scenario=Scenario.DEPOSIT_FAILS))
    environment.run(many.withdraw_many, all_of(batch_id, 2))
    answer = environment.run(many.deposit_many, all_of(batch_id, 2, attempts_before=1))
    assert told(answer) == {Decision.APPLIED: ((1, 1),)}
    assert [(each.error.code, each.positions) for each in answer.failing] == [("demo_fault", ((2, 2),))]
    environment.run(many.release_many, all_of(batch_id, 1))
    undo = BatchUndo(batch_id=batch_id, undo=(Undo(failure=FAILURE, positions=((2, 2),)),))
    environment.run(many.deposit_compensation_many, undo)
    environment.run(many.withdraw_compensation_many, undo)


def test_progress_is_what_the_rows_say(
    engine: Engine,
    many: AccountBatchStepActivities,
    environment: ActivityEnvironment,
    stored: Callable[..., str],
    open_account: OpenAccount,
    api: httpx.Client,
) -> None:
    alice, bob = open_account(500), open_account()
    batch_id = stored(pays(alice, bob), pays(alice, "nobody"), pays("nobody", bob))
    environment.run(many.withdraw_many, all_of(batch_id, 3))
    assert counts(engine, batch_id) == {"running": 2, "rejected": 1}
    environment.run(many.deposit_many, all_of(batch_id, 2))
    assert counts(engine, batch_id) == {"running": 1, "compensating": 1, "rejected": 1}
    environment.run(many.release_many, all_of(batch_id, 1))
    undo = BatchUndo(batch_id=batch_id, undo=(Undo(failure=FAILURE, positions=((2, 2),)),))
    environment.run(many.withdraw_compensation_many, undo)
    assert counts(engine, batch_id) == {"completed": 1, "compensated": 1, "rejected": 1}
    page = api.get(f"/transfer-batches/{batch_id}/transfers", params={"limit": 2}).json()
    assert [item["final_status"] for item in page["items"]] == ["completed", "compensated"]
    rest = api.get(f"/transfer-batches/{batch_id}/transfers", params={"after": page["next_cursor"]}).json()
    assert ([item["final_status"] for item in rest["items"]], rest["next_cursor"]) == (["rejected"], None)
    only = api.get(f"/transfer-batches/{batch_id}/transfers", params={"status": "compensated"}).json()
    assert [item["transfer"]["transfer_id"] for item in only["items"]] == [transfer_id_in(batch_id, 2)]


def test_a_batch_is_listed_as_unfinished_until_all_of_its_transfers_are_final(
    many: AccountBatchStepActivities,
    environment: ActivityEnvironment,
    stored: Callable[..., str],
    open_account: OpenAccount,
    api: httpx.Client,
) -> None:
    """Among those that were ordered before a moment; its transfers are in no list of single ones."""
    alice, bob = open_account(500), open_account()
    batch_id = stored(pays(alice, bob), pays("nobody", bob), pays(alice, bob))

    def listed(**query: str) -> list[str]:
        later = {"before": "2100-01-01T00:00:00+00:00"}
        answer = api.get("/transfer-batches/unfinished", params=later | query)
        return [each["batch_id"] for each in answer.json()["items"]]

    assert batch_id in listed()
    assert batch_id not in listed(before="2020-01-01T00:00:00+00:00")
    assert batch_id not in listed(after=batch_id)
    environment.run(many.withdraw_many, all_of(batch_id, 3))
    assert environment.run(many.find_unfinished, batch_id) == ((1, 1), (3, 3))
    single = api.get("/transfers", params={"final": "false", "of_batches": "false", "limit": 1000}).json()["items"]
    assert not any(item["transfer"]["transfer_id"].startswith(batch_id) for item in single)
    of_batches = api.get("/transfers", params={"account": alice, "of_batches": "true"}).json()["items"]
    assert len(of_batches) == 2
    end(many, environment, batch_id, (1, 3))
    assert batch_id not in listed()
    assert environment.run(many.find_unfinished, batch_id) == ()


def counts(engine: Engine, batch_id: str) -> dict[str, int]:
    with engine.connect() as connection:
        progress = find_progress(connection, batch_id)
    assert progress is not None
    is_finished = all(total.status.is_final for total in progress.totals)
    assert (progress.finished_at is not None) == is_finished
    return {total.status.value: total.transfers for total in progress.totals}


def end(
    many: AccountBatchStepActivities, environment: ActivityEnvironment, batch_id: str, positions: tuple[int, ...]
) -> None:
    """Those that were paid arrive."""
    items = BatchItems(batch_id=batch_id, positions=tuple((each, each) for each in positions))
    environment.run(many.deposit_many, items)
    environment.run(many.release_many, items)


def finish(engine: Engine, order: BatchOrder) -> None:
    """Undoes a batch that a test has only ordered."""
    activities = AccountStepActivities(engine, DemoFaults(engine), CollectorRegistry())
    many = AccountBatchStepActivities(engine, DemoFaults(engine), activities.guards)
    undo = BatchUndo(batch_id=order.batch_id, undo=(Undo(failure=FAILURE, positions=((1, len(order.transfers)),)),))
    environment = ActivityEnvironment()
    environment.run(many.withdraw_compensation_many, undo)


@contextmanager
def refusing(engine: Engine, transfer_id: str) -> Iterator[None]:
    """A database that refuses to write this transfer's rows."""
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
