"""The key again, a run again, a reconciler: whatever comes after a run that ended, was ended or was forgotten.

As in `test_traces.py`, each test ends with all transfers final, every account, row and entry right.
"""

from dataclasses import replace

import pytest
from integration.whole_saga import MOVED, NOTHING_MOVED, WholeSaga
from saga.fake_participants import Fault
from saga.harness import until
from service_runtime.problems import Problem
from transfer_contract.http import ProblemCode
from transfer_contract.reconciler import Finding
from transfer_contract.steps import FailureCode, FinalStatus, Step
from transfer_contract.transfers import Scenario


@pytest.mark.parametrize("refused", [False, True])
async def test_a_final_transfer_that_is_posted_again_is_replayed_without_a_run(
    saga: WholeSaga, *, refused: bool
) -> None:
    order = saga.order(scenario=Scenario.LEDGER_REJECTS if refused else None)
    await saga.transfer(order)
    run_id = (await saga.workflow(order).describe()).run_id
    assert (await saga.start(order)).replayed
    assert (await saga.workflow(order).describe()).run_id == run_id


@pytest.mark.parametrize("is_cancelled", [False, True])
@pytest.mark.parametrize("refused", [False, True])
async def test_a_final_transfer_that_is_run_again_moves_nothing(
    saga: WholeSaga, *, refused: bool, is_cancelled: bool
) -> None:
    order = saga.order(scenario=Scenario.LEDGER_REJECTS if refused else None)
    first = await saga.transfer(order)
    await saga.run_again(order)
    if is_cancelled:
        await saga.workflow(order).cancel()
    assert await saga.end(order) is first
    assert saga.balances() == (NOTHING_MOVED if refused else MOVED)


async def test_another_request_with_the_key_of_a_terminated_run_is_refused_and_moves_nothing(saga: WholeSaga) -> None:
    saga.faults.plan(Step.WITHDRAW, Fault.ANSWER_LOST, attempts=1)
    saga.timings = replace(saga.timings, first_retry_seconds=60, longest_retry_seconds=60)
    order, other = saga.order(), saga.order(amount_minor=1)
    await saga.start(order)
    await until(lambda: saga.transfer_rows(order) is not None)
    await saga.workflow(order).terminate()
    saga.faults.plan(Step.WITHDRAW, Fault.ANSWER_LOST, attempts=0)
    with pytest.raises(Problem) as refusal:
        await saga.start(other)
    assert refusal.value.code is ProblemCode.IDEMPOTENCY_KEY_REUSED
    await saga.run_again(other)  # it started before the first request had a row
    result = await saga.workflow(other).result()
    assert result.failure is not None
    assert (result.status, result.failure.code) == (None, FailureCode.IDEMPOTENCY_KEY_REUSED)
    saga.check_money()
    await saga.start(order)
    assert await saga.end(order) is FinalStatus.COMPLETED


async def test_the_reconciler_shuts_the_door_on_a_record_that_is_under_way(saga: WholeSaga) -> None:
    saga.faults.plan(Step.RECORD, Fault.WAITS)
    order = saga.order()
    await saga.start(order)
    await saga.is_under_way(Step.RECORD)
    await saga.workflow(order).terminate()
    told = await saga.reconciled(order)
    assert (told.found, told.status) == (Finding.TERMINATED, FinalStatus.COMPENSATED)


async def test_the_reconciler_completes_a_transfer_whose_record_applied_unheard(saga: WholeSaga) -> None:
    saga.timings = replace(saga.timings, first_retry_seconds=60, longest_retry_seconds=60)
    saga.faults.plan(Step.RECORD, Fault.ANSWER_LOST, attempts=1)
    order = saga.order()
    await saga.start(order)
    await until(lambda: Step.RECORD in saga.faults.calls)
    await saga.workflow(order).terminate()
    assert (await saga.reconciled(order)).status is FinalStatus.COMPLETED


async def test_the_reconciler_ends_a_transfer_that_was_terminated_before_its_first_row(saga: WholeSaga) -> None:
    saga.faults.plan(Step.WITHDRAW, Fault.WAITS, attempts=1)
    order = saga.order()
    await saga.start(order)
    await saga.is_under_way(Step.WITHDRAW)
    await saga.workflow(order).terminate()
    told = await saga.reconciled(order)
    assert (told.has_rows, told.status) == (False, FinalStatus.COMPENSATED)
