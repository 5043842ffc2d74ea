"""Cancel at every point: a request, not a promise (rule 9), and compensations and release are shielded (rule 8)."""

import asyncio

import pytest
from saga.fake_participants import Fault, Name
from saga.harness import Harness, new_request, until
from temporalio.client import Client
from transfer_contract.steps import Compensation, Decision, FailureCode, FinalStatus, Step

UNDO = [Compensation.DEPOSIT, Compensation.WITHDRAW]
WHOLE_ABORT = [Compensation.RECORD, *UNDO]
FORWARD = [Step.WITHDRAW, Step.DEPOSIT, Step.RECORD]


async def is_waiting(harness: Harness, name: Name) -> None:
    assert await asyncio.to_thread(harness.faults.waiting[name].wait, 20)


@pytest.mark.parametrize("step", FORWARD)
async def test_cancel_during_a_step_that_then_applies_late_is_aborted_and_the_late_step_moves_nothing(
    harness: Harness, step: Step
) -> None:
    harness.faults.plan(step, Fault.WAITS)
    transfer = await harness.start()
    await is_waiting(harness, step)
    await transfer.cancel()
    result = await harness.end(transfer)
    assert result.status is FinalStatus.COMPENSATED
    assert harness.faults.order == [*FORWARD[: FORWARD.index(step) + 1], *WHOLE_ABORT]
    assert result.failure is not None
    assert (result.failure.code, result.failure.step) == (FailureCode.CANCELLED, step)
    assert result.failure.worker is None
    harness.faults.go.set()
    await asyncio.sleep(0.2)
    harness.check(result)


@pytest.mark.parametrize("step", [Step.WITHDRAW, Step.DEPOSIT])
async def test_cancel_during_a_step_that_has_applied_is_undone(harness: Harness, step: Step) -> None:
    harness.faults.plan(step, Fault.TIMES_OUT_AFTER_APPLYING, attempts=1)
    transfer = await harness.start()
    await row_exists(harness, step)
    await transfer.cancel()
    result = await harness.end(transfer)
    assert result.status is FinalStatus.COMPENSATED
    assert harness.decision(result, step) is Decision.COMPENSATED


async def test_cancel_during_a_record_that_has_applied_completes_the_transfer(harness: Harness) -> None:
    harness.faults.plan(Step.RECORD, Fault.TIMES_OUT_AFTER_APPLYING, attempts=1)
    transfer = await harness.start()
    await row_exists(harness, Step.RECORD)
    await transfer.cancel()
    result = await harness.end(transfer)
    assert result.status is FinalStatus.COMPLETED
    assert harness.faults.order == [*FORWARD, Compensation.RECORD, Step.RELEASE]


async def test_cancel_during_release_changes_nothing(harness: Harness) -> None:
    harness.faults.plan(Step.RELEASE, Fault.WAITS)
    transfer = await harness.start()
    await is_waiting(harness, Step.RELEASE)
    await transfer.cancel()
    await transfer.cancel()
    harness.faults.go.set()
    result = await harness.end(transfer)
    assert result.status is FinalStatus.COMPLETED
    assert harness.faults.order == [*FORWARD, Step.RELEASE]


@pytest.mark.parametrize("compensation", list(Compensation))
async def test_cancel_during_a_compensation_changes_nothing(harness: Harness, compensation: Compensation) -> None:
    harness.faults.plan(Step.RECORD, Fault.FAILS)
    harness.faults.plan(compensation, Fault.WAITS, attempts=1)
    transfer = await harness.start()
    await is_waiting(harness, compensation)
    await transfer.cancel()
    harness.faults.go.set()
    result = await harness.end(transfer)
    assert result.status is FinalStatus.COMPENSATED
    assert harness.faults.order == [*FORWARD, *WHOLE_ABORT]
    assert result.failure is not None
    assert (result.failure.code, result.failure.step) == (FailureCode.STEP_FAILED, Step.RECORD)


async def test_cancel_while_a_step_waits_for_its_next_attempt_is_aborted(harness: Harness) -> None:
    harness.timings = harness.timings.__class__(start_to_close_seconds=0.3, first_retry_seconds=30)
    harness.faults.plan(Step.DEPOSIT, Fault.FAILS, attempts=1)
    transfer = await harness.start()
    await until(lambda: Step.DEPOSIT in harness.faults.calls)
    await transfer.cancel()
    result = await harness.end(transfer)
    assert result.status is FinalStatus.COMPENSATED
    assert result.failure is not None
    assert result.failure.code is FailureCode.CANCELLED


async def test_cancel_before_the_first_workflow_task_is_aborted_in_full(temporal_client: Client) -> None:
    harness = Harness(temporal_client)
    transfer = await harness.start()  # no worker yet: the cancel is there before the workflow's first line
    await transfer.cancel()
    async with harness.workers():
        result = await harness.end(transfer)
    assert result.status is FinalStatus.COMPENSATED
    assert harness.faults.order[-3:] == WHOLE_ABORT
    assert {harness.decision(result, step) for step in (Step.DEPOSIT, Step.RECORD)} == {Decision.CANCELLED}


async def test_cancel_during_a_withdraw_that_is_refused_is_rejected_not_compensated(harness: Harness) -> None:
    request = new_request()
    harness.faults.plan(Step.WITHDRAW, Fault.REFUSED)
    first = await harness.end(await harness.start(request))
    assert first.status is FinalStatus.REJECTED
    harness.faults.plan(Step.WITHDRAW, Fault.WAITS)
    harness.faults.waiting.clear()
    harness.faults.go.clear()
    again = await harness.start(request)  # the first answer was lost: this run hears nothing before the cancel
    await is_waiting(harness, Step.WITHDRAW)
    await again.cancel()
    result = await harness.end(again)
    assert result.status is FinalStatus.REJECTED
    assert result.failure is not None
    assert result.failure.code is FailureCode.INSUFFICIENT_FUNDS


async def row_exists(harness: Harness, step: Step) -> None:
    await until(lambda: any(row_step is step for _, row_step in harness.books.rows))
