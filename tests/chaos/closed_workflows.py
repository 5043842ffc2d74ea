"""No workflow closes while its transfer's rows aren't final: who undoes by halves and ends is seen here (rule 10)."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

from chaos.row_watch import final_among, unfinished_batches_among
from chaos.violations import Violations
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from transfer_contract.names import TRANSFER_BATCH, TRANSFER_MONEY

_VISIBLE_WITHIN: Final = timedelta(seconds=30)
"""A workflow that has closed is listed only some time later; looking so far back finds it all the same."""
_PREFIXES: Final = {TRANSFER_MONEY: "transfer-", TRANSFER_BATCH: "batch-"}


class ClosedWorkflows:
    """An operator may terminate one, also by a reset. Every other end is a result, and comes after the last row."""

    def __init__(self, accounts_url: str, temporal: Client, violations: Violations) -> None:
        self._accounts_url = accounts_url
        self._temporal = temporal
        self._violations = violations
        self._since = datetime.now(UTC)
        self.terminated: set[str] = set()
        """The transfers and batches, by id, of which an operator's hand has ended a run."""

    async def look(self) -> None:
        """First the workflows, then the rows: what was closed by then must be final by now."""
        began = datetime.now(UTC)
        completed = {kind: await self._closed(kind) for kind in _PREFIXES}
        transfers, batches = completed[TRANSFER_MONEY], completed[TRANSFER_BATCH]
        early = transfers - await asyncio.to_thread(final_among, self._accounts_url, transfers)
        early |= await asyncio.to_thread(unfinished_batches_among, self._accounts_url, batches)
        for each in early:
            self._violations.add("no workflow closes before its rows are final", each, each)
        self._since = began

    async def _closed(self, kind: str) -> set[str]:
        """Transfers or batches, by id, whose workflow has completed."""
        completed = set()
        async for run in self._temporal.list_workflows(
            f"WorkflowType = '{kind}' AND ExecutionStatus != 'Running' "
            f"AND CloseTime > '{(self._since - _VISIBLE_WITHIN).isoformat()}'"
        ):
            carried = run.id.removeprefix(_PREFIXES[kind])
            if run.status is WorkflowExecutionStatus.COMPLETED:
                completed.add(carried)
            elif run.status is WorkflowExecutionStatus.TERMINATED:
                self.terminated.add(carried)
            else:
                self._closed_in_another_way(run, carried)
        return completed

    def _closed_in_another_way(self, run: WorkflowExecution, carried: str) -> None:
        status = run.status.name if run.status else "?"
        self._violations.add("a workflow closes with a result", f"{run.id} closed as {status}", carried)
