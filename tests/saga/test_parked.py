"""A compensation or release that keeps failing is parked, shown, and holds up nothing that it need not (rule 6)."""

import asyncio
from dataclasses import replace

from saga.fake_participants import Fault
from saga.harness import Handle, Harness, until
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetActivityRequest
from temporalio.client import WorkflowExecutionStatus
from transfer_contract.names import TRANSFER_STATUS
from transfer_contract.steps import Compensation, Decision, FinalStatus, Step
from transfer_contract.transfers import TransferStatus

FOREVER = 1_000


async def test_a_parked_deposit_compensation_does_not_hold_up_the_withdraw_compensation(harness: Harness) -> None:
    harness.faults.plan(Step.RECORD, Fault.REFUSED)
    harness.faults.plan(Compensation.DEPOSIT, Fault.FAILS, attempts=30)
    result = await harness.run()
    assert result.status is FinalStatus.COMPENSATED
    calls = harness.faults.calls
    before_refund = calls[: calls.index(Compensation.WITHDRAW)]
    assert before_refund.count(Compensation.DEPOSIT) >= 5
    assert calls.count(Compensation.DEPOSIT) == 31


async def test_the_workflow_stays_open_while_a_compensation_is_parked(harness: Harness) -> None:
    harness.faults.plan(Step.RECORD, Fault.REFUSED)
    harness.faults.plan(Compensation.DEPOSIT, Fault.FAILS, attempts=FOREVER)
    transfer = await harness.start()
    await until(lambda: Compensation.WITHDRAW in harness.faults.calls)
    await asyncio.sleep(0.3)
    assert (await transfer.describe()).status is WorkflowExecutionStatus.RUNNING
    harness.faults.plan(Compensation.DEPOSIT, Fault.FAILS, attempts=0)
    assert (await harness.end(transfer)).status is FinalStatus.COMPENSATED


async def test_nothing_is_undone_while_the_door_is_not_known_to_be_shut(harness: Harness) -> None:
    harness.faults.plan(Step.RECORD, Fault.FAILS)
    harness.faults.plan(Compensation.RECORD, Fault.FAILS, attempts=FOREVER)
    transfer = await harness.start()
    await until(lambda: harness.faults.calls.count(Compensation.RECORD) >= 9)
    assert Compensation.DEPOSIT not in harness.faults.calls
    assert Compensation.WITHDRAW not in harness.faults.calls
    harness.faults.plan(Compensation.RECORD, Fault.FAILS, attempts=0)
    result = await harness.end(transfer)
    assert harness.decision(result, Step.RECORD) is Decision.CANCELLED


async def test_a_failing_compensation_adds_nothing_to_the_history(harness: Harness) -> None:
    harness.faults.plan(Step.RECORD, Fault.REFUSED)
    harness.faults.plan(Compensation.WITHDRAW, Fault.FAILS, attempts=FOREVER)
    transfer = await harness.start()
    await until(lambda: harness.faults.calls.count(Compensation.WITHDRAW) >= 15)
    early = len((await transfer.fetch_history()).events)
    await until(lambda: harness.faults.calls.count(Compensation.WITHDRAW) >= 40)
    assert len((await transfer.fetch_history()).events) == early
    harness.faults.plan(Compensation.WITHDRAW, Fault.FAILS, attempts=0)
    await harness.end(transfer)


async def test_a_parked_transfer_is_found_by_its_search_attribute_and_retried_at_once(harness: Harness) -> None:
    harness.timings = replace(harness.timings, longest_retry_seconds=60)
    harness.faults.plan(Step.RECORD, Fault.REFUSED)
    harness.faults.plan(Compensation.WITHDRAW, Fault.FAILS, attempts=11)  # the next one would be 40 s later
    transfer = await harness.start()
    await until(lambda: harness.faults.calls.count(Compensation.WITHDRAW) >= 10)
    assert await attribute(transfer) == TransferStatus.NEEDS_ATTENTION
    harness.faults.plan(Compensation.WITHDRAW, Fault.FAILS, attempts=0)
    await harness.client.workflow_service.reset_activity(
        ResetActivityRequest(
            namespace=harness.client.namespace,
            execution=WorkflowExecution(workflow_id=transfer.id),
            id=Compensation.WITHDRAW,
        )
    )
    async with asyncio.timeout(3):
        assert (await harness.end(transfer)).status is FinalStatus.COMPENSATED


async def test_the_search_attribute_says_compensating_and_is_never_written_on_the_happy_path(harness: Harness) -> None:
    completed = await harness.start()
    await harness.end(completed)
    assert await attribute(completed) is None

    harness.books.balances.clear()
    harness.books.entries.clear()
    harness.faults.plan(Step.RECORD, Fault.REFUSED)
    compensated = await harness.start()
    await harness.end(compensated)
    assert await attribute(compensated) == TransferStatus.COMPENSATING


async def attribute(transfer: Handle) -> str | None:
    return (await transfer.describe()).typed_search_attributes.get(TRANSFER_STATUS)
