"""A batch: each transfer ends by itself, whatever happens to the others of its list."""

from collections.abc import AsyncIterator

import pytest
from saga.batch_harness import BatchHarness
from saga.fake_participants import Fault, Name
from saga.harness import until
from temporalio.client import Client
from transfer_contract.steps import Compensation, Decision, Step

COMPLETED, REJECTED, COMPENSATED = "completed", "rejected", "compensated"
FORWARD = [Step.WITHDRAW, Step.DEPOSIT, Step.RECORD]
UNLIMITED: list[Name] = [Step.RELEASE, *Compensation]


@pytest.fixture
async def batch(temporal_client: Client) -> AsyncIterator[BatchHarness]:
    harness = BatchHarness(temporal_client)
    async with harness.workers():
        yield harness


async def test_a_batch_completes_in_four_activities_a_chunk(batch: BatchHarness) -> None:
    assert await batch.run(10) == [COMPLETED] * 10
    assert len(batch.fake.calls) == 4 * 3
    assert batch.fake.withdrawn == list(range(1, 11))


async def test_an_account_pays_in_the_order_given_however_many_chunks_are_under_way(batch: BatchHarness) -> None:
    batch.fake.plan(Step.WITHDRAW, Fault.FAILS, attempts=1)
    assert await batch.run(40) == [COMPLETED] * 40
    assert batch.fake.withdrawn == list(range(1, 41))


@pytest.mark.parametrize(
    ("step", "ends"), [(Step.WITHDRAW, REJECTED), (Step.DEPOSIT, COMPENSATED), (Step.RECORD, COMPENSATED)]
)
async def test_a_refused_transfer_ends_alone(batch: BatchHarness, step: Step, ends: str) -> None:
    for position in (2, 7):
        batch.fake.plan_for(position, step, Fault.REFUSED)
    assert await batch.run(8) == [ends if position in (2, 7) else COMPLETED for position in range(1, 9)]
    undone = {positions for name, positions in batch.fake.calls if isinstance(name, Compensation)}
    assert undone == (set() if step is Step.WITHDRAW else {(2,), (7,)})
    assert Compensation.RECORD not in {name for name, _ in batch.fake.calls}


@pytest.mark.parametrize("step", FORWARD)
async def test_a_transfer_that_fails_technically_is_tried_three_times_alone_and_then_undone(
    batch: BatchHarness, step: Step
) -> None:
    batch.fake.plan_for(3, step, Fault.FAILS)
    assert await batch.run(4) == [COMPLETED, COMPLETED, COMPENSATED, COMPLETED]
    assert [positions for name, positions in batch.fake.calls if name is step] == [
        (1, 2, 3, 4),
        (3,),
        (3,),
    ]


@pytest.mark.parametrize("step", FORWARD)
async def test_a_transfer_that_fails_twice_completes(batch: BatchHarness, step: Step) -> None:
    batch.fake.plan_for(3, step, Fault.FAILS, attempts=2)
    assert await batch.run(4) == [COMPLETED] * 4
    assert batch.fake.rows[3, step].forward is not None
    assert batch.fake.rows[3, step].forward.attempt == 3  # type: ignore[union-attr]


@pytest.mark.parametrize("step", FORWARD)
@pytest.mark.parametrize("fault", [Fault.FAILS, Fault.TIMES_OUT_BEFORE_APPLYING])
async def test_a_list_whose_attempts_are_used_up_before_applying_is_undone_in_full(
    batch: BatchHarness, step: Step, fault: Fault
) -> None:
    batch.let_attempts_time_out()
    batch.fake.plan(step, fault)
    assert await batch.run(4) == [COMPENSATED] * 4
    assert len([name for name, _ in batch.fake.calls if name is step]) == 3


