"""The steps on a real database: what they store, in how many statements, for one request or a list."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from account_worker import steps
from account_worker.accounts import GuardViolated, IdempotencyKeyReused
from account_worker.queries import find_transfer
from account_worker.steps import Outcome
from service_runtime.activity_edge import Attempt
from sqlalchemy import Engine, event
from transfer_contract.http import TransferRows
from transfer_contract.steps import Decision, FailureCode, FinalStatus, Step, StepError, StepRow
from transfer_contract.transfers import AbortRequest, TransferRequest

OpenAccount = Callable[..., str]
NewTransfer = Callable[..., TransferRequest]
Run = Callable[..., StepRow]
RunAll = Callable[..., list[Outcome]]
Abort = Callable[..., AbortRequest]
MoneyOf = Callable[[str], tuple[int, int]]


@pytest.fixture
def stored(engine: Engine) -> Callable[[TransferRequest], TransferRows | None]:
    def find(request: TransferRequest) -> TransferRows | None:
        with engine.connect() as connection:
            return find_transfer(connection, request.transfer_id)

    return find


def test_a_transfer_in_three_steps_arrives(
    open_account: OpenAccount,
    new_transfer: NewTransfer,
    run: Run,
    money_of: MoneyOf,
    stored: Callable[[TransferRequest], TransferRows],
) -> None:
    alice, bob = open_account(500), open_account()
    request = new_transfer(alice, bob, 120)
    rows = []
    for step, money in (
        (steps.WITHDRAW, (380, (0, 0))),
        (steps.DEPOSIT, (380, (0, 120))),
        (steps.RELEASE, (380, (120, 0))),
    ):
        rows.append(run(step, request))
        assert (money_of(alice)[0], money_of(bob)) == money
        assert run(step, request) == rows[-1]  # answered again, not done again
    found = stored(request)
    assert found == TransferRows(
        transfer=request, rows=rows, final_status=FinalStatus.COMPLETED, finished_at=rows[-1].finished_at
    )
    assert rows[0].finished_at < rows[1].finished_at < rows[2].finished_at
    assert found.model_dump_json().count('Z"') == 1 + 3 * 2 + 1  # every time in UTC


def test_an_aborted_transfer_gives_everything_back_and_keeps_its_failure(
    open_account: OpenAccount,
    new_transfer: NewTransfer,
    run: Run,
    abort: Abort,
    money_of: MoneyOf,
    stored: Callable[[TransferRequest], TransferRows],
) -> None:
    alice, bob = open_account(500), open_account()
    request = new_transfer(alice, bob, 120)
    run(steps.WITHDRAW, request)
    run(steps.DEPOSIT, request)
    run(steps.DEPOSIT_COMPENSATION, abort(request))
    last = run(steps.WITHDRAW_COMPENSATION, abort(request))
    assert (money_of(alice), money_of(bob)) == ((500, 0), (0, 0))
    found = stored(request)
    assert [(row.step, row.decision) for row in found.rows] == [
        (Step.WITHDRAW, Decision.COMPENSATED),
        (Step.DEPOSIT, Decision.COMPENSATED),
    ]
    assert found.rows[0].failure == abort(request).failure
    assert (found.final_status, found.finished_at) == (FinalStatus.COMPENSATED, last.finished_at)
    assert run(steps.WITHDRAW, request).decision is Decision.COMPENSATED  # a POST with the key, long after


def test_a_tombstone_stores_the_whole_request_and_a_late_step_moves_nothing(
    open_account: OpenAccount,
    new_transfer: NewTransfer,
    run: Run,
    abort: Abort,
    money_of: MoneyOf,
    stored: Callable[[TransferRequest], TransferRows],
) -> None:
    alice, bob = open_account(500), open_account()
    request = new_transfer(alice, bob, scenario="slow")
    run(steps.DEPOSIT_COMPENSATION, abort(request))
    run(steps.WITHDRAW_COMPENSATION, abort(request))
    assert stored(request).transfer == request
    assert run(steps.WITHDRAW, request).decision is Decision.CANCELLED
    assert run(steps.DEPOSIT, request).decision is Decision.CANCELLED
    assert (money_of(alice), money_of(bob)) == ((500, 0), (0, 0))
    with pytest.raises(IdempotencyKeyReused):
        run(steps.WITHDRAW, request.model_copy(update={"amount_minor": 1}))


@pytest.mark.parametrize(
    "change",
    [{"amount_minor": 99}, {"reference": None}, {"destination_account": "eve"}, {"source_account": "eve"}],
)
def test_a_reused_key_is_refused_and_touches_nothing(
    change: dict[str, object],
    open_account: OpenAccount,
    new_transfer: NewTransfer,
    run: Run,
    money_of: MoneyOf,
    stored: Callable[[TransferRequest], TransferRows],
) -> None:
    alice, bob = open_account(500), open_account()
    request = new_transfer(alice, bob)
    run(steps.WITHDRAW, request)
    before = stored(request)
    with pytest.raises(IdempotencyKeyReused):
        run(steps.WITHDRAW, request.model_copy(update=change))
    assert stored(request) == before
    assert money_of(alice) == (400, 0)
    later = request.model_copy(update={"created_at": request.created_at + timedelta(days=90)})
    assert run(steps.WITHDRAW, later).decision is Decision.APPLIED  # the same body is the same request
    assert stored(request) == before


def test_later_steps_and_compensations_use_the_stored_amounts(
    open_account: OpenAccount, new_transfer: NewTransfer, run: Run, abort: Abort, money_of: MoneyOf
) -> None:
    alice, bob, eve = open_account(500), open_account(), open_account()
    request = new_transfer(alice, bob, 100)
    run(steps.WITHDRAW, request)
    run(steps.DEPOSIT, request.model_copy(update={"amount_minor": 5, "destination_account": eve}))
    assert (money_of(bob), money_of(eve)) == ((0, 100), (0, 0))
    run(steps.DEPOSIT_COMPENSATION, abort(request.model_copy(update={"amount_minor": 5})))
    run(steps.WITHDRAW_COMPENSATION, abort(request.model_copy(update={"source_account": eve})))
    assert (money_of(alice), money_of(bob), money_of(eve)) == ((500, 0), (0, 0), (0, 0))


def test_an_unknown_source_is_rejected_and_its_row_is_stored(
    new_transfer: NewTransfer, run: Run, stored: Callable[[TransferRequest], TransferRows], attempt: Attempt
) -> None:
    request = new_transfer("nobody", "nobody-else")
    row = run(steps.WITHDRAW, request)
    error = StepError(code=FailureCode.UNKNOWN_ACCOUNT, detail="there is no account nobody")
    assert row.forward == attempt.decided(row.finished_at, error)
    assert stored(request).final_status is FinalStatus.REJECTED
    assert run(steps.WITHDRAW, request) == row


def test_an_unknown_destination_is_rejected_by_the_deposit(
    open_account: OpenAccount, new_transfer: NewTransfer, run: Run, abort: Abort, money_of: MoneyOf
) -> None:
    alice = open_account(500)
    request = new_transfer(alice, "nobody")
    run(steps.WITHDRAW, request)
    assert run(steps.DEPOSIT, request).decision is Decision.REJECTED
    assert run(steps.DEPOSIT_COMPENSATION, abort(request)).decision is Decision.REJECTED
    assert run(steps.WITHDRAW_COMPENSATION, abort(request)).decision is Decision.COMPENSATED
    assert money_of(alice) == (500, 0)


def test_a_guard_that_fires_leaves_no_row_of_an_unknown_transfer(
    open_account: OpenAccount,
    new_transfer: NewTransfer,
    run: Run,
    stored: Callable[[TransferRequest], TransferRows | None],
) -> None:
    request = new_transfer(open_account(), open_account())
    with pytest.raises(GuardViolated):
        run(steps.RELEASE, request)
    assert stored(request) is None


def test_a_compensation_after_release_changes_nothing(
    open_account: OpenAccount, new_transfer: NewTransfer, run: Run, abort: Abort, money_of: MoneyOf
) -> None:
    alice, bob = open_account(500), open_account()
    request = new_transfer(alice, bob)
    for step in (steps.WITHDRAW, steps.DEPOSIT, steps.RELEASE):
        run(step, request)
    for compensation in (steps.DEPOSIT_COMPENSATION, steps.WITHDRAW_COMPENSATION):
        with pytest.raises(GuardViolated):
            run(compensation, abort(request))
    assert (money_of(alice), money_of(bob)) == ((400, 0), (100, 0))


def test_a_list_is_paid_in_its_order_as_far_as_the_money_goes(
    open_account: OpenAccount, new_transfer: NewTransfer, run_all: RunAll, money_of: MoneyOf
) -> None:
    alice, bob = open_account(250), open_account()
    requests = [new_transfer(alice, bob, amount) for amount in (100, 200, 100, 50, 60)]
    requests.insert(2, new_transfer("nobody", bob))
    outcomes = run_all(steps.WITHDRAW, list(reversed(requests)))
    said = [row.decision for row in outcomes if isinstance(row, StepRow)]
    applied, rejected = Decision.APPLIED, Decision.REJECTED
    assert said == [applied, applied, applied, rejected, rejected, rejected]
    assert money_of(alice) == (40, 0)


def test_one_bad_item_of_a_list_does_not_touch_the_others(
    open_account: OpenAccount,
    new_transfer: NewTransfer,
    run: Run,
    run_all: RunAll,
    money_of: MoneyOf,
    stored: Callable[[TransferRequest], TransferRows | None],
) -> None:
    alice, bob = open_account(500), open_account()
    good, reused, unknown = (new_transfer(alice, bob) for _ in range(3))
    for request in (good, reused):
        run(steps.WITHDRAW, request)
    other_body = reused.model_copy(update={"amount_minor": 1})
    first, second, third = run_all(steps.WITHDRAW, [good, other_body, reused])
    assert isinstance(first, StepRow)
    assert isinstance(second, IdempotencyKeyReused)
    assert isinstance(third, StepRow)
    run(steps.DEPOSIT, good)
    released, guarded, missing = run_all(steps.RELEASE, [good, reused, unknown])
    assert isinstance(released, StepRow)
    assert isinstance(guarded, GuardViolated)
    assert isinstance(missing, GuardViolated)
    assert stored(unknown) is None
    assert (money_of(alice), money_of(bob)) == ((300, 0), (100, 0))


def test_the_same_transfer_twice_in_one_list_is_decided_once(
    open_account: OpenAccount, new_transfer: NewTransfer, run_all: RunAll, money_of: MoneyOf
) -> None:
    alice, bob = open_account(500), open_account()
    request = new_transfer(alice, bob)
    first, second, other = run_all(
        steps.WITHDRAW, [request, request, request.model_copy(update={"reference": "other"})]
    )
    assert first == second
    assert isinstance(other, IdempotencyKeyReused)
    assert money_of(alice) == (400, 0)


def test_an_empty_list_is_answered_by_one(run_all: RunAll) -> None:
    assert run_all(steps.WITHDRAW, []) == []
    assert run_all(steps.RELEASE, []) == []


@contextmanager
def counted_statements(engine: Engine) -> Iterator[list[str]]:
    seen: list[str] = []

    def see(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    def see_commit(_connection: object) -> None:
        seen.append("COMMIT")

    event.listen(engine, "before_cursor_execute", see)
    event.listen(engine, "commit", see_commit)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", see)
        event.remove(engine, "commit", see_commit)


@pytest.mark.parametrize("size", [1, 200])
def test_a_step_takes_five_statements_however_many_requests(
    size: int,
    engine: Engine,
    open_account: OpenAccount,
    new_transfer: NewTransfer,
    run_all: RunAll,
    abort: Abort,
) -> None:
    alice, bob = open_account(100 * size), open_account()
    requests = [new_transfer(alice, bob) for _ in range(size)]
    for step in (steps.WITHDRAW, steps.DEPOSIT, steps.RELEASE):
        with counted_statements(engine) as statements:
            run_all(step, requests)
        assert len(statements) == 5, statements
    aborted = [new_transfer(bob, alice) for _ in range(size)]
    run_all(steps.WITHDRAW, aborted)
    run_all(steps.DEPOSIT, aborted)
    for compensation in (steps.DEPOSIT_COMPENSATION, steps.WITHDRAW_COMPENSATION):
        with counted_statements(engine) as statements:
            run_all(compensation, [abort(request) for request in aborted])
        assert len(statements) == 5, statements


def test_ten_thousand_withdrawals_are_one_call(
    open_account: OpenAccount, new_transfer: NewTransfer, run_all: RunAll, money_of: MoneyOf
) -> None:
    payer, payee = open_account(9_990), open_account()
    requests = [new_transfer(payer, payee, 1) for _ in range(10_000)]
    withdrawn = run_all(steps.WITHDRAW, requests)
    paid = [row.decision for row in withdrawn if isinstance(row, StepRow)]
    assert paid == [Decision.APPLIED] * 9_990 + [Decision.REJECTED] * 10
    assert money_of(payer) == (0, 0)
