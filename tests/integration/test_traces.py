"""Traces that lost money elsewhere, on the product's own workers and real servers, with no reconciler to repair them.

Each test ends as `conftest.py` says: all transfers final, every account, row and entry right. Rows are asserted beside
the money: two bugs don't show in sums (docs/protocol.md, "Traces").
"""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest
from account_worker.account_lifecycle import AccountNotEmpty
from integration.whole_saga import AMOUNT, BALANCE, MOVED, NOTHING_MOVED, WholeSaga
from saga.fake_participants import Fault
from saga.harness import until
from transfer_contract.steps import Compensation, FinalStatus, Step
from transfer_contract.transfers import Scenario

FORWARD = [Step.WITHDRAW, Step.DEPOSIT, Step.RECORD]
BEYOND_EVERY_LIMIT = 8
FOREVER = 1_000


async def test_an_account_that_may_get_its_money_back_stays_open(saga: WholeSaga) -> None:
    saga.faults.plan(Step.DEPOSIT, Fault.WAITS)
    order = saga.order(amount_minor=BALANCE)
    await saga.start(order)
    await saga.is_under_way(Step.DEPOSIT)
    with pytest.raises(AccountNotEmpty):
        saga.close(saga.alice)
    await saga.workflow(order).cancel()
    assert await saga.end(order) is FinalStatus.COMPENSATED


@pytest.mark.parametrize("step", Step)
async def test_before_each_step_of_a_transfer_that_completes_the_money_is_right(saga: WholeSaga, step: Step) -> None:
    """Also in between: what could still be taken back can't be spent."""
    saga.faults.plan(step, Fault.WAITS)
    order = saga.order()
    await saga.start(order)
    await saga.is_under_way(step)
    saga.check_money()
    assert saga.balances() == (BALANCE if step is Step.WITHDRAW else BALANCE - AMOUNT, 0)
    saga.faults.go.set()
    assert await saga.end(order) is FinalStatus.COMPLETED
    assert saga.balances() == MOVED


@pytest.mark.parametrize("compensation", [Compensation.DEPOSIT, Compensation.WITHDRAW])
async def test_before_each_compensation_of_a_transfer_that_the_ledger_refuses_the_money_is_right(
    saga: WholeSaga, compensation: Compensation
) -> None:
    saga.faults.plan(compensation, Fault.WAITS)
    order = saga.order(scenario=Scenario.LEDGER_REJECTS)
    await saga.start(order)
    await saga.is_under_way(compensation)
    saga.check_money()
    saga.faults.go.set()
    assert await saga.end(order) is FinalStatus.COMPENSATED
    assert saga.faults.order == [*FORWARD, Compensation.DEPOSIT, Compensation.WITHDRAW]


async def test_a_record_that_applied_three_times_unheard_completes_the_transfer(saga: WholeSaga) -> None:
    saga.faults.plan(Step.RECORD, Fault.ANSWER_LOST)
    assert await saga.transfer(saga.order()) is FinalStatus.COMPLETED
    assert saga.balances() == MOVED


@pytest.mark.parametrize("step", FORWARD)
async def test_a_step_that_arrives_after_the_cancel_has_undone_everything_moves_nothing(
    saga: WholeSaga, step: Step
) -> None:
    saga.faults.plan(step, Fault.WAITS)
    order = saga.order()
    await saga.start(order)
    await saga.is_under_way(step)
    await saga.workflow(order).cancel()
    assert await saga.end(order) is FinalStatus.COMPENSATED
    assert saga.balances() == NOTHING_MOVED


@pytest.mark.parametrize("step", [*Compensation, Step.RELEASE])
async def test_a_cancel_of_what_is_shielded_changes_nothing(saga: WholeSaga, step: Step | Compensation) -> None:
    if step is not Step.RELEASE:
        saga.faults.plan(Step.RECORD, Fault.FAILS)
    saga.faults.plan(step, Fault.WAITS, attempts=1)
    order = saga.order()
    await saga.start(order)
    await saga.is_under_way(step)
    await saga.workflow(order).cancel()
    await asyncio.sleep(0.2)
    saga.faults.go.set()
    expected = FinalStatus.COMPLETED if step is Step.RELEASE else FinalStatus.COMPENSATED
    assert await saga.end(order) is expected


