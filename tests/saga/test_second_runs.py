"""What outlives a run: another run of the same transfer hears the rows, and the rows decide (rules 3, 10 and 11)."""

import asyncio
from dataclasses import replace

import pytest
from saga.fake_participants import Fault
from saga.harness import Harness, new_request, until
from transfer_contract.steps import Compensation, Decision, FailureCode, FinalStatus, Step


async def test_a_completed_transfer_that_is_run_again_moves_nothing(harness: Harness) -> None:
    request = new_request()
    first = await harness.end(await harness.start(request))
    again = await harness.end(await harness.start(request))
    assert again.status is first.status is FinalStatus.COMPLETED
    assert again.rows == first.rows


async def test_a_completed_transfer_run_again_and_cancelled_at_once_is_still_completed(harness: Harness) -> None:
    request = new_request()
    await harness.end(await harness.start(request))
    again = await harness.start(request)
    await again.cancel()
    assert (await harness.end(again)).status is FinalStatus.COMPLETED


async def test_a_compensated_transfer_that_is_run_again_moves_nothing_and_keeps_its_failure(harness: Harness) -> None:
    request = new_request()
    harness.faults.plan(Step.RECORD, Fault.REFUSED)
    first = await harness.end(await harness.start(request))
    harness.faults.plan(Step.RECORD, Fault.REFUSED, attempts=0)
    again = await harness.end(await harness.start(request))
    assert again.status is FinalStatus.COMPENSATED
    assert again.failure == first.failure


async def test_a_cancelled_transfer_whose_withdraw_was_lost_and_refunded_is_run_again_and_moves_nothing(
    harness: Harness,
) -> None:
    request = new_request()
    harness.faults.plan(Step.WITHDRAW, Fault.TIMES_OUT_AFTER_APPLYING)
    first = await harness.start(request)
    await until(lambda: bool(harness.books.rows))
    await first.cancel()
    assert (await harness.end(first)).status is FinalStatus.COMPENSATED
    harness.faults.plan(Step.WITHDRAW, Fault.REFUSED, attempts=0)
    again = await harness.end(await harness.start(request))
    assert again.status is FinalStatus.COMPENSATED
    assert harness.decision(again, Step.WITHDRAW) is Decision.COMPENSATED


@pytest.mark.parametrize("seen", [Step.WITHDRAW, Step.DEPOSIT, Step.RECORD, Compensation.DEPOSIT])
async def test_a_run_that_is_terminated_is_brought_to_its_end_by_the_next_one(
    harness: Harness, seen: Step | Compensation
) -> None:
    harness.timings = replace(harness.timings, start_to_close_seconds=60)
    request = new_request()
    if seen is Compensation.DEPOSIT:
        harness.faults.plan(Step.RECORD, Fault.REFUSED)
    harness.faults.plan(seen, Fault.WAITS, attempts=1)
    first = await harness.start(request)
    assert await asyncio.to_thread(harness.faults.waiting[seen].wait, 20)
    await first.terminate()
    harness.faults.plan(seen, Fault.WAITS, attempts=0)
    result = await harness.end(await harness.start(request))
    expected = FinalStatus.COMPENSATED if seen is Compensation.DEPOSIT else FinalStatus.COMPLETED
    assert result.status is expected
    harness.faults.go.set()  # the terminated run's attempt arrives now
    await asyncio.sleep(0.2)
    harness.check(result)


async def test_a_run_whose_rows_belong_to_another_request_ends_with_that_code_and_compensates_nothing(
    harness: Harness,
) -> None:
    harness.faults.plan(Step.WITHDRAW, Fault.KEY_REUSED)
    result = await (await harness.start()).result()
    assert result.status is None
    assert result.failure is not None
    assert result.failure.code is FailureCode.IDEMPOTENCY_KEY_REUSED
    assert harness.faults.calls == [Step.WITHDRAW]
