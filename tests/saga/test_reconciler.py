"""A transfer that nobody carries is brought to its end by its rows, whatever became of its workflow; no other is."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import uuid4

import pytest
from free_port import free_port
from live_server import live_server
from prometheus_client import CollectorRegistry
from saga.defective import Defective
from saga.fake_participants import START_BALANCE, Fault, Name
from saga.harness import AMOUNT, Handle, new_request, until
from saga.reconciling import AT_ONCE, Reconciler, reconciler
from service_runtime.app import create_app
from service_runtime.internal_client import InternalClient
from service_runtime.problems import Problem
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.service import RPCError
from transfer_contract.http import ProblemCode
from transfer_contract.names import FINISH_TRANSFER, RECONCILE_TRANSFERS, Process, TaskQueue, finisher_id
from transfer_contract.reconciler import Finding, ReconciliationReport, Search, SearchPosition
from transfer_contract.steps import (
    Compensation,
    Decision,
    Failure,
    FailureCode,
    FinalStatus,
    Occurrence,
    Step,
    StepRow,
    final_status,
)
from transfer_contract.transfers import AbortRequest, TransferRequest, TransferResult
from workflow_handler.abandoned import found_as
from workflow_handler.transfer_money import TransferMoney

WHOLE_ABORT = [Compensation.RECORD, Compensation.DEPOSIT, Compensation.WITHDRAW]
FOREVER = 1_000


@pytest.fixture
async def harness(temporal_client: Client) -> AsyncIterator[Reconciler]:
    async with reconciler(temporal_client) as harness:
        yield harness


async def until_waiting(harness: Reconciler, name: Name) -> None:
    assert await asyncio.to_thread(harness.faults.waiting[name].wait, 20)


async def terminated_in(harness: Reconciler, name: Name) -> TransferRequest:
    """A transfer whose workflow is gone while an attempt of this step is under way; the attempt goes on."""
    harness.timings = replace(harness.timings, start_to_close_seconds=60)
    request = new_request()
    harness.faults.plan(name, Fault.WAITS, attempts=1)
    transfer = await harness.start(request)
    await until_waiting(harness, name)
    await transfer.terminate()
    harness.faults.plan(name, Fault.WAITS, attempts=0)
    harness.faults.calls.clear()
    return request


def failure_of(harness: Reconciler, transfer_id: str) -> Failure:
    failure = harness.books.rows[transfer_id, Step.WITHDRAW].failure
    assert failure is not None
    return failure


@pytest.mark.parametrize("step", [Step.WITHDRAW, Step.DEPOSIT, Step.RECORD])
async def test_a_transfer_terminated_in_a_step_is_undone_and_the_late_attempt_moves_nothing(
    harness: Reconciler, step: Step
) -> None:
    async with harness.workers():
        request = await terminated_in(harness, step)
        told = await harness.takes_over(request.transfer_id)
        assert (told.found, told.status) == (Finding.TERMINATED, FinalStatus.COMPENSATED)
        assert told.has_rows is (step is not Step.WITHDRAW)
        assert harness.faults.order == WHOLE_ABORT
        assert failure_of(harness, request.transfer_id).code is FailureCode.INTERRUPTED
        harness.faults.go.set()
        await asyncio.sleep(0.2)
        harness.check_money(completed=False)


async def test_a_transfer_terminated_in_its_release_completes(harness: Reconciler) -> None:
    async with harness.workers():
        request = await terminated_in(harness, Step.RELEASE)
        told = await harness.takes_over(request.transfer_id)
        assert (told.found, told.status) == (Finding.TERMINATED, FinalStatus.COMPLETED)
        assert harness.faults.order == [Compensation.RECORD, Step.RELEASE]


@pytest.mark.parametrize("compensation", [Compensation.DEPOSIT, Compensation.WITHDRAW])
async def test_a_transfer_terminated_while_it_is_undone_is_undone_to_the_end_and_keeps_the_refusal_as_its_failure(
    harness: Reconciler, compensation: Compensation
) -> None:
    harness.faults.plan(Step.RECORD, Fault.REFUSED)
    async with harness.workers():
        request = await terminated_in(harness, compensation)
        told = await harness.takes_over(request.transfer_id)
        assert (told.found, told.status) == (Finding.TERMINATED, FinalStatus.COMPENSATED)
        assert failure_of(harness, request.transfer_id).code is FailureCode.LEDGER_REJECTED


async def test_a_transfer_terminated_after_its_record_applied_unheard_completes(harness: Reconciler) -> None:
    harness.faults.plan(Step.RECORD, Fault.TIMES_OUT_AFTER_APPLYING)
    harness.timings = replace(harness.timings, start_to_close_seconds=60)
    async with harness.workers():
        request = new_request()
        transfer = await harness.start(request)
        await until(lambda: (request.transfer_id, Step.RECORD) in harness.books.rows)
        await transfer.terminate()
        assert (await harness.takes_over(request.transfer_id)).status is FinalStatus.COMPLETED


async def test_a_transfer_terminated_before_its_first_task_is_compensated_without_having_moved(
    harness: Reconciler,
) -> None:
    request = new_request()
    await (await harness.start(request)).terminate()  # no worker yet
    async with harness.workers():
        told = await harness.takes_over(request.transfer_id)
        assert (told.found, told.has_rows, told.status) == (Finding.TERMINATED, False, FinalStatus.COMPENSATED)
        assert harness.faults.calls == WHOLE_ABORT
        again = await harness.end(await harness.start(request))
        assert (again.status, again.failure) == (FinalStatus.COMPENSATED, failure_of(harness, request.transfer_id))


async def test_a_transfer_that_temporal_has_forgotten_is_found_by_its_rows(harness: Reconciler) -> None:
    request = new_request()
    harness.books.put(request, applied(request, Step.WITHDRAW))
    harness.books.balances[request.source_account] -= request.amount_minor
    async with harness.workers():
        told = await harness.takes_over(request.transfer_id)
    assert (told.found, told.has_rows, told.status) == (Finding.FORGOTTEN, True, FinalStatus.COMPENSATED)


async def test_a_door_that_was_shut_for_a_transfer_without_anything_else_is_found_and_the_transfer_ends(
    harness: Reconciler,
) -> None:
    """Terminated before its first row, its finisher terminated after the first step, both forgotten."""
    lone = [new_request() for _ in range(3)]
    for request in lone:
        harness.mine.add(request.transfer_id)
        harness.books.put(request, tombstone(request, Step.RECORD))
    async with harness.workers():
        while harness.unfinished():
            found = {each.transfer_id: each for each in (await harness.reconcile()).taken_over}
            assert {(each.found, each.has_rows) for each in found.values()} <= {(Finding.FORGOTTEN, False)}
    ends = {final_status(harness.books.of(request.transfer_id)) for request in lone}
    assert ends == {FinalStatus.COMPENSATED}
    harness.check_money(completed=False)


async def test_doors_that_were_shut_are_gone_through_a_page_at_a_time(harness: Reconciler) -> None:
    lone = sorted((new_request() for _ in range(3)), key=lambda request: request.transfer_id)
    for request in lone:
        harness.books.put(request, tombstone(request, Step.RECORD))
    position, found, complete = SearchPosition(closed_since=datetime.now(UTC)), [], []
    for _ in range(5):
        findings = await harness.search(Search(position=position, grace_seconds=0, limit=10), examined=1)
        found.append([each.transfer.transfer_id for each in findings.abandoned])
        complete.append(findings.is_complete)
        position = findings.position
    one, two, three = ([request.transfer_id] for request in lone)
    assert found == [one, two, three, [], one]
    assert complete == [False, False, False, True, False]


async def test_doors_that_cannot_be_read_are_left_for_the_next_search_which_says_so(harness: Reconciler) -> None:
    position = SearchPosition(closed_since=datetime.now(UTC), shut_after="a")
    search = Search(position=position, grace_seconds=0, limit=10)
    async with InternalClient(Process.LEDGER_API, f"http://127.0.0.1:{free_port()}", timeout_seconds=1) as away:
        findings = await harness.search(search, examined=10, ledger=away)
    assert (findings.is_complete, findings.position.shut_after) == (False, "a")


async def test_a_ledger_api_that_refuses_to_list_its_doors_is_a_defect_and_fails_the_search(
    harness: Reconciler,
) -> None:
    app = create_app(Process.LEDGER_API, {}, registry=CollectorRegistry())  # it has no such list
    async with (
        live_server(app) as server,
        InternalClient(Process.LEDGER_API, server.url, timeout_seconds=5) as refusing,
    ):
        with pytest.raises(Problem) as refused:
            await harness.search(Search(grace_seconds=0, limit=10), examined=10, ledger=refusing)
    assert refused.value.code is not ProblemCode.UNAVAILABLE


def test_a_workflow_is_told_as_completed_only_where_it_was_found_so() -> None:
    assert found_as(WorkflowExecutionStatus.COMPLETED) is Finding.COMPLETED
    told = [found_as(status) for status in (*WorkflowExecutionStatus, None)]
    assert told.count(Finding.COMPLETED) == 1
    assert found_as(None) is found_as(WorkflowExecutionStatus.CONTINUED_AS_NEW) is Finding.OTHER


async def test_a_transfer_whose_workflow_timed_out_is_finished(harness: Reconciler) -> None:
    harness.faults.plan(Step.DEPOSIT, Fault.WAITS, attempts=1)
    harness.timings = replace(harness.timings, start_to_close_seconds=60)
    async with harness.workers():
        request = new_request()
        transfer = await harness.start(request, execution_timeout=timedelta(seconds=1))
        with pytest.raises(WorkflowFailureError):
            await transfer.result()
        told = await harness.takes_over(request.transfer_id)
        assert (told.found, told.status) == (Finding.TIMED_OUT, FinalStatus.COMPENSATED)


@pytest.mark.parametrize(("ending", "found"), [("fails", Finding.FAILED), ("completes", Finding.COMPLETED)])
async def test_a_transfer_whose_workflow_closed_by_a_defect_is_finished(
    harness: Reconciler, ending: str, found: Finding
) -> None:
    harness.transfer_money = Defective
    async with harness.workers():
        request = new_request().model_copy(update={"reference": ending})
        closed = await harness.start(request)
        with contextlib.suppress(WorkflowFailureError):
            await closed.result()
        told = await harness.takes_over(request.transfer_id)
        assert (told.found, told.status) == (found, FinalStatus.COMPENSATED)


async def test_a_transfer_whose_workflow_task_keeps_failing_is_finished_and_its_workflow_ends_once_it_is_repaired(
    harness: Reconciler,
) -> None:
    harness.transfer_money = Defective
    request = new_request()
    async with harness.workers():
        transfer = await harness.start(request, task_timeout=timedelta(seconds=1))
        await until(lambda: (request.transfer_id, Step.WITHDRAW) in harness.books.rows)
        assert (await harness.leaves_alone(request.transfer_id)).carried == 1  # a task that fails once may be repaired
        await until_task_attempt(transfer, 4)
        told = await harness.takes_over(request.transfer_id)
        assert (told.found, told.status) == (Finding.STUCK, FinalStatus.COMPENSATED)
        assert (await transfer.describe()).status is WorkflowExecutionStatus.RUNNING
    harness.transfer_money = TransferMoney
    async with harness.workers():
        result = await harness.end(transfer)
    assert result.status is FinalStatus.COMPENSATED
    assert result.failure == failure_of(harness, request.transfer_id)


async def test_a_transfer_whose_first_workflow_task_keeps_failing_is_found_without_any_row(harness: Reconciler) -> None:
    harness.transfer_money = Defective
    async with harness.workers():
        request = new_request().model_copy(update={"reference": "does nothing"})
        transfer = await harness.start(request, task_timeout=timedelta(seconds=1))
        await until_task_attempt(transfer, 7)  # from the sixth on the server reports problems
        told = await harness.takes_over(request.transfer_id)
        assert (told.found, told.has_rows, told.status) == (Finding.STUCK, False, FinalStatus.COMPENSATED)
        await transfer.terminate()


async def test_a_run_by_hand_needs_no_argument(harness: Reconciler) -> None:
    request = new_request()
    await (await harness.start(request)).terminate()
    await harness.until_listed_as_closed()
    async with harness.workers():
        report: ReconciliationReport = await harness.client.execute_workflow(
            RECONCILE_TRANSFERS, id="by-hand", task_queue=TaskQueue.TRANSFERS, result_type=ReconciliationReport
        )
    assert [(each.transfer_id, each.status) for each in report.taken_over] == [
        (request.transfer_id, FinalStatus.COMPENSATED)
    ]


async def test_a_search_goes_on_after_the_transfers_that_the_one_before_it_has_examined(harness: Reconciler) -> None:
    """However many are on their way, each is examined in its turn."""
    moment = datetime.now(UTC)
    requests = [new_request().model_copy(update={"created_at": moment - timedelta(hours=age)}) for age in range(1, 4)]
    for request in requests:
        harness.books.put(request, applied(request, Step.WITHDRAW))
    position, found = SearchPosition(closed_since=moment), []
    for _ in range(4):
        findings = await harness.search(Search(position=position, grace_seconds=0, limit=10), examined=1)
        found.append([each.transfer.transfer_id for each in findings.abandoned])
        position = findings.position
    one, two, three = ([request.transfer_id] for request in requests)
    assert found == [one, two, three, one]


async def test_a_transfer_on_its_way_is_left_alone(harness: Reconciler) -> None:
    harness.faults.plan(Step.DEPOSIT, Fault.WAITS, attempts=1)
    harness.timings = replace(harness.timings, start_to_close_seconds=60)
    async with harness.workers():
        request = new_request()
        transfer = await harness.start(request)
        await until_waiting(harness, Step.DEPOSIT)
        assert (await harness.leaves_alone(request.transfer_id)).carried == 1
        harness.faults.go.set()
        assert (await harness.end(transfer)).status is FinalStatus.COMPLETED


async def test_a_young_transfer_is_left_alone_without_asking(harness: Reconciler) -> None:
    request = new_request()
    harness.books.put(request, applied(request, Step.WITHDRAW))
    async with harness.workers():
        report = await harness.reconcile(replace(AT_ONCE, grace_seconds=10))
    assert (report.taken_over, report.carried) == ((), 0)


async def test_a_parked_transfer_is_left_alone(harness: Reconciler) -> None:
    harness.faults.plan(Step.RECORD, Fault.REFUSED)
    harness.faults.plan(Compensation.WITHDRAW, Fault.FAILS, attempts=FOREVER)
    async with harness.workers():
        request = new_request()
        transfer = await harness.start(request)
        await until(lambda: harness.faults.calls.count(Compensation.WITHDRAW) > 7)
        assert (await harness.leaves_alone(request.transfer_id)).carried == 1
        harness.faults.plan(Compensation.WITHDRAW, Fault.FAILS, attempts=0)
        await harness.end(transfer)
        assert Compensation.RECORD not in harness.faults.calls


async def test_a_transfer_whose_workflow_was_reset_is_left_to_the_new_run(harness: Reconciler) -> None:
    harness.timings = replace(harness.timings, start_to_close_seconds=60)
    harness.faults.plan(Step.DEPOSIT, Fault.WAITS)
    async with harness.workers():
        request = new_request()
        transfer = await harness.start(request)
        await until_waiting(harness, Step.DEPOSIT)
        await reset(harness.client, transfer)
        assert (await harness.leaves_alone(request.transfer_id)).carried == 1
        harness.faults.go.set()
        newest: Handle = harness.client.get_workflow_handle(transfer.id, result_type=TransferResult)
        assert (await harness.end(newest)).status is FinalStatus.COMPLETED


async def test_a_transfer_whose_reset_run_is_terminated_is_finished(harness: Reconciler) -> None:
    harness.timings = replace(harness.timings, start_to_close_seconds=60)
    harness.faults.plan(Step.RECORD, Fault.WAITS)
    async with harness.workers():
        request = new_request()
        transfer = await harness.start(request)
        await until_waiting(harness, Step.RECORD)
        await reset(harness.client, transfer)
        await harness.client.get_workflow_handle(transfer.id).terminate()
        told = await harness.takes_over(request.transfer_id)
        assert (told.found, told.status) == (Finding.TERMINATED, FinalStatus.COMPENSATED)


async def test_a_second_run_is_left_alone_and_ends_as_a_finisher_beside_it_does(harness: Reconciler) -> None:
    """The first one was terminated, and the client has posted again."""
    async with harness.workers():
        request = await terminated_in(harness, Step.RECORD)
        harness.faults.plan(Step.RECORD, Fault.WAITS)
        second = await harness.start(request)
        await until(lambda: Step.RECORD in harness.faults.calls)
        assert (await harness.leaves_alone(request.transfer_id)).carried == 1
        finishing = asyncio.create_task(finish(harness, request))
        await until(lambda: Compensation.RECORD in harness.faults.calls)
        harness.faults.go.set()
        finished, result = await finishing, await harness.end(second)
        assert finished.status is result.status is FinalStatus.COMPENSATED
        harness.check_money(completed=False)


async def reset(client: Client, transfer: Handle) -> None:
    """To its first task, as an operator does."""
    execution = WorkflowExecution(workflow_id=transfer.id, run_id=transfer.first_execution_run_id or "")
    await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=execution,
            reason="by the test",
            workflow_task_finish_event_id=4,
            request_id=str(uuid4()),
        )
    )


async def test_transfers_whose_workflows_are_terminated_at_any_moment_all_end_and_the_money_is_right(
    harness: Reconciler,
) -> None:
    """Some before anybody has heard of them, some when they are over; with two reconcilers at a time."""
    chance = Random(5)  # noqa: S311 - for tests
    harness.timings = replace(harness.timings, start_to_close_seconds=20)
    async with harness.workers():
        transfers = [await harness.start() for _ in range(12)]

        async def lose(transfer: Handle) -> None:
            await asyncio.sleep(chance.uniform(0, 2))
            with contextlib.suppress(RPCError):  # it is over already
                await transfer.terminate()

        async def reconcile() -> None:
            while harness.unfinished():
                await harness.reconcile()

        await asyncio.gather(*map(lose, transfers), reconcile(), reconcile())
    ends = Counter(final_status(harness.books.of(transfer_id)) for transfer_id in harness.mine)
    assert ends.keys() <= {FinalStatus.COMPLETED, FinalStatus.COMPENSATED}
    moved = ends[FinalStatus.COMPLETED] * AMOUNT
    assert harness.books.balances == {"alice": START_BALANCE - moved, "bob": START_BALANCE + moved}
    assert not any(harness.books.held.values())
    assert harness.books.entries["bob"] == moved


async def test_a_transfer_that_cannot_be_finished_now_holds_up_neither_the_others_nor_the_next_run(
    harness: Reconciler,
) -> None:
    impatient = replace(AT_ONCE, at_once=1, wait_seconds=0.5)
    harness.faults.plan(Step.RECORD, Fault.REFUSED)
    async with harness.workers():
        request = await terminated_in(harness, Compensation.WITHDRAW)
        harness.faults.plan(Compensation.WITHDRAW, Fault.FAILS, attempts=FOREVER)
        first = await harness.reconcile(impatient)
        assert [(each.transfer_id, each.status) for each in first.taken_over] == [(request.transfer_id, None)]
        second = await harness.reconcile(impatient)
        assert (second.taken_over, second.under_way) == ((), (request.transfer_id,))
        harness.faults.plan(Compensation.WITHDRAW, Fault.FAILS, attempts=0)
        finisher = harness.client.get_workflow_handle(finisher_id(request.transfer_id), result_type=TransferResult)
        result = await finisher.result()
        harness.check(result)
        assert (await harness.reconcile()).under_way == ()


async def test_a_parked_deposit_compensation_does_not_hold_up_the_refund(harness: Reconciler) -> None:
    async with harness.workers():
        request = await terminated_in(harness, Step.RECORD)
        harness.faults.plan(Compensation.DEPOSIT, Fault.FAILS, attempts=20)
        assert (await harness.takes_over(request.transfer_id)).status is FinalStatus.COMPENSATED
        calls = harness.faults.calls
        assert calls.index(Compensation.WITHDRAW) < len(calls) - 1 - calls[::-1].index(Compensation.DEPOSIT)


async def test_a_run_takes_over_as_many_as_its_limit_says_and_the_next_one_the_rest(harness: Reconciler) -> None:
    for _ in range(5):
        await (await harness.start()).terminate()
    await harness.until_listed_as_closed()
    async with harness.workers():
        limited = replace(AT_ONCE, limit=3)
        first, second, third = [await harness.reconcile(limited) for _ in range(3)]
    assert [len(run.taken_over) for run in (first, second, third)] == [3, 2, 0]
    assert (first.is_complete, second.is_complete) == (False, True)
    harness.check_money(completed=False)


async def test_runs_at_the_same_time_finish_a_transfer_once(harness: Reconciler) -> None:
    async with harness.workers():
        request = await terminated_in(harness, Step.RECORD)
        reports = await asyncio.gather(*(harness.reconcile() for _ in range(3)))
        statuses = {each.status for run in reports for each in run.taken_over}
        assert statuses <= {FinalStatus.COMPENSATED, None}
        await harness.client.get_workflow_handle(finisher_id(request.transfer_id)).result()
        harness.check_money(completed=False)


@pytest.mark.parametrize("after", [None, Step.WITHDRAW, Step.DEPOSIT, Step.RECORD, Step.RELEASE])
async def test_a_workflow_that_is_alive_after_all_ends_with_the_same_status(
    harness: Reconciler, after: Step | None
) -> None:
    """As if the search had been wrong: both decide by the same rows."""
    harness.timings = replace(harness.timings, start_to_close_seconds=20)
    async with harness.workers():
        request = new_request()
        transfer = await harness.start(request)
        if after is not None:
            await until(lambda: (request.transfer_id, after) in harness.books.rows)
        finished = await finish(harness, request)
        result = await harness.end(transfer)
        assert finished.status is result.status


async def finish(harness: Reconciler, request: TransferRequest) -> TransferResult:
    interrupted = Failure(code=FailureCode.INTERRUPTED, detail="by the test")
    result: TransferResult = await harness.client.execute_workflow(
        FINISH_TRANSFER,
        args=[AbortRequest(transfer=request, failure=interrupted), harness.timings],
        id=finisher_id(request.transfer_id),
        task_queue=TaskQueue.TRANSFERS,
        result_type=TransferResult,
    )
    return result


async def test_a_finisher_that_is_cancelled_finishes(harness: Reconciler) -> None:
    async with harness.workers():
        request = await terminated_in(harness, Step.RECORD)
        harness.faults.plan(Compensation.DEPOSIT, Fault.FAILS, attempts=4)
        reconciling = asyncio.create_task(harness.takes_over(request.transfer_id))
        await until(lambda: Compensation.RECORD in harness.faults.calls)
        await harness.client.get_workflow_handle(finisher_id(request.transfer_id)).cancel()
        assert (await reconciling).status is FinalStatus.COMPENSATED


async def test_a_finisher_that_is_terminated_is_followed_by_another(harness: Reconciler) -> None:
    async with harness.workers():
        request = await terminated_in(harness, Step.RECORD)
        harness.faults.plan(Compensation.RECORD, Fault.FAILS, attempts=FOREVER)
        await harness.reconcile(replace(AT_ONCE, wait_seconds=0.2))
        await harness.client.get_workflow_handle(finisher_id(request.transfer_id)).terminate()
        harness.faults.plan(Compensation.RECORD, Fault.FAILS, attempts=0)
        assert (await harness.takes_over(request.transfer_id)).status is FinalStatus.COMPENSATED


def applied(request: TransferRequest, step: Step) -> StepRow:
    return StepRow(transfer_id=request.transfer_id, step=step, decision=Decision.APPLIED, forward=just_now())


def tombstone(request: TransferRequest, step: Step) -> StepRow:
    return StepRow(transfer_id=request.transfer_id, step=step, decision=Decision.CANCELLED, compensation=just_now())


def just_now() -> Occurrence:
    now = datetime.now(UTC)
    return Occurrence(attempt=1, scheduled_at=now, decided_at=now)


async def until_task_attempt(transfer: Handle, attempt: int) -> None:
    async with asyncio.timeout(40):
        while (await transfer.describe()).raw_description.pending_workflow_task.attempt < attempt:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
