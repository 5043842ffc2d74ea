"""A batch that nobody carries is brought to its end by its rows, many transfers at a time; no other is."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from random import Random

import pytest
from saga.batch_harness import Handle
from saga.batch_reconciling import BatchReconciler, batch_reconciler
from saga.fake_participants import Fault, Name
from saga.harness import until
from saga.reconciling import AT_ONCE
from temporalio.client import Client
from transfer_contract.batches import UnfinishedBatch
from transfer_contract.names import FINISH_BATCH, TaskQueue, batch_finisher_id
from transfer_contract.reconciler import Finding
from transfer_contract.steps import Compensation, Decision, Failure, FailureCode, Step

COMPLETED, REJECTED, COMPENSATED = "completed", "rejected", "compensated"
WHOLE_ABORT = [Compensation.RECORD, Compensation.DEPOSIT, Compensation.WITHDRAW]
INTERRUPTED = Failure(code=FailureCode.INTERRUPTED, detail="by the test")
FOREVER = 1_000


@pytest.fixture
async def harness(temporal_client: Client) -> AsyncIterator[BatchReconciler]:
    async with batch_reconciler(temporal_client) as harness, harness.workers():
        yield harness


async def terminated_in(harness: BatchReconciler, name: Name, total: int = 4) -> Handle:
    """A batch whose workflow is gone while a list is at this step; the attempt goes on."""
    harness.fake.plan(name, Fault.WAITS, attempts=1)
    handle = await harness.start(total)
    await until(harness.fake.waiting[name].is_set)
    await handle.terminate()
    harness.fake.plan(name, Fault.WAITS, attempts=0)
    harness.fake.calls.clear()
    return handle


def batch_finisher(harness: BatchReconciler) -> str:
    assert harness.batch is not None
    return batch_finisher_id(harness.batch.batch_id)


async def finish(harness: BatchReconciler) -> int:
    assert harness.batch is not None
    ended: int = await harness.client.execute_workflow(
        FINISH_BATCH,
        args=[UnfinishedBatch(batch_id=harness.batch.batch_id, failure=INTERRUPTED), harness.batching],
        id=batch_finisher(harness),
        task_queue=TaskQueue.TRANSFERS,
        result_type=int,
    )
    return ended


@pytest.mark.parametrize("step", [Step.WITHDRAW, Step.DEPOSIT, Step.RECORD])
async def test_a_batch_terminated_in_a_step_is_undone_as_a_list_and_the_late_attempt_moves_nothing(
    harness: BatchReconciler, step: Step
) -> None:
    await terminated_in(harness, step)
    told = await harness.takes_over()
    assert (told.found, told.transfers, told.ended) == (Finding.TERMINATED, 4, 4)
    assert harness.fake.calls == [(name, (1, 2, 3, 4)) for name in WHOLE_ABORT]
    harness.fake.go.set()
    await asyncio.sleep(0.2)
    assert harness.ends() == [COMPENSATED] * 4


async def test_a_batch_terminated_in_its_release_completes(harness: BatchReconciler) -> None:
    await terminated_in(harness, Step.RELEASE)
    await harness.takes_over()
    assert harness.ends() == [COMPLETED] * 4
    assert [name for name, _ in harness.fake.calls] == [Compensation.RECORD, Step.RELEASE]


async def test_what_is_final_is_left_alone_and_a_refusal_stays_the_failure(harness: BatchReconciler) -> None:
    harness.fake.plan_for(1, Step.WITHDRAW, Fault.REFUSED)
    harness.fake.plan_for(2, Step.RECORD, Fault.REFUSED)
    harness.fake.plan(Compensation.DEPOSIT, Fault.FAILS, attempts=FOREVER)
    handle = await harness.start(6)
    await until(lambda: harness.fake.statuses(6) == [REJECTED, None, *[COMPLETED] * 4])
    await handle.terminate()
    harness.fake.plan(Compensation.DEPOSIT, Fault.FAILS, attempts=0)
    harness.fake.calls.clear()
    assert (await harness.takes_over()).ended == 1
    assert harness.ends() == [REJECTED, COMPENSATED, *[COMPLETED] * 4]
    assert harness.fake.calls == [(name, (2,)) for name in WHOLE_ABORT]
    assert harness.fake.undone_because[2].code is FailureCode.LEDGER_REJECTED


async def test_a_batch_that_was_stored_and_never_run_is_undone_without_having_moved(harness: BatchReconciler) -> None:
    harness.store(9)
    told = await harness.takes_over()
    assert (told.found, told.ended) == (Finding.FORGOTTEN, 9)
    assert harness.ends() == [COMPENSATED] * 9


async def test_a_large_batch_is_finished_in_chunks_within_one_run(harness: BatchReconciler) -> None:
    harness.store(2_500)
    assert (await harness.takes_over()).ended == 2_500
    assert Counter(name for name, _ in harness.fake.calls) == dict.fromkeys(WHOLE_ABORT, 3)
    assert harness.ends() == [COMPENSATED] * 2_500


@pytest.mark.parametrize("more_after", [None, "a"])
async def test_batches_that_were_not_looked_at_are_left_for_the_next_search_which_says_so(
    harness: BatchReconciler, more_after: str | None
) -> None:
    harness.store(2)
    harness.more_after = more_after
    report = await harness.reconcile()
    assert (report.is_complete, report.position.batches_after) == (more_after is None, more_after or "")
    assert harness.ends() == [COMPENSATED] * 2


async def test_a_batch_on_its_way_is_left_alone(harness: BatchReconciler) -> None:
    harness.fake.plan(Step.DEPOSIT, Fault.WAITS, attempts=1)
    handle = await harness.start(4)
    await until(harness.fake.waiting[Step.DEPOSIT].is_set)
    report = await harness.reconcile()
    assert (report.batches, report.carried) == ((), 1)
    harness.fake.go.set()
    assert await harness.end(handle) == [COMPLETED] * 4
    assert (await harness.reconcile()).batches == ()


async def test_a_batch_that_is_posted_again_goes_on_beside_its_finisher_and_both_say_the_same(
    harness: BatchReconciler,
) -> None:
    await terminated_in(harness, Step.RECORD, total=12)
    again, ended = await asyncio.gather(harness.run_again(), finish(harness))
    assert ended >= 4
    statuses = await harness.end(again)
    assert set(statuses) <= {COMPLETED, COMPENSATED}


@pytest.mark.parametrize("after", [None, Step.WITHDRAW, Step.DEPOSIT, Step.RECORD, Step.RELEASE])
async def test_a_batch_whose_workflow_is_alive_after_all_ends_with_the_same_statuses(
    harness: BatchReconciler, after: Step | None
) -> None:
    """As if the search had been wrong: both decide by the same rows."""
    handle = await harness.start(12)
    if after is not None:
        await until(lambda: (5, after) in harness.fake.rows)
    await finish(harness)
    assert set(await harness.end(handle)) <= {COMPLETED, COMPENSATED}


async def test_batches_terminated_at_any_moment_end_and_the_money_is_right(harness: BatchReconciler) -> None:
    """With two reconcilers at a time."""
    chance = Random(6)  # noqa: S311 - for tests
    for _ in range(4):
        handle = await harness.start(20)
        await asyncio.sleep(chance.uniform(0, 0.4))
        await handle.terminate()
        while harness.fake.unfinished(20):
            await asyncio.gather(harness.reconcile(), harness.reconcile())
        assert set(harness.ends()) <= {COMPLETED, COMPENSATED}
        harness.fake.forget()


async def test_what_cannot_be_finished_now_holds_up_neither_the_others_nor_the_next_run(
    harness: BatchReconciler,
) -> None:
    await terminated_in(harness, Step.RECORD)
    harness.fake.plan_for(3, Compensation.DEPOSIT, Fault.FAILS, attempts=FOREVER)
    impatient = replace(AT_ONCE, wait_seconds=1)
    [told] = (await harness.reconcile(impatient)).batches
    assert told.ended is None
    await until(lambda: harness.fake.decisions(3)[Step.WITHDRAW] is Decision.COMPENSATED)
    assert harness.fake.unfinished(4) == ((3, 3),)
    report = await harness.reconcile(impatient)
    assert (report.batches, len(report.under_way)) == ((), 1)
    harness.fake.plan_for(3, Compensation.DEPOSIT, Fault.FAILS, attempts=0)
    await harness.client.get_workflow_handle(batch_finisher(harness)).result()
    assert harness.ends() == [COMPENSATED] * 4


async def test_a_finisher_that_is_cancelled_finishes(harness: BatchReconciler) -> None:
    await terminated_in(harness, Step.RECORD)
    harness.fake.plan(Compensation.DEPOSIT, Fault.WAITS, attempts=1)
    finishing = asyncio.create_task(harness.takes_over())
    await until(harness.fake.waiting[Compensation.DEPOSIT].is_set)
    await harness.client.get_workflow_handle(batch_finisher(harness)).cancel()
    harness.fake.go.set()
    assert (await finishing).ended == 4
    assert harness.ends() == [COMPENSATED] * 4


async def test_a_finisher_that_is_terminated_is_followed_by_another(harness: BatchReconciler) -> None:
    await terminated_in(harness, Step.RECORD)
    harness.fake.plan(Compensation.RECORD, Fault.FAILS, attempts=FOREVER)
    await harness.reconcile(replace(AT_ONCE, wait_seconds=0.2))
    await harness.client.get_workflow_handle(batch_finisher(harness)).terminate()
    harness.fake.plan(Compensation.RECORD, Fault.FAILS, attempts=0)
    assert (await harness.takes_over()).ended == 4
    assert harness.ends() == [COMPENSATED] * 4
