"""A workflow that closes too early, or in another way than with a result, is said; on a real Temporal server."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

import httpx
import pytest
from chaos import closed_workflows, final_checks, workflow_faults
from chaos.closed_workflows import ClosedWorkflows
from chaos.final_checks import FinalChecks
from chaos.findings import Findings
from chaos.operations import Kind
from chaos.planted_books import PlantedBooks
from chaos.planted_workflows import closed, found_of, listed
from chaos.promises import Promise
from chaos.row_history import AccountRows
from chaos.row_watch import RowWatch
from chaos.schedule import FaultKind
from chaos.strikes import Strikes
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.client import Client
from transfer_contract.names import FINISH_TRANSFER, RECONCILE_TRANSFERS, TRANSFER_MONEY, finisher_id, workflow_id


async def test_a_workflow_that_closes_after_its_rows_passes(
    temporal_client: Client, queue: str, workflows: ClosedWorkflows, findings: Findings
) -> None:
    await closed(temporal_client, queue, "completed")
    assert await found_of("completed", workflows, findings) == []


async def test_a_workflow_that_closes_before_its_rows_are_final_is_said(
    temporal_client: Client, queue: str, workflows: ClosedWorkflows, findings: Findings
) -> None:
    await closed(temporal_client, queue, "held")
    assert await found_of("held", workflows, findings) == ["no workflow closes before its rows are final"]


async def test_a_workflow_that_fails_is_said(
    temporal_client: Client, queue: str, workflows: ClosedWorkflows, findings: Findings
) -> None:
    await closed(temporal_client, queue, "rejected", "fails")
    assert await found_of("rejected", workflows, findings) == ["a workflow closes with a result"]


@pytest.mark.parametrize(("struck", "checks"), [("in-transit", []), ("another", ["a workflow closes with a result"])])
async def test_only_what_a_fault_has_tried_to_strike_may_be_terminated(
    temporal_client: Client, queue: str, books: PlantedBooks, findings: Findings, struck: str, checks: list[str]
) -> None:
    strikes = Strikes()
    strikes.trying(FaultKind.WORKFLOW_TERMINATED, workflow_id(struck))
    await closed(temporal_client, queue, "in-transit", "waits")
    workflows = ClosedWorkflows(books.urls[0], temporal_client, findings.violations, strikes)
    assert await found_of("in-transit", workflows, findings) == checks


@pytest.mark.parametrize(
    ("transfer_id", "checks"), [("completed", []), ("held", ["no workflow closes before its rows are final"])]
)
async def test_the_reconcilers_own_workflow_of_a_transfer_is_looked_at_too(
    temporal_client: Client, queue: str, workflows: ClosedWorkflows, findings: Findings, transfer_id: str,
    checks: list[str],
) -> None:  # fmt: skip
    await listed(temporal_client, queue, (FINISH_TRANSFER, finisher_id(transfer_id)), "completed")
    assert await found_of(transfer_id, workflows, findings) == checks


async def test_a_workflow_of_the_reconciler_that_fails_is_said(
    temporal_client: Client, queue: str, workflows: ClosedWorkflows, findings: Findings
) -> None:
    await listed(temporal_client, queue, (FINISH_TRANSFER, finisher_id("undone")), "fails")
    assert await found_of("undone", workflows, findings) == ["a workflow closes with a result"]


@pytest.mark.parametrize(("struck", "checks"), [(finisher_id, []), (workflow_id, ["a workflow closes with a result"])])
async def test_the_reconcilers_own_workflow_may_be_terminated_only_where_it_was_struck_itself(
    temporal_client: Client, queue: str, books: PlantedBooks, findings: Findings, struck: Callable[[str], str],
    checks: list[str],
) -> None:  # fmt: skip
    strikes, transfer_id = Strikes(), str(uuid4())
    strikes.trying(FaultKind.WORKFLOW_TERMINATED, struck(transfer_id))
    await listed(temporal_client, queue, (FINISH_TRANSFER, finisher_id(transfer_id)), "waits")
    workflows = ClosedWorkflows(books.urls[0], temporal_client, findings.violations, strikes)
    assert await found_of(transfer_id, workflows, findings) == checks


async def test_a_run_of_the_reconciler_that_fails_is_said(
    temporal_client: Client, queue: str, workflows: ClosedWorkflows, findings: Findings
) -> None:
    await listed(temporal_client, queue, (RECONCILE_TRANSFERS, f"reconcile-{queue}"), "fails")
    assert await found_of(queue, workflows, findings) == ["a workflow closes with a result"]


@pytest.mark.parametrize(
    ("kind", "is_there"), [(FaultKind.WORKFLOW_TERMINATED, True), (FaultKind.WORKFLOW_DELETED, False)]
)
async def test_at_the_end_only_who_was_struck_may_have_no_result(
    temporal_client: Client, queue: str, books: PlantedBooks, findings: Findings, kind: FaultKind, is_there: bool
) -> None:
    """Terminated by nobody that a fault knows of, or gone."""
    transfer_id = str(uuid4())
    if is_there:
        await closed(temporal_client, queue, transfer_id, "waits")
    async with httpx.AsyncClient() as api:
        checks = FinalChecks(RowWatch(*books.urls, findings.violations), api, temporal_client, findings)
        promise = Promise(transfer_id, "key", Kind.VALID, {}, 0.0)
        checks.strikes.trying(kind, workflow_id(transfer_id))
        await checks.compare_with_temporal(promise)
        assert findings.violations.all == []
        checks.strikes = Strikes()
        await checks.compare_with_temporal(promise)
    assert [found.check for found in findings.violations.all] == ["who wasn't struck ends with a result"]


THE_SAME: Final = "API, databases and Temporal say the same"


async def compared_with_temporal(transfer_id: str, temporal: Client, findings: Findings) -> int:
    """How many had a result. By its rows it has completed; its own workflow may be gone."""
    rows = RowWatch("", "", findings.violations)
    rows.transfers[transfer_id] = AccountRows(transfer_id, (), "completed", ())
    async with httpx.AsyncClient() as api:
        checks = FinalChecks(rows, api, temporal, findings)
        checks.strikes.trying(FaultKind.WORKFLOW_DELETED, workflow_id(transfer_id))
        await checks.compare_with_temporal(Promise(transfer_id, "key", Kind.VALID, {}, 0.0))
        return checks.compared.with_temporal


@pytest.mark.parametrize(("status", "checks"), [("completed", []), ("compensated", [THE_SAME])])
@pytest.mark.parametrize("run", [(TRANSFER_MONEY, workflow_id), (FINISH_TRANSFER, finisher_id)])
async def test_at_the_end_a_workflows_result_is_what_the_rows_say(
    temporal_client: Client, queue: str, findings: Findings, run: tuple[str, Callable[[str], str]], status: str,
    checks: list[str],
) -> None:  # fmt: skip
    transfer_id = str(uuid4())
    await listed(temporal_client, queue, (run[0], run[1](transfer_id)), status)
    assert await compared_with_temporal(transfer_id, temporal_client, findings) == 1
    assert [found.check for found in findings.violations.all] == checks


@pytest.mark.parametrize(
    ("run", "checks"),
    [((TRANSFER_MONEY, workflow_id), ["a workflow closes with its transfer"]), ((FINISH_TRANSFER, finisher_id), [])],
)
async def test_at_the_end_only_the_reconcilers_workflow_may_still_be_open(
    temporal_client: Client, queue: str, findings: Findings, monkeypatch: pytest.MonkeyPatch,
    run: tuple[str, Callable[[str], str]], checks: list[str],
) -> None:  # fmt: skip
    """Its next attempt may be a minute away; the transfer has ended without it."""
    monkeypatch.setattr(final_checks, "CLOSES_WITHIN_SECONDS", 0.5)
    transfer_id = str(uuid4())
    handle = await temporal_client.start_workflow(run[0], "waits", id=run[1](transfer_id), task_queue=queue)
    assert await compared_with_temporal(transfer_id, temporal_client, findings) == 0
    assert [found.check for found in findings.violations.all] == checks
    await handle.terminate("by the test")


async def test_a_workflow_that_was_listed_too_late_for_every_look_is_found_at_the_end(
    temporal_client: Client, queue: str, workflows: ClosedWorkflows, findings: Findings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(closed_workflows, "_VISIBLE_WITHIN", timedelta(0))
    await closed(temporal_client, queue, "held")
    workflows._since = datetime.now(UTC)
    assert await found_of("held", workflows, findings) == []
    await workflows.look_at_all()
    assert await found_of("held", workflows, findings) == ["no workflow closes before its rows are final"]


async def test_a_workflow_that_has_not_begun_is_not_counted_as_reset(temporal_client: Client) -> None:
    handle = await temporal_client.start_workflow(TRANSFER_MONEY, "waits", id=str(uuid4()), task_queue="nobody's")
    execution = WorkflowExecution(workflow_id=handle.id, run_id=handle.result_run_id or "")
    assert not await workflow_faults._reset(temporal_client, execution, 0)
    await handle.terminate("by the test")
