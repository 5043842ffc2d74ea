"""The running transfers as Temporal's visibility lists them: newest first, up to a cursor, with a known edge."""

import time
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from service_runtime.temporal import ask_temporal
from temporalio.client import Client, WorkflowExecution
from transfer_contract.http import TransferCursor
from transfer_contract.names import FINISH_TRANSFER, TRANSFER_MONEY, TRANSFER_STATUS
from transfer_contract.transfers import TransferMemo, TransferRequest

PAGE_SIZE: Final = 500
MAX_SCANNED: Final = 10_000
"""Workflows read for one page of a list, at most; where that ends, the page ends too, and the next one goes on."""

SCAN_SECONDS: Final = 0.7
"""The same by time: one scan in a list that has thousands of running transfers of other accounts."""

START_DELAY: Final = timedelta(seconds=5)
"""How much later than its `created_at` a workflow may start: longer than the call that starts it may take."""

CLOCK_DIFFERENCE: Final = timedelta(seconds=1)
"""How much earlier it may seem to start: Temporal's clock against workflow-handler's."""

_RUNNING: Final = f"WorkflowType = '{TRANSFER_MONEY}' AND ExecutionStatus = 'Running'"
_BEING_FINISHED: Final = f"WorkflowType = '{FINISH_TRANSFER}' AND ExecutionStatus = 'Running'"
"""By the reconciler, one page of them: they are few, and most have rows. Their start says nothing of their place."""


@dataclass(frozen=True)
class Running:
    """Running transfers in no order. All of them from `horizon` on are there; without one, all that there are.

    `going_forward` are the ids of those that haven't begun to abort, as far as their search attribute says.
    """

    transfers: list[TransferRequest]
    horizon: datetime | None
    going_forward: AbstractSet[str] = frozenset()


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
        scanned, began = 0, time.monotonic()
        async for finisher in self._client.list_workflows(_BEING_FINISHED, page_size=PAGE_SIZE, limit=PAGE_SIZE):
            await scan.add(finisher)
        while True:
            await workflows.fetch_next_page()
            page = workflows.current_page or []
            for workflow in page:
                await scan.add(workflow)
            scanned += len(page)
            if workflows.next_page_token is None or not page:
                return scan.as_far_as(None)
            horizon = page[-1].start_time + CLOCK_DIFFERENCE
            enough = sum(transfer.created_at >= horizon for transfer in scan.found.values()) >= limit
            took_long = time.monotonic() - began > SCAN_SECONDS and scan.got_on(horizon)
            if enough or took_long or scanned >= MAX_SCANNED:
                return scan.as_far_as(horizon)


class _Scan:
    """Keeps the running transfers that come after the cursor and touch the account."""

    def __init__(self, after: TransferCursor | None, account: str | None) -> None:
        self._after = after
        self._account = account
        self.found: dict[str, TransferRequest] = {}
        self._going_forward: set[str] = set()

    @property
    def query(self) -> str:
        if self._after is None:
            return _RUNNING
        latest = (self._after.created_at + START_DELAY).astimezone(UTC)
        return f"{_RUNNING} AND StartTime <= '{latest.isoformat()}'"

    def got_on(self, horizon: datetime) -> bool:
        """The next page, which begins at the horizon, begins further down than this one."""
        return self._after is None or horizon < self._after.created_at

    def as_far_as(self, horizon: datetime | None) -> Running:
        return Running([*self.found.values()], horizon, self._going_forward)

    async def add(self, workflow: WorkflowExecution) -> None:
        memo = await workflow.memo_value(TransferMemo.KEY, None, type_hint=TransferMemo)
        if memo is None:
            return
        transfer = memo.transfer
        touched = self._account in (None, transfer.source_account, transfer.destination_account)
        if touched and (self._after is None or position(transfer) < position(self._after)):
            self.found[transfer.transfer_id] = transfer
            if workflow.typed_search_attributes.get(TRANSFER_STATUS) is None:
                self._going_forward.add(transfer.transfer_id)


def position(item: TransferRequest | TransferCursor) -> tuple[datetime, str]:
    """Where it stands in every list of transfers, the newest being the last."""
    return (item.created_at, item.transfer_id)
