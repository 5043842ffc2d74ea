"""The running transfers as Temporal's visibility lists them: newest first, up to a cursor, with a known edge."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from service_runtime.temporal import ask_temporal
from temporalio.client import Client, WorkflowExecution
from transfer_contract.http import TransferCursor
from transfer_contract.names import TRANSFER_MONEY
from transfer_contract.transfers import TransferMemo, TransferRequest

PAGE_SIZE: Final = 500
MAX_SCANNED: Final = 10_000
"""Workflows read for one page of a list, at most; where that ends, the page ends too, and the next one goes on."""

START_DELAY: Final = timedelta(seconds=5)
"""How much later than its `created_at` a workflow may start: longer than the call that starts it may take."""

CLOCK_DIFFERENCE: Final = timedelta(seconds=1)
"""How much earlier it may seem to start: Temporal's clock against workflow-handler's."""

_RUNNING: Final = f"WorkflowType = '{TRANSFER_MONEY}' AND ExecutionStatus = 'Running'"


@dataclass(frozen=True)
class Running:
    """Running transfers in no order. All of them from `horizon` on are there; without one, all that there are."""

    transfers: list[TransferRequest]
    horizon: datetime | None


class RunningTransfers:
    def __init__(self, client: Client, *, timeout_seconds: float) -> None:
        self._client = client
        self._timeout_seconds = timeout_seconds

    async def newest(self, *, after: TransferCursor | None, account: str | None, limit: int) -> Running:
        """At least the `limit` newest ones after the cursor. Raises `Problem(unavailable)` where Temporal is away."""
        scan = _Scan(after, account)
        return await ask_temporal(lambda: self._scan(scan, limit), timeout_seconds=self._timeout_seconds)

    async def _scan(self, scan: "_Scan", limit: int) -> Running:
        workflows = self._client.list_workflows(scan.query, page_size=PAGE_SIZE)
        scanned = 0
        while True:
            await workflows.fetch_next_page()
            page = workflows.current_page or []
            for workflow in page:
                await scan.add(workflow)
            scanned += len(page)
            if workflows.next_page_token is None or not page:
                return Running(scan.found, horizon=None)
            horizon = page[-1].start_time + CLOCK_DIFFERENCE
            enough = sum(transfer.created_at >= horizon for transfer in scan.found) >= limit
            if enough or scanned >= MAX_SCANNED:
                return Running(scan.found, horizon)


class _Scan:
    """Keeps the running transfers that come after the cursor and touch the account."""

    def __init__(self, after: TransferCursor | None, account: str | None) -> None:
        self._after = after
        self._account = account
        self.found: list[TransferRequest] = []

    @property
    def query(self) -> str:
        if self._after is None:
            return _RUNNING
        latest = (self._after.created_at + START_DELAY).astimezone(UTC)
        return f"{_RUNNING} AND StartTime <= '{latest.isoformat()}'"

    async def add(self, workflow: WorkflowExecution) -> None:
        memo = await workflow.memo_value(TransferMemo.KEY, None, type_hint=TransferMemo)
        if memo is None:
            return
        transfer = memo.transfer
        touched = self._account in (None, transfer.source_account, transfer.destination_account)
        if touched and (self._after is None or position(transfer) < position(self._after)):
            self.found.append(transfer)


def position(item: TransferRequest | TransferCursor) -> tuple[datetime, str]:
    """Where it stands in every list of transfers, the newest being the last."""
    return (item.created_at, item.transfer_id)
