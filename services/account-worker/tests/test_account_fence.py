"""The fence raced for real: threads on PostgreSQL, late attempts, tombstones, deadlocks."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import pytest
import structlog
from account_worker import steps
from account_worker.steps import Outcome, run_step
from service_runtime.activity_edge import Attempt
from service_runtime.database import in_transaction
from sqlalchemy import Connection, Engine, text
from transfer_contract.steps import Decision, StepRow
from transfer_contract.transfers import AbortRequest, TransferRequest

Result = TypeVar("Result")
OpenAccount = Callable[..., str]
NewTransfer = Callable[..., TransferRequest]
Run = Callable[..., StepRow]
Abort = Callable[..., AbortRequest]
RunAll = Callable[..., list[Outcome]]
MoneyOf = Callable[[str], tuple[int, int]]
Conflicts = list[MutableMapping[str, Any]]

RACES = 30


@pytest.fixture
def conflicts() -> Iterator[Conflicts]:
    """What `in_transaction` has logged: deadlocks and serialization failures that it did again."""
    with structlog.testing.capture_logs() as logs:
        yield logs


def at_once(*calls: Callable[[], Result]) -> list[Result]:
    """Runs the calls in threads that all start together."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], Result]) -> Result:
        start.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


def test_a_late_withdraw_and_its_compensation_race_and_nothing_is_left_taken(
    open_account: OpenAccount, new_transfer: NewTransfer, run: Run, abort: Abort, money_of: MoneyOf
) -> None:
    alice, bob = open_account(100), open_account()
    seen: Counter[Decision] = Counter()
    for _ in range(RACES):
        request = new_transfer(alice, bob)
        late, undone = at_once(
            partial(run, steps.WITHDRAW, request),
            partial(run, steps.WITHDRAW_COMPENSATION, abort(request)),
        )
        seen[undone.decision] += 1
        assert undone.decision in (Decision.CANCELLED, Decision.COMPENSATED)
        assert late.decision in (Decision.APPLIED, undone.decision)
        assert money_of(alice) == (100, 0)
    assert sum(seen.values()) == RACES


def test_a_late_deposit_and_the_whole_abort_race_and_nothing_is_left_held(
    open_account: OpenAccount, new_transfer: NewTransfer, run: Run, abort: Abort, money_of: MoneyOf
) -> None:
    alice, bob = open_account(100), open_account()

    def undo(request: TransferRequest) -> StepRow:
        run(steps.DEPOSIT_COMPENSATION, abort(request))
        return run(steps.WITHDRAW_COMPENSATION, abort(request))

    for _ in range(RACES):
        request = new_transfer(alice, bob)
        run(steps.WITHDRAW, request)
        at_once(partial(run, steps.DEPOSIT, request), partial(undo, request))
        assert (money_of(alice), money_of(bob)) == ((100, 0), (0, 0))


def test_duplicates_of_every_step_at_once_move_the_money_once(
    open_account: OpenAccount, new_transfer: NewTransfer, run: Run, money_of: MoneyOf
) -> None:
    alice, bob = open_account(1000), open_account()
    request = new_transfer(alice, bob)
    for step in (steps.WITHDRAW, steps.DEPOSIT, steps.RELEASE):
        rows = at_once(*[partial(run, step, request)] * 8)
        assert rows == [rows[0]] * 8
    assert (money_of(alice), money_of(bob)) == ((900, 0), (100, 0))


def test_duplicates_of_every_compensation_at_once_give_the_money_back_once(
    open_account: OpenAccount, new_transfer: NewTransfer, run: Run, abort: Abort, money_of: MoneyOf
) -> None:
    alice, bob = open_account(1000), open_account()
    request = new_transfer(alice, bob)
    run(steps.WITHDRAW, request)
    run(steps.DEPOSIT, request)
    for step in (steps.DEPOSIT_COMPENSATION, steps.WITHDRAW_COMPENSATION):
        rows = at_once(*[partial(run, step, abort(request))] * 8)
        assert rows == [rows[0]] * 8
    assert (money_of(alice), money_of(bob)) == ((1000, 0), (0, 0))


def test_tombstones_first_then_every_late_step_at_once_moves_nothing(
    open_account: OpenAccount, new_transfer: NewTransfer, run: Run, abort: Abort, money_of: MoneyOf
) -> None:
    alice, bob = open_account(1000), open_account()
    request = new_transfer(alice, bob)
    run(steps.DEPOSIT_COMPENSATION, abort(request))
    run(steps.WITHDRAW_COMPENSATION, abort(request))
    rows = at_once(*[partial(run, steps.WITHDRAW, request), partial(run, steps.DEPOSIT, request)] * 4)
    assert {row.decision for row in rows} == {Decision.CANCELLED}
    assert (money_of(alice), money_of(bob)) == ((1000, 0), (0, 0))


def test_a_hundred_withdrawals_at_once_from_an_account_that_can_pay_for_ten_are_exactly_ten(
    open_account: OpenAccount, new_transfer: NewTransfer, run: Run, money_of: MoneyOf
) -> None:
    alice, bob = open_account(1000), open_account()
    requests = [new_transfer(alice, bob, 100) for _ in range(100)]
    with ThreadPoolExecutor(20) as threads:
        rows = list(threads.map(lambda request: run(steps.WITHDRAW, request), requests))
    assert Counter(row.decision for row in rows) == {Decision.APPLIED: 10, Decision.REJECTED: 90}
    assert money_of(alice) == (0, 0)


