"""Runs `TransferBatch` on a real Temporal server, in the sandbox, with fake participants."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from prometheus_client import CollectorRegistry
from saga.fake_batch_participants import FakeBatch
from saga.harness import QUICK
from service_runtime.activity_interceptor import StepInterceptor
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.worker import Worker
from transfer_contract.batches import Batch
from transfer_contract.names import TaskQueue, batch_workflow_id
from workflow_handler.finish_batch import FinishBatch
from workflow_handler.policies import Batching
from workflow_handler.transfer_batch import TransferBatch

Handle = WorkflowHandle[TransferBatch, Batch]

PATIENT: Final = Batching(timings=replace(QUICK, start_to_close_seconds=20), chunk=4, at_once=2)
"""No attempt times out, also on a busy machine; a test that wants it says `let_attempts_time_out`."""


@dataclass
class BatchHarness:
    client: Client
    fake: FakeBatch = field(default_factory=FakeBatch)
    batch: Batch | None = None
    batching: Batching = PATIENT

    def let_attempts_time_out(self) -> None:
        self.batching = replace(self.batching, timings=replace(QUICK, start_to_close_seconds=1))

    async def start(self, total: int) -> Handle:
        self.store(total)
        return await self.run_again()

    def store(self, total: int) -> None:
        self.fake.total = total
        self.batch = Batch(batch_id=str(uuid4()), total=total, created_at=datetime.now(UTC))

    async def run_again(self) -> Handle:
        """As a repeated `POST` does."""
        assert self.batch is not None
        return await self.client.start_workflow(
            TransferBatch.run,
            args=[self.batch, self.batching],
            id=batch_workflow_id(self.batch.batch_id),
            task_queue=TaskQueue.TRANSFERS,
        )

    async def run(self, total: int) -> list[str | None]:
        return await self.end(await self.start(total))

    async def end(self, handle: Handle) -> list[str | None]:
        """The status of each transfer, after checking what holds for every batch: all are final, and the money."""
        await handle.result()
        assert (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED
        return self.ends()

    def ends(self) -> list[str | None]:
        statuses = self.fake.statuses(self.fake.total)
        assert None not in statuses, f"the batch is at its end, and its transfers are not: {statuses}"
        self.fake.check_money()
        return statuses

    def _workflow_worker(self) -> Worker:
        return Worker(self.client, task_queue=TaskQueue.TRANSFERS, workflows=[TransferBatch, FinishBatch])

    @asynccontextmanager
    async def workers(self) -> AsyncIterator[None]:
        """All three workers; late attempts are let go, and waited for, at the end."""
        fake = self.fake
        with ThreadPoolExecutor(20) as threads:
            interceptor = StepInterceptor(self.client, CollectorRegistry())
            async with (
                self._workflow_worker(),
                Worker(
                    self.client,
                    task_queue=TaskQueue.ACCOUNTS,
                    activities=[
                        fake.withdraw_many,
                        fake.deposit_many,
                        fake.release_many,
                        fake.deposit_compensation_many,
                        fake.withdraw_compensation_many,
                        fake.find_unfinished,
                    ],
                    activity_executor=threads,
                    interceptors=[interceptor],
                ),
                Worker(
                    self.client,
                    task_queue=TaskQueue.LEDGER,
                    activities=[fake.record_many, fake.record_compensation_many],
                    interceptors=[interceptor],
                ),
            ):
                try:
                    yield
                finally:
                    fake.late.set()
                    fake.go.set()
