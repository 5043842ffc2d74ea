"""A transfer that nobody carries is brought to its end by its rows, whatever became of its workflow."""

import asyncio
import contextlib
from dataclasses import replace
from datetime import timedelta

import pytest
from saga.abandoned_transfers import failure_of, reset, terminated_in, until_task_attempt, until_waiting
from saga.defective import Defective
from saga.fake_participants import Fault
from saga.harness import new_request, until
from saga.reconciling import Reconciler
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from transfer_contract.reconciler import Finding
from transfer_contract.steps import Compensation, FailureCode, FinalStatus, Step
from workflow_handler.transfer_money import TransferMoney

WHOLE_ABORT = [Compensation.RECORD, Compensation.DEPOSIT, Compensation.WITHDRAW]


@pytest.mark.parametrize("step", [Step.WITHDRAW, Step.DEPOSIT, Step.RECORD])
async def test_a_transfer_terminated_in_a_step_is_undone_and_the_late_attempt_moves_nothing(
    reconciler: Reconciler, step: Step
) -> None:
    async with reconciler.workers():
        request = await terminated_in(reconciler, step)
        told = await reconciler.takes_over(request.transfer_id)
        assert (told.found, told.status) == (Finding.TERMINATED, FinalStatus.COMPENSATED)
        assert told.has_rows is (step is not Step.WITHDRAW)
        assert reconciler.faults.order == WHOLE_ABORT
        assert failure_of(reconciler, request.transfer_id).code is FailureCode.INTERRUPTED
        reconciler.faults.go.set()
        await asyncio.sleep(0.2)
        reconciler.check_money(completed=False)


async def test_a_transfer_terminated_in_its_release_completes(reconciler: Reconciler) -> None:
    async with reconciler.workers():
        request = await terminated_in(reconciler, Step.RELEASE)
        told = await reconciler.takes_over(request.transfer_id)
        assert (told.found, told.status) == (Finding.TERMINATED, FinalStatus.COMPLETED)
        assert reconciler.faults.order == [Compensation.RECORD, Step.RELEASE]


@pytest.mark.parametrize("compensation", [Compensation.DEPOSIT, Compensation.WITHDRAW])
async def test_a_transfer_terminated_while_it_is_undone_is_undone_to_the_end_and_keeps_the_refusal_as_its_failure(
    reconciler: Reconciler, compensation: Compensation
) -> None:
    reconciler.faults.plan(Step.RECORD, Fault.REFUSED)
    async with reconciler.workers():
        request = await terminated_in(reconciler, compensation)
        told = await reconciler.takes_over(request.transfer_id)
        assert (told.found, told.status) == (Finding.TERMINATED, FinalStatus.COMPENSATED)
        assert failure_of(reconciler, request.transfer_id).code is FailureCode.LEDGER_REJECTED


async def test_a_transfer_terminated_after_its_record_applied_unheard_completes(reconciler: Reconciler) -> None:
    reconciler.faults.plan(Step.RECORD, Fault.TIMES_OUT_AFTER_APPLYING)
    reconciler.timings = replace(reconciler.timings, start_to_close_seconds=60)
    async with reconciler.workers():
        request = new_request()
        transfer = await reconciler.start(request)
        await until(lambda: (request.transfer_id, Step.RECORD) in reconciler.books.rows)
        await transfer.terminate()
        assert (await reconciler.takes_over(request.transfer_id)).status is FinalStatus.COMPLETED


async def test_a_transfer_terminated_before_its_first_task_is_compensated_without_having_moved(
    reconciler: Reconciler,
) -> None:
    request = new_request()
    await (await reconciler.start(request)).terminate()  # no worker yet
    async with reconciler.workers():
        told = await reconciler.takes_over(request.transfer_id)
        assert (told.found, told.has_rows, told.status) == (Finding.TERMINATED, False, FinalStatus.COMPENSATED)
        assert reconciler.faults.calls == WHOLE_ABORT
        again = await reconciler.end(await reconciler.start(request))
        assert (again.status, again.failure) == (FinalStatus.COMPENSATED, failure_of(reconciler, request.transfer_id))