def test_transfers_in_both_directions_at_once_never_wait_in_a_circle(
    open_account: OpenAccount, new_transfer: NewTransfer, run: Run, run_all: RunAll, conflicts: Conflicts
) -> None:
    alice, bob = open_account(10_000), open_account(10_000)

    def one(number: int) -> None:
        request = new_transfer(*((alice, bob) if number % 2 else (bob, alice)))
        for step in (steps.WITHDRAW, steps.DEPOSIT, steps.RELEASE):
            run(step, request)

    def list_of_both(number: int) -> None:
        """Both accounts as sources in one transaction, in either order: here lock order matters."""
        pair = [new_transfer(alice, bob), new_transfer(bob, alice)]
        requests = pair if number % 2 else pair[::-1]
        for step in (steps.WITHDRAW, steps.DEPOSIT, steps.RELEASE):
            run_all(step, requests)

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda number: (one if number % 3 else list_of_both)(number), range(48)))
    assert conflicts == []


def test_lists_that_share_transfers_in_opposite_order_decide_each_once(
    open_account: OpenAccount,
    new_transfer: NewTransfer,
    run_all: RunAll,
    conflicts: Conflicts,
    money_of: MoneyOf,
) -> None:
    alice, bob = open_account(10_000), open_account()
    for _ in range(8):
        requests = [new_transfer(alice, bob, 1) for _ in range(200)]
        first, second = at_once(
            partial(run_all, steps.WITHDRAW, requests), partial(run_all, steps.WITHDRAW, requests[::-1])
        )
        assert first == second[::-1]
    assert money_of(alice) == (10_000 - 8 * 200, 0)
    assert conflicts == []


def test_a_step_that_waits_for_another_sees_what_that_one_decided(
    open_account: OpenAccount,
    new_transfer: NewTransfer,
    run: Run,
    abort: Abort,
    engine: Engine,
    attempt: Attempt,
) -> None:
    alice, bob = open_account(100), open_account()
    request = new_transfer(alice, bob)
    with ThreadPoolExecutor(1) as threads:
        with engine.begin() as connection:
            run_step(connection, steps.WITHDRAW_COMPENSATION, [abort(request)], attempt)
            late = threads.submit(run, steps.WITHDRAW, request)
            wait_until_someone_waits(connection)
        assert late.result().decision is Decision.CANCELLED


def test_a_killed_transaction_leaves_neither_row_nor_money(
    open_account: OpenAccount, new_transfer: NewTransfer, run: Run, engine: Engine, attempt: Attempt, money_of: MoneyOf
) -> None:
    alice, bob = open_account(100), open_account()
    request = new_transfer(alice, bob)
    with engine.connect() as connection:
        run_step(connection, steps.WITHDRAW, [request], attempt)
        connection.rollback()
    assert money_of(alice) == (100, 0)
    assert run(steps.WITHDRAW, request).decision is Decision.APPLIED


def test_a_deadlock_with_a_stranger_never_reaches_the_caller(
    open_account: OpenAccount,
    new_transfer: NewTransfer,
    run: Run,
    engine: Engine,
    money_of: MoneyOf,
    conflicts: Conflicts,
) -> None:
    """The stranger locks the account first and wants the transfer then, against the steps' order."""
    alice, bob = open_account(100), open_account()
    request = new_transfer(alice, bob)
    run(steps.WITHDRAW, request)
    with ThreadPoolExecutor(1) as threads, engine.begin() as stranger:
        stranger.execute(text("SET LOCAL deadlock_timeout = '20s'"))  # so that the step is the one that is found out
        stranger.execute(text("SELECT FROM accounts WHERE id = :id FOR UPDATE"), {"id": bob})
        waiting = threads.submit(run, steps.DEPOSIT, request)
        wait_until_someone_waits(stranger)
        stranger.execute(text("SELECT FROM transfers WHERE transfer_id = :id FOR UPDATE"), {"id": request.transfer_id})
        stranger.commit()
        assert waiting.result().decision is Decision.APPLIED
    assert money_of(bob) == (0, 100)
    assert {log["event"] for log in conflicts} == {"transaction conflict, doing it again"}


def test_a_serialization_failure_is_done_again(engine: Engine, open_account: OpenAccount) -> None:
    account_id = open_account()
    attempts: list[int] = []

    def rename(connection: Connection) -> None:
        attempts.append(1)
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        connection.execute(text("SELECT owner FROM accounts WHERE id = :id"), {"id": account_id})
        if len(attempts) == 1:
            with engine.begin() as other:
                other.execute(text("UPDATE accounts SET owner = 'other' WHERE id = :id"), {"id": account_id})
        connection.execute(text("UPDATE accounts SET owner = owner || '!' WHERE id = :id"), {"id": account_id})

    in_transaction(engine, rename)
    with engine.connect() as connection:
        owner = connection.scalar(text("SELECT owner FROM accounts WHERE id = :id"), {"id": account_id})
    assert (owner, len(attempts)) == ("other!", 2)


@pytest.mark.parametrize("balance", [-1, 10**19])
def test_the_database_itself_refuses_a_customers_balance_that_cannot_be(
    balance: int, engine: Engine, open_account: OpenAccount
) -> None:
    account_id = open_account()
    with pytest.raises(Exception, match=r"customer_not_below_zero|out of range"), engine.begin() as connection:
        connection.execute(
            text("UPDATE accounts SET balance_minor = :balance WHERE id = :id"), {"balance": balance, "id": account_id}
        )


def wait_until_someone_waits(connection: Connection) -> None:
    waiting = text("""
        SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
    """)
    with connection.engine.connect() as other:
        while not other.scalar(waiting):
            other.rollback()
