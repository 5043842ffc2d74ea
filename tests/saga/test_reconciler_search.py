"""The reconciler finds each transfer that nobody carries, by whatever is left of it, a page at a time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from free_port import free_port
from live_server import live_server
from prometheus_client import CollectorRegistry
from saga.abandoned_transfers import applied, tombstone
from saga.harness import new_request
from saga.reconciling import AT_ONCE, Reconciler
from service_runtime.app import create_app
from service_runtime.internal_client import InternalClient
from service_runtime.problems import Problem
from temporalio.client import WorkflowExecutionStatus
from transfer_contract.http import ProblemCode
from transfer_contract.names import RECONCILE_TRANSFERS, Process, TaskQueue
from transfer_contract.reconciler import Finding, ReconciliationReport, Search, SearchPosition
from transfer_contract.steps import FinalStatus, Step, final_status
from workflow_handler.abandoned import found_as


async def test_a_transfer_that_temporal_has_forgotten_is_found_by_its_rows(reconciler: Reconciler) -> None:
    request = new_request()
    reconciler.books.put(request, applied(request, Step.WITHDRAW))
    reconciler.books.balances[request.source_account] -= request.amount_minor
    async with reconciler.workers():
        told = await reconciler.takes_over(request.transfer_id)
    assert (told.found, told.has_rows, told.status) == (Finding.FORGOTTEN, True, FinalStatus.COMPENSATED)


async def test_a_door_that_was_shut_for_a_transfer_without_anything_else_is_found_and_the_transfer_ends(
    reconciler: Reconciler,
) -> None:
    """Terminated before its first row, its finisher terminated after the first step, both forgotten."""
    lone = [new_request() for _ in range(3)]
    for request in lone:
        reconciler.mine.add(request.transfer_id)
        reconciler.books.put(request, tombstone(request, Step.RECORD))
    async with reconciler.workers():
        while reconciler.unfinished():
            found = {each.transfer_id: each for each in (await reconciler.reconcile()).taken_over}
            assert {(each.found, each.has_rows) for each in found.values()} <= {(Finding.FORGOTTEN, False)}
    ends = {final_status(reconciler.books.of(request.transfer_id)) for request in lone}
    assert ends == {FinalStatus.COMPENSATED}
    reconciler.check_money(completed=False)


async def test_doors_that_were_shut_are_gone_through_a_page_at_a_time(reconciler: Reconciler) -> None:
    lone = sorted((new_request() for _ in range(3)), key=lambda request: request.transfer_id)
    for request in lone:
        reconciler.books.put(request, tombstone(request, Step.RECORD))
    position, found, complete = SearchPosition(closed_since=datetime.now(UTC)), [], []
    for _ in range(5):
        findings = await reconciler.search(Search(position=position, grace_seconds=0, limit=10), examined=1)
        found.append([each.transfer.transfer_id for each in findings.abandoned])
        complete.append(findings.is_complete)
        position = findings.position
    one, two, three = ([request.transfer_id] for request in lone)
    assert found == [one, two, three, [], one]
    assert complete == [False, False, False, True, False]


async def test_doors_that_cannot_be_read_are_left_for_the_next_search_which_says_so(reconciler: Reconciler) -> None:
    position = SearchPosition(closed_since=datetime.now(UTC), shut_after="a")
    search = Search(position=position, grace_seconds=0, limit=10)
    async with InternalClient(Process.LEDGER_API, f"http://127.0.0.1:{free_port()}", timeout_seconds=1) as away:
        findings = await reconciler.search(search, examined=10, ledger=away)
    assert (findings.is_complete, findings.position.shut_after) == (False, "a")


async def test_a_ledger_api_that_refuses_to_list_its_doors_is_a_defect_and_fails_the_search(
    reconciler: Reconciler,
) -> None:
    app = create_app(Process.LEDGER_API, {}, registry=CollectorRegistry())  # it has no such list
    async with (
        live_server(app) as server,
        InternalClient(Process.LEDGER_API, server.url, timeout_seconds=5) as refusing,
    ):
        with pytest.raises(Problem) as refused:
            await reconciler.search(Search(grace_seconds=0, limit=10), examined=10, ledger=refusing)
    assert refused.value.code is not ProblemCode.UNAVAILABLE


async def test_a_search_goes_on_after_the_transfers_that_the_one_before_it_has_examined(reconciler: Reconciler) -> None:
    """However many are on their way, each is examined in its turn."""
    moment = datetime.now(UTC)
    requests = [new_request().model_copy(update={"created_at": moment - timedelta(hours=age)}) for age in range(1, 4)]
    for request in requests:
        reconciler.books.put(request, applied(request, Step.WITHDRAW))
    position, found = SearchPosition(closed_since=moment), []
    for _ in range(4):
        findings = await reconciler.search(Search(position=position, grace_seconds=0, limit=10), examined=1)
        found.append([each.transfer.transfer_id for each in findings.abandoned])
        position = findings.position
    one, two, three = ([request.transfer_id] for request in requests)
    assert found == [one, two, three, one]


async def test_a_run_by_hand_needs_no_argument(reconciler: Reconciler) -> None:
    request = new_request()
    await (await reconciler.start(request)).terminate()
    await reconciler.until_listed_as_closed()
    async with reconciler.workers():
        report: ReconciliationReport = await reconciler.client.execute_workflow(
            RECONCILE_TRANSFERS, id="by-hand", task_queue=TaskQueue.TRANSFERS, result_type=ReconciliationReport
        )
    assert [(each.transfer_id, each.status) for each in report.taken_over] == [
        (request.transfer_id, FinalStatus.COMPENSATED)
    ]


async def test_a_run_takes_over_as_many_as_its_limit_says_and_the_next_one_the_rest(reconciler: Reconciler) -> None:
    for _ in range(5):
        await (await reconciler.start()).terminate()
    await reconciler.until_listed_as_closed()
    async with reconciler.workers():
        limited = replace(AT_ONCE, limit=3)
        first, second, third = [await reconciler.reconcile(limited) for _ in range(3)]
    assert [len(run.taken_over) for run in (first, second, third)] == [3, 2, 0]
    assert (first.is_complete, second.is_complete) == (False, True)
    reconciler.check_money(completed=False)


def test_a_workflow_is_told_as_completed_only_where_it_was_found_so() -> None:
    assert found_as(WorkflowExecutionStatus.COMPLETED) is Finding.COMPLETED
    told = [found_as(status) for status in (*WorkflowExecutionStatus, None)]
    assert told.count(Finding.COMPLETED) == 1
    assert found_as(None) is found_as(WorkflowExecutionStatus.CONTINUED_AS_NEW) is Finding.OTHER
