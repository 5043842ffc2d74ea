"""What is checked while the faults go on: the rows, the API's answers, and that no workflow closes too early."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import httpx
from chaos.answers import NO_DEFECT, is_defect
from chaos.closed_workflows import ClosedWorkflows
from chaos.findings import Findings
from chaos.patient_client import ANSWER_SECONDS, AS_PROMISED
from chaos.promises import Json
from chaos.reads import (
    LONGEST_GAP_THROUGH_FAULTS_SECONDS,
    Reads,
    UnreadableError,
    longest_gap_in,
    look_again_and_again,
)
from chaos.row_watch import RowWatch

_ROWS_SECONDS: Final = 1.5
_WORKFLOWS_SECONDS: Final = 2.0
_LISTS_SECONDS: Final = 5.0
_RECONCILIATION_SECONDS: Final = 15.0
_NEWEST: Final = 100


class ContinuousChecks:
    """Each look that fails counts as unknown."""

    def __init__(
        self,
        rows: RowWatch,
        workflows: ClosedWorkflows,
        api: httpx.AsyncClient,
        findings: Findings,
        *,
        run_seconds: float,
    ) -> None:
        gap = longest_gap_in(run_seconds)
        self._rows = rows
        self._api = api
        self._findings = findings
        self._looks: list[tuple[Reads, Callable[[], Awaitable[None]], float]] = [
            (Reads("rows"), self.look_at_rows, _ROWS_SECONDS),
            (Reads("closed workflows"), workflows.look, _WORKFLOWS_SECONDS),
            (Reads("list of transfers", LONGEST_GAP_THROUGH_FAULTS_SECONDS), self._look_at_list, _LISTS_SECONDS),
            (Reads("list of completed", gap), self._look_at_completed, _LISTS_SECONDS),
            (Reads("reconciliation", gap), self._reconcile, _RECONCILIATION_SECONDS),
        ]
        self.reads = [reads for reads, _, _ in self._looks]

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            async with asyncio.TaskGroup() as checks:
                for reads, look, seconds in self._looks:
                    checks.create_task(look_again_and_again(reads, look, seconds=seconds))
        finally:
            for reads in self.reads:
                reads.close()

    async def look_at_rows(self) -> None:
        await asyncio.to_thread(self._rows.look)
        for promise in self._findings.promises.open:
            rows = self._rows.transfers.get(promise.transfer_id)
            if rows is not None and rows.status:
                self._findings.promises.ended(promise, rows.status, self._findings.journal.now)

    async def _look_at_list(self) -> None:
        """It needs all that a transfer under way needs to be told, and that of each of them."""
        await self._list(limit=_NEWEST)

    async def _look_at_completed(self) -> None:
        """It needs the rows alone, and can be read through most faults."""
        for transfer in await self._list(limit=_NEWEST, status="completed"):
            if transfer["status"] != "completed":
                self._findings.violations.add("a list by status has no other", str(transfer), transfer["id"])

    async def _list(self, **query: int | str) -> list[Json]:
        asked_at = self._findings.journal.now
        transfers: list[Json] = (await self._get("/transfers", **query)).json()["items"]
        for transfer in transfers:
            self._findings.promises.told(transfer, self._findings.journal.now, asked_at=asked_at)
        return transfers

    async def _reconcile(self) -> None:
        """Rule 14: it is balanced at any moment, also while transfers are on their way."""
        reconciliation = (await self._get("/reconciliation")).json()
        if not reconciliation["balanced"] or reconciliation["discrepancies"]:
            self._findings.violations.add("the product's own reconciliation is balanced", str(reconciliation))

    async def _get(self, path: str, **query: int | str) -> httpx.Response:
        answer = await self._api.get(path, params=query, timeout=ANSWER_SECONDS)
        if is_defect(answer):
            self._findings.violations.add(NO_DEFECT, f"GET {path}: {answer.status_code} {answer.text[:500]}")
        if answer.status_code >= 500:
            raise UnreadableError(f"{path}: {answer.status_code}")
        if answer.status_code != 200:
            self._findings.violations.add(AS_PROMISED, f"GET {path}: {answer.status_code} {answer.text[:500]}")
            raise UnreadableError(f"{path}: {answer.status_code}")
        return answer
