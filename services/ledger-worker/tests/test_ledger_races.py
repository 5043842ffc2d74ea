"""The door and the double entry, raced for real: many threads, each with a transaction of its own."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from ledger_worker import database, steps
from ledger_worker.demo_faults import NoFaults
from ledger_worker.models import entries
from service_runtime.activity_edge import Attempt
from service_runtime.database import in_transaction
from sqlalchemy import Connection, Engine, func, select, text
from transfer_contract.steps import Decision, Failure, FailureCode, StepRow
from transfer_contract.transfers import AbortRequest, TransferRequest

NewTransfer = Callable[..., TransferRequest]

no_refusal = NoFaults().refuse


class Ledger:
    """The two steps on a list of one, each in a transaction of its own."""

    def __init__(self, engine: Engine, attempt: Attempt) -> None:
        self.engine = engine
        self.attempt = attempt
        self.tries: list[str] = []
        """One for each time that a record's transaction began: more than records means that one was done again."""

    def record(self, transfer: TransferRequest) -> StepRow:
        [row] = self.record_all([transfer])
        return row

    def record_all(self, transfers: list[TransferRequest]) -> list[StepRow]:
        def work(connection: Connection) -> list[StepRow]:
            self.tries.append(transfers[0].transfer_id)
            return steps.record(connection, transfers, self.attempt, no_refusal)

        return in_transaction(self.engine, work)

    def record_compensation(self, transfer: TransferRequest) -> StepRow:
        [row] = in_transaction(self.engine, lambda c: steps.record_compensation(c, [abort(transfer)], self.attempt))
        return row

    def entries_of(self, transfer: TransferRequest) -> int:
        with self.engine.connect() as connection:
            query = select(func.count()).select_from(entries).where(entries.c.transfer_id == transfer.transfer_id)
            return connection.scalar(query) or 0

    def wait_until_somebody_waits_for_a_lock(self) -> None:
        query = text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with self.engine.connect() as connection:
                if connection.scalar(query):
                    return
            time.sleep(0.01)
        pytest.fail("nobody waits")


def abort(transfer: TransferRequest) -> AbortRequest:
    return AbortRequest(transfer=transfer, failure=Failure(code=FailureCode.CANCELLED, detail="cancelled"))


@pytest.fixture
def ledger(ledger_engine: Engine, attempt: Attempt) -> Ledger:
    return Ledger(ledger_engine, attempt)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as executor:
        yield executor


def test_of_record_and_its_compensation_exactly_one_wins_and_the_other_hears_it(
    ledger: Ledger, threads: ThreadPoolExecutor, new_transfer: NewTransfer
) -> None:
    for _ in range(100):
        transfer = new_transfer()
        start = threading.Barrier(4)

        def run(
            step: Callable[[TransferRequest], StepRow], transfer: TransferRequest, start: threading.Barrier
        ) -> StepRow:
            start.wait()
            return step(transfer)

        racing = [
            threads.submit(run, step, transfer, start)
            for step in (ledger.record, ledger.record_compensation, ledger.record, ledger.record_compensation)
        ]
        answers = [answer.result() for answer in racing]
        assert answers == [answers[0]] * len(answers)
        decision = answers[0].decision
        assert ledger.entries_of(transfer) == (2 if decision is Decision.APPLIED else 0)


def test_a_compensation_waits_for_an_open_record_and_answers_applied(
    ledger: Ledger, threads: ThreadPoolExecutor, new_transfer: NewTransfer
) -> None:
    transfer = new_transfer()
    with ledger.engine.begin() as connection:
        [recorded] = steps.record(connection, [transfer], ledger.attempt, no_refusal)
        compensation = threads.submit(ledger.record_compensation, transfer)
        ledger.wait_until_somebody_waits_for_a_lock()
        assert not compensation.done()

    assert compensation.result() == recorded
    assert recorded.decision is Decision.APPLIED


def test_a_late_record_after_the_tombstone_moves_nothing(
    ledger: Ledger, threads: ThreadPoolExecutor, new_transfer: NewTransfer
) -> None:
    transfer = new_transfer()
    with ledger.engine.begin() as connection:
        [tombstone] = steps.record_compensation(connection, [abort(transfer)], ledger.attempt)
        late = threads.submit(ledger.record, transfer)
        ledger.wait_until_somebody_waits_for_a_lock()

    assert late.result() == tombstone
    assert tombstone.decision is Decision.CANCELLED
    assert ledger.entries_of(transfer) == 0


def test_a_record_that_was_rolled_back_leaves_the_door_to_its_compensation(
    ledger: Ledger, threads: ThreadPoolExecutor, new_transfer: NewTransfer
) -> None:
    transfer = new_transfer()
    with ledger.engine.connect() as connection:
        steps.record(connection, [transfer], ledger.attempt, no_refusal)
        compensation = threads.submit(ledger.record_compensation, transfer)
        ledger.wait_until_somebody_waits_for_a_lock()
        connection.rollback()

    assert compensation.result().decision is Decision.CANCELLED
    assert ledger.entries_of(transfer) == 0


def test_duplicates_of_a_record_make_one_pair_of_entries(
    ledger: Ledger, threads: ThreadPoolExecutor, new_transfer: NewTransfer
) -> None:
    transfer = new_transfer()
    answers = list(threads.map(ledger.record, [transfer] * 16))

    assert all(row == answers[0] for row in answers)
    assert ledger.entries_of(transfer) == 2


