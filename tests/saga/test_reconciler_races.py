"""Reconcilers, finishers and workflows that are alive after all, at the same time: each transfer ends once."""

import asyncio
import contextlib
from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from saga.abandoned_transfers import FOREVER, finish, terminated_in
from saga.fake_participants import START_BALANCE, Fault
from saga.harness import AMOUNT, Handle, new_request, until
from saga.reconciling import AT_ONCE, Reconciler
from temporalio.service import RPCError
from transfer_contract.names import finisher_id
from transfer_contract.steps import Compensation, FinalStatus, Step, final_status
from transfer_contract.transfers import TransferResult


async def test_transfers_whose_workflows_are_terminated_at_any_moment_all_end_and_the_money_is_right(
    reconciler: Reconciler,
) -> None:
    """Some before anybody has heard of them, some when they are over; with two reconcilers at a time."""
    chance = Random(5)  # noqa: S311 - for tests
    reconciler.timings = replace(reconciler.timings, start_to_close_seconds=20)
    async with reconciler.workers():
        transfers = [await reconciler.start() for _ in range(12)]

        async def lose(transfer: Handle) -> None:
            await asyncio.sleep(chance.uniform(0, 2))
            with contextlib.suppress(RPCError):  # it is over already
                await transfer.terminate()

        async def reconcile() -> None:
            while reconciler.unfinished():
                await reconciler.reconcile()

        await asyncio.gather(*map(lose, transfers), reconcile(), reconcile())
    ends = Counter(final_status(reconciler.books.of(transfer_id)) for transfer_id in reconciler.mine)
    assert ends.keys() <= {FinalStatus.COMPLETED, FinalStatus.COMPENSATED}
    moved = ends[FinalStatus.COMPLETED] * AMOUNT
    assert reconciler.books.balances == {"alice": START_BALANCE - moved, "bob": START_BALANCE + moved}
    assert not any(reconciler.books.held.values())
    assert reconciler.books.entries["bob"] == moved


async def test_a_transfer_that_cannot_be_finished_now_holds_up_neither_the_others_nor_the_next_run(
    reconciler: Reconciler,
) -> None:
    impatient = replace(AT_ONCE, at_once=1, wait_seconds=0.5)
    reconciler.faults.plan(Step.RECORD, Fault.REFUSED)
    async with reconciler.workers():
        request = await terminated_in(reconciler, Compensation.WITHDRAW)
        reconciler.faults.plan(Compensation.WITHDRAW, Fault.FAILS, attempts=FOREVER)
        first = await reconciler.reconcile(impatient)
        assert [(each.transfer_id, each.status) for each in first.taken_over] == [(request.transfer_id, None)]
        second = await reconciler.reconcile(impatient)
        assert (second.taken_over, second.under_way) == ((), (request.transfer_id,))
        reconciler.faults.plan(Compensation.WITHDRAW, Fault.FAILS, attempts=0)
        finisher = reconciler.client.get_workflow_handle(finisher_id(request.transfer_id), result_type=TransferResult)
        result = await finisher.result()
        reconciler.check(result)
        assert (await reconciler.reconcile()).under_way == ()


async def test_runs_at_the_same_time_finish_a_transfer_once(reconciler: Reconciler) -> None:
    async with reconciler.workers():
        request = await terminated_in(reconciler, Step.RECORD)
        reports = await asyncio.gather(*(reconciler.reconcile() for _ in range(3)))
        statuses = {each.status for run in reports for each in run.taken_over}
        assert statuses <= {FinalStatus.COMPENSATED, None}
        await reconciler.client.get_workflow_handle(finisher_id(request.transfer_id)).result()
        reconciler.check_money(completed=False)


@pytest.mark.parametrize("after", [None, Step.WITHDRAW, Step.DEPOSIT, Step.RECORD, Step.RELEASE])
async def test_a_workflow_that_is_alive_after_all_ends_with_the_same_status(
    reconciler: Reconciler, after: Step | None
) -> None:
    """As if the search had been wrong: both decide by the same rows."""
    reconciler.timings = replace(reconciler.timings, start_to_close_seconds=20)
    async with reconciler.workers():
        request = new_request()
        transfer = await reconciler.start(request)
        if after is not None:
            await until(lambda: (request.transfer_id, after) in reconciler.books.rows)
        finished = await finish(reconciler, request)
        result = await reconciler.end(transfer)
        assert finished.status is result.status


async def test_a_finisher_that_is_cancelled_finishes(reconciler: Reconciler) -> None:
    async with reconciler.workers():
        request = await terminated_in(reconciler, Step.RECORD)
        reconciler.faults.plan(Compensation.DEPOSIT, Fault.FAILS, attempts=4)
        reconciling = asyncio.create_task(reconciler.takes_over(request.transfer_id))
        await until(lambda: Compensation.RECORD in reconciler.faults.calls)
        await reconciler.client.get_workflow_handle(finisher_id(request.transfer_id)).cancel()
        assert (await reconciling).status is FinalStatus.COMPENSATED


async def test_a_finisher_that_is_terminated_is_followed_by_another(reconciler: Reconciler) -> None:
    async with reconciler.workers():
        request = await terminated_in(reconciler, Step.RECORD)
        reconciler.faults.plan(Compensation.RECORD, Fault.FAILS, attempts=FOREVER)
        await reconciler.reconcile(replace(AT_ONCE, wait_seconds=0.2))
        await reconciler.client.get_workflow_handle(finisher_id(request.transfer_id)).terminate()
        reconciler.faults.plan(Compensation.RECORD, Fault.FAILS, attempts=0)
        assert (await reconciler.takes_over(request.transfer_id)).status is FinalStatus.COMPENSATED
