"""The checks during a run, themselves checked: what the API lists and reconciles, and what is unknown."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import pytest
from chaos.answers import NO_DEFECT
from chaos.checks import ContinuousChecks
from chaos.closed_workflows import ClosedWorkflows
from chaos.findings import Findings
from chaos.operations import Kind, Operation
from chaos.patient_client import AS_PROMISED
from chaos.reads import LONGEST_GAP_SECONDS, UnreadableError
from chaos.row_history import AccountRows
from chaos.row_watch import RowWatch
from chaos.strikes import Strikes
from chaos.told_api import Told, told_api
from temporalio.client import Client

COMPLETED: Final = {"id": "t", "status": "completed"}
RECONCILED: Final = {"balanced": True, "discrepancies": []}
LIST: Final = "/transfers?limit=100"


class SeenRows(RowWatch):
    """What its transfers are has been laid down."""

    def look(self) -> None: ...


@asynccontextmanager
async def checking(findings: Findings, told: Told) -> AsyncIterator[ContinuousChecks]:
    """One transfer, which is known to have completed."""
    rows = SeenRows("", "", findings.violations)
    rows.transfers["t"] = AccountRows("t", (), "completed", ())
    findings.promises.acknowledged(Operation(1, 1, Kind.VALID, "key", {}), "t", 0.0)
    workflows = ClosedWorkflows("", cast("Client", None), findings.violations, Strikes())
    async with told_api(told) as api:
        checks = ContinuousChecks(rows, workflows, api, findings, run_seconds=180)
        await checks.look_at_rows()
        yield checks


def found(findings: Findings) -> list[str]:
    return [violation.check for violation in findings.violations.all]


async def test_an_end_that_the_rows_tell_is_known(findings: Findings) -> None:
    async with checking(findings, {}):
        assert [promise.status for promise in findings.promises.all] == ["completed"]
    assert findings.promises.open == []


@pytest.mark.parametrize(
    ("listed", "checks"),
    [
        ([], []),
        ([COMPLETED], []),
        ([COMPLETED | {"status": "running"}], ["a final transfer never changes"]),
        ([COMPLETED | {"status": "compensated"}], ["a final status never changes"]),
    ],
)
async def test_what_a_list_tells_is_compared_with_what_is_known(
    findings: Findings, listed: list[Any], checks: list[str]
) -> None:
    async with checking(findings, {LIST: (200, {"items": listed})}) as continuous:
        await continuous._look_at_list()
    assert found(findings) == checks


@pytest.mark.parametrize(
    ("listed", "checks"),
    [(COMPLETED, []), ({"id": "another", "status": "running"}, ["a list by status has no other"])],
)
async def test_a_list_of_completed_transfers_has_no_others(findings: Findings, listed: Any, checks: list[str]) -> None:
    async with checking(findings, {f"{LIST}&status=completed": (200, {"items": [listed]})}) as continuous:
        await continuous._look_at_completed()
    assert found(findings) == checks


@pytest.mark.parametrize(
    ("told", "is_right"),
    [
        (RECONCILED, True),
        (RECONCILED | {"balanced": False}, False),
        (RECONCILED | {"discrepancies": [{"transfer_id": "t"}]}, False),
    ],
)
async def test_a_reconciliation_that_finds_a_difference_is_said(findings: Findings, told: Any, is_right: bool) -> None:
    async with checking(findings, {"/reconciliation": (200, told)}) as continuous:
        await continuous._reconcile()
    assert found(findings) == ([] if is_right else ["the product's own reconciliation is balanced"])


@pytest.mark.parametrize(("status", "check"), [(500, NO_DEFECT), (503, NO_DEFECT), (404, AS_PROMISED)])
async def test_an_answer_that_the_api_does_not_promise_is_said_and_the_look_unknown(
    findings: Findings, status: int, check: str
) -> None:
    async with checking(findings, {"/reconciliation": (status, {})}) as continuous:
        with pytest.raises(UnreadableError):
            await continuous._reconcile()
    assert found(findings) == [check]


async def test_in_a_short_run_only_the_list_of_all_may_be_unknown_for_longer_than_the_rows(findings: Findings) -> None:
    async with checking(findings, {}) as continuous:
        gaps = {reads.check: reads.allowed_gap_seconds for reads in continuous.reads}
    assert {check for check, gap in gaps.items() if gap > LONGEST_GAP_SECONDS} == {"list of transfers"}
