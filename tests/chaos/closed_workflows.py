"""No workflow closes while its transfer's rows aren't final: who undoes by halves and ends is seen here (rule 10)."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

from chaos.row_watch import final_among
from chaos.strikes import Strikes
from chaos.violations import Violations
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from transfer_contract.names import FINISH_TRANSFER, RECONCILE_TRANSFERS, TRANSFER_MONEY

_VISIBLE_WITHIN: Final = timedelta(seconds=30)
"""A workflow that has closed is listed only some time later; looking so far back finds it all the same."""
_CLOSED: Final = f"""
    ExecutionStatus != 'Running' AND (WorkflowType IN ('{TRANSFER_MONEY}', '{FINISH_TRANSFER}')
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
        completed = set()
        async for run in self._temporal.list_workflows(
            f"{_CLOSED} AND CloseTime > '{(since - _VISIBLE_WITHIN).isoformat()}'"
        ):
            transfer_id = run.id.partition("-")[2]
            if run.status is WorkflowExecutionStatus.COMPLETED:
                completed.add(transfer_id)
            elif not self._is_struck(run, transfer_id):
                self._closed_in_another_way(run, transfer_id)
        final = await asyncio.to_thread(final_among, self._accounts_url, completed)
        for transfer_id in completed - final:
            self._violations.add("no workflow closes before its rows are final", transfer_id, transfer_id)

    def _is_struck(self, run: WorkflowExecution, transfer_id: str) -> bool:
        """After a deletion, the same key may be another request's: that run fails where the first has left rows."""
        is_own = run.workflow_type == TRANSFER_MONEY
        if run.status is WorkflowExecutionStatus.FAILED:
            return is_own and transfer_id in self._strikes.deleted
        struck = transfer_id if is_own else run.id
        return run.status is WorkflowExecutionStatus.TERMINATED and struck in self._strikes.all

    def _closed_in_another_way(self, run: WorkflowExecution, transfer_id: str) -> None:
        status = run.status.name if run.status else "?"
        self._violations.add("a workflow closes with a result", f"{run.id} closed as {status}", transfer_id)
