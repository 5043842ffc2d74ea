"""Runs `TransferMoney` on a real Temporal server, in the sandbox, with fake participants."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

from prometheus_client import CollectorRegistry
from saga.fake_participants import START_BALANCE, Books, FakeAccounts, FakeLedger, Faults
from service_runtime.activity_interceptor import StepInterceptor
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.worker import Worker
from transfer_contract.names import TaskQueue, workflow_id
from transfer_contract.reconciler import ReconcilerActivities
from transfer_contract.steps import Decision, Step, final_status
from transfer_contract.transfers import TransferMemo, TransferRequest, TransferResult
from workflow_handler.finish_transfer import FinishTransfer
from workflow_handler.policies import Timings
from workflow_handler.reconcile_transfers import ReconcileTransfers
from workflow_handler.transfer_money import TransferMoney

QUICK: Final = Timings(start_to_close_seconds=0.3, first_retry_seconds=0.01, longest_retry_seconds=0.02)
AMOUNT: Final = 250

Handle = WorkflowHandle[TransferMoney, TransferResult]


@dataclass
class Harness:
    client: Client
    books: Books = field(default_factory=Books)
    faults: Faults = field(default_factory=Faults)
    timings: Timings = QUICK
    transfer_money: type = TransferMoney
    """Another one under the same name is a defect that a test deploys."""
    searching: ReconcilerActivities | None = None

    async def start(
        self,
        request: TransferRequest | None = None,
        *,
        task_timeout: timedelta | None = None,
        execution_timeout: timedelta | None = None,
    ) -> Handle:
        request = request or new_request()
        return await self.client.start_workflow(
            TransferMoney.run,
            args=[request, self.timings],
            id=workflow_id(request.transfer_id),
            task_queue=TaskQueue.TRANSFERS,
            memo={TransferMemo.KEY: TransferMemo(transfer=request, fingerprint=request.fingerprint)},
            task_timeout=task_timeout,
            execution_timeout=execution_timeout,
        )

    async def run(self) -> TransferResult:
        return await self.end(await self.start())

    async def end(self, handle: Handle) -> TransferResult:
        """The result, after checking what holds for every transfer: rows, and money."""
        result = await handle.result()
        assert (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED
        self.check(result)
        self.faults.late.set()
        return result

    def check(self, result: TransferResult) -> None:
        rows = self.books.of(result.transfer_id)
        assert final_status(rows) is result.status is not None
        assert all(row in rows for row in result.rows)
        self.check_money(completed=result.status == "completed")

    def check_money(self, *, completed: bool) -> None:
        moved = AMOUNT if completed else 0
        assert self.books.balances["alice"] == START_BALANCE - moved
        assert self.books.balances["bob"] == START_BALANCE + moved
        assert not any(self.books.held.values())
        assert self.books.entries["bob"] == moved == -self.books.entries["alice"]

    def decision(self, result: TransferResult, step: Step) -> Decision | None:
        row = self.books.rows.get((result.transfer_id, step))
        return row.decision if row else None

    @asynccontextmanager
    async def workers(self) -> AsyncIterator[None]:
        """All three workers; late attempts are let go, and waited for, at the end."""
        with ThreadPoolExecutor(20) as threads:
            interceptor = StepInterceptor(self.client, CollectorRegistry())
            accounts, ledger = FakeAccounts(self.books, self.faults), FakeLedger(self.books, self.faults)
            async with (
                Worker(
                    self.client,
                    task_queue=TaskQueue.TRANSFERS,
                    workflows=[self.transfer_money, FinishTransfer, ReconcileTransfers],
                    activities=[self.searching.find_abandoned_transfers] if self.searching else [],
                ),
                Worker(
                    self.client,
                    task_queue=TaskQueue.ACCOUNTS,
                    activities=[
                        accounts.withdraw,
                        accounts.deposit,
                        accounts.release,
                        accounts.deposit_compensation,
                        accounts.withdraw_compensation,
                    ],
                    activity_executor=threads,
                    interceptors=[interceptor],
                ),
                Worker(
                    self.client,
                    task_queue=TaskQueue.LEDGER,
                    activities=[ledger.record, ledger.record_compensation],
                    activity_executor=threads,
                    interceptors=[interceptor],
                ),
            ):
                try:
                    yield
                finally:
                    self.faults.late.set()
                    self.faults.go.set()


async def until(condition: Callable[[], bool]) -> None:
    """Waits for something that happens in a worker's thread."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - it is set by threads, not by this loop
            await asyncio.sleep(0.01)


def new_request() -> TransferRequest:
    return TransferRequest(
        transfer_id=str(uuid4()),
        source_account="alice",
        destination_account="bob",
        amount_minor=AMOUNT,
        currency="EUR",
        created_at=datetime.now(UTC),
    )