async def test_a_transfer_whose_workflow_timed_out_is_finished(reconciler: Reconciler) -> None:
    reconciler.faults.plan(Step.DEPOSIT, Fault.WAITS, attempts=1)
    reconciler.timings = replace(reconciler.timings, start_to_close_seconds=60)
    async with reconciler.workers():
        request = new_request()
        transfer = await reconciler.start(request, execution_timeout=timedelta(seconds=1))
        with pytest.raises(WorkflowFailureError):
            await transfer.result()
        told = await reconciler.takes_over(request.transfer_id)
        assert (told.found, told.status) == (Finding.TIMED_OUT, FinalStatus.COMPENSATED)


@pytest.mark.parametrize(("ending", "found"), [("fails", Finding.FAILED), ("completes", Finding.COMPLETED)])
async def test_a_transfer_whose_workflow_closed_by_a_defect_is_finished(
    reconciler: Reconciler, ending: str, found: Finding
) -> None:
    reconciler.transfer_money = Defective
    async with reconciler.workers():
        request = new_request().model_copy(update={"reference": ending})
        closed = await reconciler.start(request)
        with contextlib.suppress(WorkflowFailureError):
            await closed.result()
        told = await reconciler.takes_over(request.transfer_id)
        assert (told.found, told.status) == (found, FinalStatus.COMPENSATED)


async def test_a_transfer_whose_workflow_task_keeps_failing_is_finished_and_its_workflow_ends_once_it_is_repaired(
    reconciler: Reconciler,
) -> None:
    reconciler.transfer_money = Defective
    request = new_request()
    async with reconciler.workers():
        transfer = await reconciler.start(request, task_timeout=timedelta(seconds=1))
        await until(lambda: (request.transfer_id, Step.WITHDRAW) in reconciler.books.rows)
        assert (
            await reconciler.leaves_alone(request.transfer_id)
        ).carried == 1  # a task that fails once may be repaired
        await until_task_attempt(transfer, 4)
        told = await reconciler.takes_over(request.transfer_id)
        assert (told.found, told.status) == (Finding.STUCK, FinalStatus.COMPENSATED)
        assert (await transfer.describe()).status is WorkflowExecutionStatus.RUNNING
    reconciler.transfer_money = TransferMoney
    async with reconciler.workers():
        result = await reconciler.end(transfer)
    assert result.status is FinalStatus.COMPENSATED
    assert result.failure == failure_of(reconciler, request.transfer_id)


async def test_a_transfer_whose_first_workflow_task_keeps_failing_is_found_without_any_row(
    reconciler: Reconciler,
) -> None:
    reconciler.transfer_money = Defective
    async with reconciler.workers():
        request = new_request().model_copy(update={"reference": "does nothing"})
        transfer = await reconciler.start(request, task_timeout=timedelta(seconds=1))
        await until_task_attempt(transfer, 7)  # from the sixth on the server reports problems
        told = await reconciler.takes_over(request.transfer_id)
        assert (told.found, told.has_rows, told.status) == (Finding.STUCK, False, FinalStatus.COMPENSATED)
        await transfer.terminate()


async def test_a_transfer_whose_reset_run_is_terminated_is_finished(reconciler: Reconciler) -> None:
    reconciler.timings = replace(reconciler.timings, start_to_close_seconds=60)
    reconciler.faults.plan(Step.RECORD, Fault.WAITS)
    async with reconciler.workers():
        request = new_request()
        transfer = await reconciler.start(request)
        await until_waiting(reconciler, Step.RECORD)
        await reset(reconciler.client, transfer)
        await reconciler.client.get_workflow_handle(transfer.id).terminate()
        told = await reconciler.takes_over(request.transfer_id)
        assert (told.found, told.status) == (Finding.TERMINATED, FinalStatus.COMPENSATED)


async def test_a_parked_deposit_compensation_does_not_hold_up_the_refund(reconciler: Reconciler) -> None:
    async with reconciler.workers():
        request = await terminated_in(reconciler, Step.RECORD)
        reconciler.faults.plan(Compensation.DEPOSIT, Fault.FAILS, attempts=20)
        assert (await reconciler.takes_over(request.transfer_id)).status is FinalStatus.COMPENSATED
        calls = reconciler.faults.calls
        assert calls.index(Compensation.WITHDRAW) < len(calls) - 1 - calls[::-1].index(Compensation.DEPOSIT)
