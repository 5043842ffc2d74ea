"""Every step, refused, failing, and timing out before and after it applied: the decision table, on a real server."""

import pytest
from saga.fake_participants import Fault, Name
from saga.harness import Harness
from transfer_contract.steps import Compensation, Decision, FailureCode, FinalStatus, Step

UNDO = [Compensation.DEPOSIT, Compensation.WITHDRAW]
WHOLE_ABORT = [Compensation.RECORD, *UNDO]
FORWARD = [Step.WITHDRAW, Step.DEPOSIT, Step.RECORD]


async def test_a_transfer_completes_in_four_steps(harness: Harness) -> None:
    result = await harness.run()
    assert result.status is FinalStatus.COMPLETED
    assert harness.faults.calls == [Step.WITHDRAW, Step.DEPOSIT, Step.RECORD, Step.RELEASE]
    assert result.failure is None


async def test_a_refused_withdraw_ends_the_transfer_with_nothing_to_undo(harness: Harness) -> None:
    harness.faults.plan(Step.WITHDRAW, Fault.REFUSED)
    result = await harness.run()
    assert result.status is FinalStatus.REJECTED
    assert harness.faults.calls == [Step.WITHDRAW]
    assert result.failure is not None
    assert (result.failure.code, result.failure.step) == (FailureCode.INSUFFICIENT_FUNDS, Step.WITHDRAW)


@pytest.mark.parametrize(
    ("step", "code"), [(Step.DEPOSIT, FailureCode.UNKNOWN_ACCOUNT), (Step.RECORD, FailureCode.LEDGER_REJECTED)]
)
async def test_a_refusal_after_the_withdraw_is_compensated_by_exactly_two_steps_last_in_first_out(
    harness: Harness, step: Step, code: FailureCode
) -> None:
    harness.faults.plan(step, Fault.REFUSED)
    result = await harness.run()
    assert result.status is FinalStatus.COMPENSATED
    assert harness.faults.calls == [*_up_to(step), *UNDO]
    assert result.failure is not None
    assert (result.failure.code, result.failure.step) == (code, step)


@pytest.mark.parametrize("step", FORWARD)
@pytest.mark.parametrize("fault", [Fault.FAILS, Fault.TIMES_OUT_BEFORE_APPLYING])
async def test_a_step_whose_attempts_are_used_up_before_applying_is_aborted_in_full(
    harness: Harness, step: Step, fault: Fault
) -> None:
    harness.faults.plan(step, fault)
    result = await harness.run()
    assert result.status is FinalStatus.COMPENSATED
    assert harness.faults.order == [*_up_to(step), *WHOLE_ABORT]
    assert harness.faults.calls.count(step) == 3
    assert result.failure is not None
    expected = FailureCode.STEP_FAILED if fault is Fault.FAILS else FailureCode.STEP_TIMED_OUT
    assert (result.failure.code, result.failure.step, result.failure.attempts) == (expected, step, 3)
    assert result.failure.worker == (harness.client.identity if fault is Fault.FAILS else None)


@pytest.mark.parametrize("step", [Step.WITHDRAW, Step.DEPOSIT])
async def test_a_step_whose_answers_are_lost_after_applying_is_undone(harness: Harness, step: Step) -> None:
    harness.faults.plan(step, Fault.TIMES_OUT_AFTER_APPLYING)
    result = await harness.run()
    assert result.status is FinalStatus.COMPENSATED
    assert harness.faults.order == [*_up_to(step), *WHOLE_ABORT]
    assert harness.decision(result, step) is Decision.COMPENSATED


async def test_a_record_whose_answers_are_lost_after_applying_goes_forward(harness: Harness) -> None:
    harness.faults.plan(Step.RECORD, Fault.TIMES_OUT_AFTER_APPLYING)
    result = await harness.run()
    assert result.status is FinalStatus.COMPLETED
    assert harness.faults.order == [*FORWARD, Compensation.RECORD, Step.RELEASE]
    assert result.failure is None


@pytest.mark.parametrize(
    "fault", [Fault.FAILS, Fault.TIMES_OUT_BEFORE_APPLYING, Fault.TIMES_OUT_AFTER_APPLYING], ids=lambda f: f.name
)
async def test_release_is_retried_beyond_the_forward_attempts_until_it_succeeds(harness: Harness, fault: Fault) -> None:
    harness.faults.plan(Step.RELEASE, fault, attempts=4)
    result = await harness.run()
    assert result.status is FinalStatus.COMPLETED
    assert harness.faults.order == [*FORWARD, Step.RELEASE]
    assert harness.faults.calls.count(Step.RELEASE) == 5


@pytest.mark.parametrize("compensation", list(Compensation))
@pytest.mark.parametrize(
    "fault", [Fault.FAILS, Fault.TIMES_OUT_BEFORE_APPLYING, Fault.TIMES_OUT_AFTER_APPLYING], ids=lambda f: f.name
)
async def test_a_compensation_is_retried_until_it_succeeds_and_the_original_failure_stays(
    harness: Harness, compensation: Compensation, fault: Fault
) -> None:
    harness.faults.plan(Step.RECORD, Fault.FAILS)
    harness.faults.plan(compensation, fault, attempts=4)
    result = await harness.run()
    assert result.status is FinalStatus.COMPENSATED
    assert harness.faults.order == [*FORWARD, *WHOLE_ABORT]
    assert harness.faults.calls.count(compensation) == 5
    assert result.failure is not None
    assert (result.failure.code, result.failure.step) == (FailureCode.STEP_FAILED, Step.RECORD)


@pytest.mark.parametrize("step", FORWARD)
async def test_a_step_that_fails_twice_is_retried_and_the_transfer_completes(harness: Harness, step: Step) -> None:
    harness.faults.plan(step, Fault.FAILS, attempts=2)
    result = await harness.run()
    assert result.status is FinalStatus.COMPLETED
    assert harness.faults.calls.count(step) == 3


def _up_to(step: Step) -> list[Name]:
    return list(FORWARD[: FORWARD.index(step) + 1])