def test_transfers_in_opposite_directions_do_not_wait_in_a_circle(
    ledger: Ledger, threads: ThreadPoolExecutor, new_transfer: NewTransfer
) -> None:
    pairs = [("left", "right"), ("right", "left")] * 50
    transfers = [new_transfer(source, destination, 100) for source, destination in pairs]

    answers = list(threads.map(ledger.record, transfers))

    assert {row.decision for row in answers} == {Decision.APPLIED}
    assert len(ledger.tries) == len(transfers)


def test_lists_in_opposite_orders_do_not_wait_in_a_circle(
    ledger: Ledger, threads: ThreadPoolExecutor, new_transfer: NewTransfer
) -> None:
    for number in range(10):
        accounts = [f"list-{number}-{n}" for n in range(8)]
        transfers = [new_transfer(accounts[n], accounts[(n + 3) % 8], 100) for n in range(8)]

        one, other = threads.map(ledger.record_all, [transfers, transfers[::-1]])

        assert one == other[::-1]
    assert len(ledger.tries) == 20


@pytest.mark.parametrize("order", [1, -1])
def test_transfers_are_locked_in_the_order_of_their_ids(
    order: int, ledger: Ledger, threads: ThreadPoolExecutor, new_transfer: NewTransfer
) -> None:
    first, second = sorted((new_transfer(), new_transfer()), key=lambda transfer: transfer.transfer_id)
    with ledger.engine.begin() as connection:
        steps.record_compensation(connection, [abort(first)], ledger.attempt)
        both = threads.submit(ledger.record_all, [first, second][::order])
        ledger.wait_until_somebody_waits_for_a_lock()
        assert ledger.record(second).decision is Decision.APPLIED  # not locked yet: `both` still waits for the first

    assert [row.decision for row in both.result()][::order] == [Decision.CANCELLED, Decision.APPLIED]


def test_accounts_are_locked_in_the_order_of_their_ids(
    ledger: Ledger, threads: ThreadPoolExecutor, new_transfer: NewTransfer
) -> None:
    ledger.record_all([new_transfer("order-b", "order-a"), new_transfer("order-b", "order-c")])
    with ledger.engine.begin() as connection:
        lock = text("SELECT FROM ledger_accounts WHERE id = :id FOR UPDATE NOWAIT")
        connection.execute(lock, {"id": "order-a"})
        both = threads.submit(
            ledger.record_all, [new_transfer("order-b", "order-c"), new_transfer("order-c", "order-a")]
        )
        ledger.wait_until_somebody_waits_for_a_lock()
        for account_id in ("order-b", "order-c"):
            connection.execute(lock, {"id": account_id})

    assert [row.decision for row in both.result()] == [Decision.APPLIED, Decision.APPLIED]


def test_a_stored_request_without_a_row_is_locked_too(
    ledger: Ledger, threads: ThreadPoolExecutor, new_transfer: NewTransfer
) -> None:
    transfer = new_transfer()
    with ledger.engine.begin() as connection:
        database.store_and_lock_transfers(connection, [transfer])
    with ledger.engine.begin() as connection:
        [recorded] = steps.record(connection, [transfer], ledger.attempt, no_refusal)
        compensation = threads.submit(ledger.record_compensation, transfer)
        ledger.wait_until_somebody_waits_for_a_lock()

    assert compensation.result() == recorded


def test_first_entries_of_a_new_account_wait_for_each_other(
    ledger: Ledger, threads: ThreadPoolExecutor, new_transfer: NewTransfer
) -> None:
    for number in range(20):
        transfers = [new_transfer("alice", f"new-{number}", 100) for _ in range(8)]
        assert {row.decision for row in threads.map(ledger.record, transfers)} == {Decision.APPLIED}


def test_a_deadlock_with_somebody_else_is_done_again(
    ledger: Ledger, threads: ThreadPoolExecutor, new_transfer: NewTransfer
) -> None:
    ledger.record(new_transfer("dead-a", "dead-b"))
    transfer = new_transfer("dead-a", "dead-b")
    lock = text("UPDATE ledger_accounts SET balance_minor = balance_minor WHERE id = :id")
    with ledger.engine.begin() as rival:
        rival.execute(text("SET LOCAL deadlock_timeout = '1min'"))  # so the step is the one that gives way
        rival.execute(lock, {"id": "dead-b"})
        step: Future[StepRow] = threads.submit(ledger.record, transfer)
        ledger.wait_until_somebody_waits_for_a_lock()
        rival.execute(lock, {"id": "dead-a"})

    assert step.result().decision is Decision.APPLIED
    assert ledger.entries_of(transfer) == 2
    assert ledger.tries.count(transfer.transfer_id) == 2


def test_a_serialization_failure_is_done_again(
    ledger: Ledger, threads: ThreadPoolExecutor, new_transfer: NewTransfer
) -> None:
    strict = Ledger(ledger.engine.execution_options(isolation_level="SERIALIZABLE"), ledger.attempt)
    transfers = [new_transfer("strict-a", "strict-b", 100) for _ in range(12)]

    with ThreadPoolExecutor(3) as few:
        assert {row.decision for row in few.map(strict.record, transfers)} == {Decision.APPLIED}
    assert len(strict.tries) > len(transfers)
    assert [ledger.entries_of(transfer) for transfer in transfers] == [2] * 12
