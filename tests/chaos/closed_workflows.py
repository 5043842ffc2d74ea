"""No workflow closes while its transfer's rows aren't final: who undoes by halves and ends is seen here (rule 10)."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

from chaos.row_watch import final_among
from chaos.violations import Violations
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from transfer_contract.names import TRANSFER_MONEY

_VISIBLE_WITHIN: Final = timedelta(seconds=30)
"""A workflow that has closed is listed only some time later; looking so far back finds it all the same."""
_WORKFLOW_PREFIX: Final = "transfer-"


class ClosedWorkflows:
    """An operator may terminate one, also by a reset. Every other end is a result, and comes after the last row."""

    def __init__(self, accounts_url: str, temporal: Client, violations: Violations) -> None:
        self._accounts_url = accounts_url
        self._temporal = temporal
        self._violations = violations
        self._since = datetime.now(UTC)
        self.terminated: set[str] = set()
        """The transfers of which an operator's hand has ended a run."""

    async def look(self) -> None:
        """First the workflows, then the rows: what was closed by then must be final by now."""
        began = datetime.now(UTC)
        completed = set()
        async for run in self._temporal.list_workflows(
            f"WorkflowType = '{TRANSFER_MONEY}' AND ExecutionStatus != 'Running' "
            f"AND CloseTime > '{(self._since - _VISIBLE_WITHIN).isoformat()}'"
        ):
            transfer_id = run.id.removeprefix(_WORKFLOW_PREFIX)
            if run.status is WorkflowExecutionStatus.COMPLETED:
                completed.add(transfer_id)
            elif run.status is WorkflowExecutionStatus.TERMINATED:
                self.terminated.add(transfer_id)
            else:
                self._closed_in_another_way(run, transfer_id)
        final = await asyncio.to_thread(final_among, self._accounts_url, completed)
        for transfer_id in completed - final:
            self._violations.add("no workflow closes before its rows are final", transfer_id, transfer_id)
        self._since = began

    def _closed_in_another_way(self, run: WorkflowExecution, transfer_id: str) -> None:
        status = run.status.name if run.status else "?"
        self._violations.add("a workflow closes with a result", f"{run.id} closed as {status}", transfer_id)
