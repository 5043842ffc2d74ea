"""A step on a list: each request has its own outcome, and the number of statements doesn't grow with the list."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ledger_worker import steps
from ledger_worker.demo_faults import DemoFaults, NoFaults
from ledger_worker.models import entries
from ledger_worker.queries import find_transfers
from service_runtime.activity_edge import Attempt
from service_runtime.database import in_transaction
from sqlalchemy import Engine, event, select
from transfer_contract.steps import Decision, Failure, FailureCode, StepRow
from transfer_contract.transfers import AbortRequest, Scenario, TransferRequest

NewTransfer = Callable[..., TransferRequest]


def record(engine: Engine, transfers: list[TransferRequest], attempt: Attempt) -> list[StepRow]:
    refuse = DemoFaults().refuse
    return in_transaction(engine, lambda connection: steps.record(connection, transfers, attempt, refuse))


def record_compensation(engine: Engine, transfers: list[TransferRequest], attempt: Attempt) -> list[StepRow]:
    failure = Failure(code=FailureCode.CANCELLED, detail="cancelled")
    requests = [AbortRequest(transfer=transfer, failure=failure) for transfer in transfers]
    return in_transaction(engine, lambda connection: steps.record_compensation(connection, requests, attempt))


def decisions_of(rows: list[StepRow]) -> list[Decision]:
    return [row.decision for row in rows]


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    seen: list[str] = []

    def see(_connection: Any, _cursor: Any, statement: str, *_others: Any) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", see)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", see)


def test_each_request_of_a_list_has_its_own_outcome(
    ledger_engine: Engine, new_transfer: NewTransfer, attempt: Attempt
) -> None:
    record(ledger_engine, [new_transfer("alice", "bob")], attempt)
    shut, done = new_transfer(), new_transfer()
    record_compensation(ledger_engine, [shut], attempt)
    record(ledger_engine, [done], attempt)
    transfers = [
        new_transfer("alice", "bob"),
        new_transfer(scenario=Scenario.LEDGER_REJECTS),
        new_transfer("alice", "bob", currency="USD"),
        shut,
        done,
        new_transfer("bob", "alice"),
        new_transfer("alice", "alice"),
    ]

    rows = record(ledger_engine, transfers, attempt)

    assert [row.transfer_id for row in rows] == [transfer.transfer_id for transfer in transfers]
    assert decisions_of(rows) == [
        Decision.APPLIED,
        Decision.REJECTED,
        Decision.REJECTED,
        Decision.CANCELLED,
        Decision.APPLIED,
        Decision.APPLIED,
        Decision.REJECTED,
    ]


def test_what_a_step_answers_is_what_it_stored(
    ledger_engine: Engine, new_transfer: NewTransfer, attempt: Attempt
) -> None:
    transfers = [new_transfer(), new_transfer(scenario=Scenario.LEDGER_REJECTS)]
    shut = new_transfer()
    rows = record(ledger_engine, transfers, attempt) + record_compensation(ledger_engine, [shut], attempt)

    with ledger_engine.connect() as connection:
        stored = {s.transfer.transfer_id: s for s in find_transfers(connection, [row.transfer_id for row in rows])}

    assert [stored[row.transfer_id].rows for row in rows] == [[row] for row in rows]
    assert [stored[transfer.transfer_id].transfer for transfer in (*transfers, shut)] == [*transfers, shut]
    assert record(ledger_engine, [*transfers, shut], attempt) == rows
    assert record_compensation(ledger_engine, [*transfers, shut], attempt) == rows


def test_a_step_uses_the_request_that_was_stored_first(
    ledger_engine: Engine, new_transfer: NewTransfer, attempt: Attempt
) -> None:
    first = new_transfer("alice", "bob", 100)
    other = first.model_copy(update={"amount_minor": 999, "destination_account": "mallory"})

    rows = record(ledger_engine, [first, other], attempt)

    assert decisions_of(rows) == [Decision.APPLIED, Decision.APPLIED]
    with ledger_engine.connect() as connection:
        query = select(entries).where(entries.c.transfer_id == first.transfer_id).order_by(entries.c.id)
        entered = [(entry.account_id, entry.amount_minor) for entry in connection.execute(query)]
    assert entered == [("alice", -100), ("bob", 100)]


def test_running_balances_follow_the_list(ledger_engine: Engine, new_transfer: NewTransfer, attempt: Attempt) -> None:
    transfers = [new_transfer("rich", "poor", amount) for amount in (5, 7, 11)] + [new_transfer("poor", "rich", 3)]

    record(ledger_engine, transfers, attempt)

    with ledger_engine.connect() as connection:
        query = select(entries).where(entries.c.account_id == "poor").order_by(entries.c.id)
        balances = [(entry.amount_minor, entry.balance_after_minor) for entry in connection.execute(query)]
    assert balances == [(5, 5), (7, 12), (11, 23), (-3, 20)]


def test_one_request_or_ten_thousand_are_as_many_statements(
    ledger_engine: Engine, new_transfer: NewTransfer, attempt: Attempt
) -> None:
    many = [new_transfer("payer", f"payee-{n % 1000}", 100) for n in range(10_000)]
    shut = [new_transfer() for _ in range(1000)]

    with statements(ledger_engine) as seen:
        record(ledger_engine, [new_transfer()], attempt)
        assert len(seen) == 5
        assert set(decisions_of(record(ledger_engine, many, attempt))) == {Decision.APPLIED}
        assert len(seen) == 10
        record_compensation(ledger_engine, [new_transfer()], attempt)
        assert len(seen) == 13
        assert set(decisions_of(record_compensation(ledger_engine, shut, attempt))) == {Decision.CANCELLED}
        assert len(seen) == 16


def test_a_replay_reads_and_writes_nothing(ledger_engine: Engine, new_transfer: NewTransfer, attempt: Attempt) -> None:
    transfer = new_transfer()
    record(ledger_engine, [transfer], attempt)

    with statements(ledger_engine) as seen:
        record(ledger_engine, [transfer], attempt)
    assert len(seen) == 4


def test_without_demo_faults_a_scenario_refuses_nothing(new_transfer: NewTransfer) -> None:
    assert NoFaults().refuse(new_transfer(scenario=Scenario.LEDGER_REJECTS)) is None
