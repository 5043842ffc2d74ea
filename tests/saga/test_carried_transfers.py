"""The reconciler leaves a transfer alone that its workflow is still carrying."""

import asyncio
from dataclasses import replace

from saga.abandoned_transfers import FOREVER, applied, finish, reset, terminated_in, until_waiting
from saga.fake_participants import Fault
from saga.harness import Handle, new_request, until
from saga.reconciling import AT_ONCE, Reconciler
from transfer_contract.steps import Compensation, FinalStatus, Step
from transfer_contract.transfers import TransferResult


async def test_a_transfer_on_its_way_is_left_alone(reconciler: Reconciler) -> None:
    reconciler.faults.plan(Step.DEPOSIT, Fault.WAITS, attempts=1)
    reconciler.timings = replace(reconciler.timings, start_to_close_seconds=60)
    async with reconciler.workers():
        request = new_request()
        transfer = await reconciler.start(request)
        await until_waiting(reconciler, Step.DEPOSIT)
        assert (await reconciler.leaves_alone(request.transfer_id)).carried == 1
        reconciler.faults.go.set()
        assert (await reconciler.end(transfer)).status is FinalStatus.COMPLETED


async def test_a_young_transfer_is_left_alone_without_asking(reconciler: Reconciler) -> None:
    request = new_request()
    reconciler.books.put(request, applied(request, Step.WITHDRAW))
    async with reconciler.workers():
        report = await reconciler.reconcile(replace(AT_ONCE, grace_seconds=10))
    assert (report.taken_over, report.carried) == ((), 0)


async def test_a_parked_transfer_is_left_alone(reconciler: Reconciler) -> None:
    reconciler.faults.plan(Step.RECORD, Fault.REFUSED)
    reconciler.faults.plan(Compensation.WITHDRAW, Fault.FAILS, attempts=FOREVER)
    async with reconciler.workers():
        request = new_request()
        transfer = await reconciler.start(request)
        await until(lambda: reconciler.faults.calls.count(Compensation.WITHDRAW) > 7)
        assert (await reconciler.leaves_alone(request.transfer_id)).carried == 1
        reconciler.faults.plan(Compensation.WITHDRAW, Fault.FAILS, attempts=0)
        await reconciler.end(transfer)
        assert Compensation.RECORD not in reconciler.faults.calls


async def test_a_transfer_whose_workflow_was_reset_is_left_to_the_new_run(reconciler: Reconciler) -> None:
    reconciler.timings = replace(reconciler.timings, start_to_close_seconds=60)
    reconciler.faults.plan(Step.DEPOSIT, Fault.WAITS)
    async with reconciler.workers():
        request = new_request()
        transfer = await reconciler.start(request)
        await until_waiting(reconciler, Step.DEPOSIT)
        await reset(reconciler.client, transfer)
        assert (await reconciler.leaves_alone(request.transfer_id)).carried == 1
        reconciler.faults.go.set()
        newest: Handle = reconciler.client.get_workflow_handle(transfer.id, result_type=TransferResult)
        assert (await reconciler.end(newest)).status is FinalStatus.COMPLETED


async def test_a_second_run_is_left_alone_and_ends_as_a_finisher_beside_it_does(reconciler: Reconciler) -> None:
    """The first one was terminated, and the client has posted again."""
    async with reconciler.workers():
        request = await terminated_in(reconciler, Step.RECORD)
        reconciler.faults.plan(Step.RECORD, Fault.WAITS)
        second = await reconciler.start(request)
        await until(lambda: Step.RECORD in reconciler.faults.calls)
        assert (await reconciler.leaves_alone(request.transfer_id)).carried == 1
        finishing = asyncio.create_task(finish(reconciler, request))
        await until(lambda: Compensation.RECORD in reconciler.faults.calls)
        reconciler.faults.go.set()
        finished, result = await finishing, await reconciler.end(second)
        assert finished.status is result.status is FinalStatus.COMPENSATED
        reconciler.check_money(completed=False)