async def test_a_cancel_of_a_withdraw_that_was_refused_unheard_ends_rejected(saga: WholeSaga) -> None:
    saga.timings = replace(saga.timings, first_retry_seconds=60, longest_retry_seconds=60)
    saga.faults.plan(Step.WITHDRAW, Fault.ANSWER_LOST, attempts=1)
    order = saga.order(amount_minor=BALANCE + 1)
    await saga.start(order)
    await until(lambda: saga.transfer_rows(order) is not None)
    await saga.workflow(order).cancel()
    assert await saga.end(order) is FinalStatus.REJECTED


async def test_a_deposit_without_a_destination_is_compensated(saga: WholeSaga) -> None:
    order = saga.order(destination="nobody")
    assert await saga.transfer(order) is FinalStatus.COMPENSATED
    assert saga.faults.order == [Step.WITHDRAW, Step.DEPOSIT, Compensation.DEPOSIT, Compensation.WITHDRAW]


async def test_every_answer_lost_twice_moves_the_money_once(saga: WholeSaga) -> None:
    for step in Step:
        saga.faults.plan(step, Fault.ANSWER_LOST, attempts=2)
    assert await saga.transfer(saga.order()) is FinalStatus.COMPLETED
    assert saga.balances() == MOVED


@pytest.mark.parametrize("step", [Step.WITHDRAW, Step.DEPOSIT])
async def test_a_step_that_applied_three_times_unheard_is_undone_once(saga: WholeSaga, step: Step) -> None:
    saga.faults.plan(step, Fault.ANSWER_LOST)
    for compensation in Compensation:
        saga.faults.plan(compensation, Fault.ANSWER_LOST, attempts=2)
    assert await saga.transfer(saga.order()) is FinalStatus.COMPENSATED
    assert saga.balances() == NOTHING_MOVED


async def test_nothing_is_undone_before_the_door_has_answered(saga: WholeSaga) -> None:
    saga.faults.plan(Step.RECORD, Fault.ANSWER_LOST)
    saga.faults.plan(Compensation.RECORD, Fault.FAILS, attempts=BEYOND_EVERY_LIMIT)
    assert await saga.transfer(saga.order()) is FinalStatus.COMPLETED
    assert saga.faults.order == [*FORWARD, Compensation.RECORD, Step.RELEASE]


@pytest.mark.parametrize("step", [*Compensation, Step.RELEASE])
async def test_what_keeps_failing_is_repeated_until_it_succeeds(saga: WholeSaga, step: Step | Compensation) -> None:
    """Without a reconciler: the workflow itself may neither close nor give up before."""
    if step is not Step.RELEASE:
        saga.faults.plan(Step.RECORD, Fault.FAILS)
    saga.faults.plan(step, Fault.FAILS, attempts=BEYOND_EVERY_LIMIT)
    expected = FinalStatus.COMPLETED if step is Step.RELEASE else FinalStatus.COMPENSATED
    assert await saga.transfer(saga.order()) is expected


async def test_a_transfer_is_not_final_while_its_deposit_cannot_be_undone(saga: WholeSaga) -> None:
    """The refund doesn't wait for it, and isn't the end (rules 6 and 10)."""
    saga.faults.plan(Compensation.DEPOSIT, Fault.FAILS, attempts=FOREVER)
    order = saga.order(scenario=Scenario.LEDGER_REJECTS)
    await saga.start(order)
    await until(lambda: saga.balances() == NOTHING_MOVED and Compensation.WITHDRAW in saga.faults.calls)
    saga.check_money()
    saga.faults.plan(Compensation.DEPOSIT, Fault.FAILS, attempts=0)
    assert await saga.end(order) is FinalStatus.COMPENSATED


async def test_of_many_transfers_at_once_as_many_complete_as_the_account_can_pay_for(saga: WholeSaga) -> None:
    orders = [saga.order(f"{number}") for number in range(20)]
    await asyncio.gather(*(saga.start(order) for order in orders))
    ended = Counter([await saga.end(order) for order in orders])
    assert ended == {FinalStatus.COMPLETED: BALANCE // AMOUNT, FinalStatus.REJECTED: 20 - BALANCE // AMOUNT}
