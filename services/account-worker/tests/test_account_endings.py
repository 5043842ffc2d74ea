"""`GET /transfers/{id}/end`: who waits is told by the commit that makes the transfer final, on a real database."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
import pytest
from account_worker import steps
from account_worker.endings import CHANNEL
from sqlalchemy import Engine, text
from transfer_contract.http import TransferRows
from transfer_contract.steps import Decision, FinalStatus, StepRow
from transfer_contract.transfers import AbortRequest, TransferRequest

OpenAccount = Callable[..., str]
NewTransfer = Callable[..., TransferRequest]
Run = Callable[..., StepRow]
Abort = Callable[..., AbortRequest]
Wait = Callable[[TransferRequest], Future[httpx.Response]]


@pytest.fixture
def wait(api: httpx.Client) -> Iterator[Wait]:
    """Begins to wait for four seconds, and is at it when it returns."""
    with ThreadPoolExecutor() as threads:

        def begin(transfer: TransferRequest) -> Future[httpx.Response]:
            waiting = threads.submit(api.get, f"/transfers/{transfer.transfer_id}/end?wait=4", timeout=10)
            time.sleep(0.5)
            return waiting

        yield begin


def test_a_wait_ends_with_the_commit_that_makes_the_transfer_final(
    wait: Wait, open_account: OpenAccount, new_transfer: NewTransfer, run: Run
) -> None:
    transfer = new_transfer(open_account(100), open_account())
    for step in (steps.WITHDRAW, steps.DEPOSIT):
        run(step, transfer)
    waiting = wait(transfer)
    assert not waiting.done()
    run(steps.RELEASE, transfer)
    began = time.monotonic()
    known = TransferRows.model_validate(waiting.result(timeout=2).json())
    assert time.monotonic() - began < 1
    assert (known.final_status, len(known.rows)) == (FinalStatus.COMPLETED, 3)


def test_a_message_that_comes_before_the_end_does_not_end_the_wait(
    engine: Engine, wait: Wait, open_account: OpenAccount, new_transfer: NewTransfer, run: Run
) -> None:
    """As after a new connection, or where others of its batch have ended."""
    transfer = new_transfer(open_account(100), open_account())
    for step in (steps.WITHDRAW, steps.DEPOSIT):
        run(step, transfer)
    waiting = wait(transfer)
    for _ in range(2):
        with engine.begin() as connection:
            connection.execute(
                text("SELECT pg_notify(:channel, :id)"), {"channel": CHANNEL, "id": transfer.transfer_id}
            )
        time.sleep(0.3)
        assert not waiting.done()
    run(steps.RELEASE, transfer)
    assert waiting.result(timeout=2).json()["final_status"] == FinalStatus.COMPLETED


def test_an_end_by_compensation_or_refusal_is_told_as_well(
    wait: Wait, open_account: OpenAccount, new_transfer: NewTransfer, run: Run, abort: Abort
) -> None:
    undone, refused = new_transfer(open_account(100), open_account()), new_transfer(open_account(), open_account())
    run(steps.WITHDRAW, undone)
    waiting = [wait(undone), wait(refused)]
    run(steps.DEPOSIT_COMPENSATION, abort(undone))
    run(steps.WITHDRAW_COMPENSATION, abort(undone))
    assert run(steps.WITHDRAW, refused).decision is Decision.REJECTED
    ends = [one.result(timeout=2).json()["final_status"] for one in waiting]
    assert ends == [FinalStatus.COMPENSATED, FinalStatus.REJECTED]


def test_a_final_transfer_is_not_waited_for_and_an_unknown_one_for_the_time_only(
    api: httpx.Client, open_account: OpenAccount, new_transfer: NewTransfer, run: Run
) -> None:
    transfer = new_transfer(open_account(), open_account())
    run(steps.WITHDRAW, transfer)
    began = time.monotonic()
    assert api.get(f"/transfers/{transfer.transfer_id}/end?wait=4").json()["final_status"] == FinalStatus.REJECTED
    assert time.monotonic() - began < 2
    assert api.get("/transfers/nobody/end?wait=0.1").status_code == 404


def test_a_wait_survives_the_loss_of_the_connection_that_listens(
    wait: Wait, engine: Engine, open_account: OpenAccount, new_transfer: NewTransfer, run: Run
) -> None:
    transfer = new_transfer(open_account(), open_account())
    waiting = wait(transfer)
    with engine.begin() as connection:
        lost = connection.scalar(
            text(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
                " AND datname = current_database()"
            )
        )
    assert lost == 1
    run(steps.WITHDRAW, transfer)
    assert waiting.result(timeout=4).json()["final_status"] == FinalStatus.REJECTED
