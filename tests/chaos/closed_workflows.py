"""No workflow closes while its transfers' rows aren't final: who undoes by halves and ends is seen here (rule 10)."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

from chaos.row_watch import final_among, unfinished_batches_among
from chaos.strikes import Strikes
from chaos.violations import Violations
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from transfer_contract.names import FINISH_BATCH, FINISH_TRANSFER, RECONCILE_TRANSFERS, TRANSFER_BATCH, TRANSFER_MONEY

_VISIBLE_WITHIN: Final = timedelta(seconds=30)
"""A workflow that has closed is listed only some time later; looking so far back finds it all the same."""
_OF_BATCHES: Final = (TRANSFER_BATCH, FINISH_BATCH)
_CLOSED: Final = f"""
    ExecutionStatus != 'Running' AND (WorkflowType IN {(TRANSFER_MONEY, FINISH_TRANSFER, *_OF_BATCHES)}
                                      OR (WorkflowType = '{RECONCILE_TRANSFERS}' AND ExecutionStatus != 'Completed'))
"""


class ClosedWorkflows:
    """Those whom a fault has tried to strike may be terminated. Every other end is a result, after the last row."""

    def __init__(self, accounts_url: str, temporal: Client, violations: Violations, strikes: Strikes) -> None:
        self._accounts_url = accounts_url
        self._temporal = temporal
        self._violations = violations
        self._strikes = strikes
        self._began = self._since = datetime.now(UTC)

    async def look(self) -> None:
        """Those that have closed since the last look."""
        began = datetime.now(UTC)
        await self._look_since(self._since)
        self._since = began

    async def look_at_all(self) -> None:
        """Of the whole run, also those that were listed later than a look goes back."""
        await self._look_since(self._began)

    async def _look_since(self, since: datetime) -> None:
        """First the workflows, then the rows: what was closed by then must be final by now."""
        transfers: set[str] = set()
        batches: set[str] = set()
        async for run in self._temporal.list_workflows(
            f"{_CLOSED} AND CloseTime > '{(since - _VISIBLE_WITHIN).isoformat()}'"
        ):
            if run.status is WorkflowExecutionStatus.COMPLETED:
                (batches if run.workflow_type in _OF_BATCHES else transfers).add(_carried(run))
            elif not self._is_struck(run):
                self._closed_in_another_way(run)
        early = transfers - await asyncio.to_thread(final_among, self._accounts_url, transfers)
        early |= await asyncio.to_thread(unfinished_batches_among, self._accounts_url, batches)
        for each in early:
            self._violations.add("no workflow closes before its rows are final", each, each)

    def _is_struck(self, run: WorkflowExecution) -> bool:
        """After a deletion, the same key may be another request's: that run fails where the first has left rows.

        Not a batch's: its order stays, and its key with it.
        """
        if run.status is WorkflowExecutionStatus.FAILED:
            return run.workflow_type == TRANSFER_MONEY and _carried(run) in self._strikes.deleted
        struck = _carried(run) if run.workflow_type in (TRANSFER_MONEY, TRANSFER_BATCH) else run.id
        return run.status is WorkflowExecutionStatus.TERMINATED and struck in self._strikes.all

    def _closed_in_another_way(self, run: WorkflowExecution) -> None:
        status = run.status.name if run.status else "?"
        self._violations.add("a workflow closes with a result", f"{run.id} closed as {status}", _carried(run))


def _carried(run: WorkflowExecution) -> str:
    """The transfer or the batch, by its id."""
    return run.id.partition("-")[2].removeprefix("batch-")