@pytest.mark.parametrize("step", FORWARD)
async def test_a_list_whose_answers_are_lost_ends_as_its_rows_say(batch: BatchHarness, step: Step) -> None:
    batch.let_attempts_time_out()
    batch.fake.plan(step, Fault.TIMES_OUT_AFTER_APPLYING)
    ends = COMPLETED if step is Step.RECORD else COMPENSATED
    assert await batch.run(4) == [ends] * 4


async def test_behind_a_lost_answer_of_the_ledger_each_transfer_goes_its_own_way(batch: BatchHarness) -> None:
    """Some are past the point of no return and some were refused: one barrier for all, one way for each."""
    batch.let_attempts_time_out()
    batch.fake.plan(Step.RECORD, Fault.TIMES_OUT_AFTER_APPLYING)
    batch.fake.plan_for(2, Step.RECORD, Fault.REFUSED)
    assert await batch.run(4) == [COMPLETED, COMPENSATED, COMPLETED, COMPLETED]


@pytest.mark.parametrize("step", [Step.WITHDRAW, Step.DEPOSIT, Step.RECORD])
async def test_a_transfer_that_somebody_else_has_shut_is_undone_alone(batch: BatchHarness, step: Step) -> None:
    batch.fake.shut(2, step)
    assert await batch.run(4) == [COMPLETED, COMPENSATED, COMPLETED, COMPLETED]


@pytest.mark.parametrize("name", UNLIMITED)
async def test_what_fails_behind_the_decision_is_repeated_alone_until_it_succeeds(
    batch: BatchHarness, name: Name
) -> None:
    ends = COMPLETED
    if isinstance(name, Compensation):
        batch.fake.plan(Step.DEPOSIT, Fault.FAILS)
        ends = COMPENSATED
    batch.fake.plan_for(3, name, Fault.FAILS, attempts=9)
    assert await batch.run(4) == [ends] * 4


@pytest.mark.parametrize("name", UNLIMITED)
async def test_a_list_behind_the_decision_is_repeated_until_it_succeeds(batch: BatchHarness, name: Name) -> None:
    ends = COMPLETED
    if isinstance(name, Compensation):
        batch.fake.plan(Step.DEPOSIT, Fault.FAILS)
        ends = COMPENSATED
    batch.fake.plan(name, Fault.FAILS, attempts=9)
    assert await batch.run(4) == [ends] * 4


async def test_a_parked_compensation_of_a_deposit_holds_up_no_refund(batch: BatchHarness) -> None:
    batch.fake.plan_for(2, Step.RECORD, Fault.REFUSED)
    batch.fake.plan_for(3, Step.RECORD, Fault.REFUSED)
    batch.fake.plan_for(3, Compensation.DEPOSIT, Fault.FAILS, attempts=60)
    handle = await batch.start(4)
    await until(lambda: batch.fake.decisions(3).get(Step.WITHDRAW) is Decision.COMPENSATED)
    assert batch.fake.decisions(3)[Step.DEPOSIT] is Decision.APPLIED
    assert await batch.end(handle) == [COMPLETED, COMPENSATED, COMPENSATED, COMPLETED]


async def test_nothing_is_undone_while_the_door_is_not_known_to_be_shut(batch: BatchHarness) -> None:
    batch.fake.plan(Step.DEPOSIT, Fault.FAILS)
    batch.fake.plan(Compensation.RECORD, Fault.FAILS, attempts=8)
    await batch.run(4)
    names = [name for name, _ in batch.fake.calls]
    assert names.count(Compensation.RECORD) == 9
    assert names.index(Compensation.DEPOSIT) > 8 + names.index(Compensation.RECORD)


async def test_a_cancel_undoes_what_has_not_begun_and_lets_the_rest_end(batch: BatchHarness) -> None:
    batch.fake.plan(Step.RECORD, Fault.WAITS)
    handle = await batch.start(12)
    await until(batch.fake.waiting[Step.RECORD].is_set)
    await handle.cancel()
    batch.fake.go.set()
    statuses = await batch.end(handle)
    assert statuses[-1] == COMPENSATED
    assert COMPLETED in statuses
