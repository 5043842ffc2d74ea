"""The reconciler beside a batch's fake participants: its search asks a real HTTP API that knows their rows."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

from fastapi import FastAPI
from live_server import live_server
from prometheus_client import CollectorRegistry
from saga.batch_harness import BatchHarness
from saga.reconciling import AT_ONCE
from service_runtime.app import create_app
from service_runtime.internal_client import InternalClient
from temporalio.client import Client
from temporalio.worker import Worker
from transfer_contract.batches import Batch, BatchProgress, BatchTotal
from transfer_contract.http import Page, TransferIds, TransferRows
from transfer_contract.names import Process, TaskQueue
from transfer_contract.reconciler import BatchTakenOver, ReconciliationReport
from transfer_contract.transfers import TransferRequest, TransferStatus
from workflow_handler.abandoned import AbandonedTransfers
from workflow_handler.finish_batch import FinishBatch
from workflow_handler.policies import Reconciling
from workflow_handler.reconcile_transfers import ReconcileTransfers
from workflow_handler.rows import AccountRows
from workflow_handler.transfer_batch import TransferBatch
from workflow_handler.unfinished import UnfinishedTransfers


@dataclass
class BatchReconciler(BatchHarness):
    """A harness whose workflow worker searches, too. `reconcile` is a run by hand."""

    searching: AbandonedTransfers | None = None
    more_after: str | None = None
    """Where the list of unfinished batches goes on."""

    def _workflow_worker(self) -> Worker:
        assert self.searching is not None
        return Worker(
            self.client,
            task_queue=TaskQueue.TRANSFERS,
            workflows=[TransferBatch, FinishBatch, ReconcileTransfers],
            activities=[self.searching.find_abandoned_transfers],
        )

    async def reconcile(self, settings: Reconciling = AT_ONCE) -> ReconciliationReport:
        return await self.client.execute_workflow(
            ReconcileTransfers.run, settings, id=f"reconcile-{uuid4()}", task_queue=TaskQueue.TRANSFERS
        )

    async def takes_over(self) -> BatchTakenOver:
        [told] = (await self.reconcile()).batches
        assert self.batch is not None
        assert told.batch_id == self.batch.batch_id
        return told


@asynccontextmanager
async def batch_reconciler(client: Client) -> AsyncIterator[BatchReconciler]:
    harness = BatchReconciler(client)
    async with (
        live_server(participants_api(harness)) as server,
        InternalClient(Process.ACCOUNT_API, server.url, timeout_seconds=5) as api,
    ):
        unfinished = UnfinishedTransfers(client, api, api)
        harness.searching = AbandonedTransfers(client, unfinished, AccountRows(api), registry=CollectorRegistry())
        yield harness


def participants_api(harness: BatchReconciler) -> FastAPI:
    """account-api, and what the search asks ledger-api for: there is the one batch, and no transfer beside it."""
    app = create_app(Process.ACCOUNT_API, {}, registry=CollectorRegistry())

    @app.get("/transfers")
    async def list_newest() -> Page[TransferRows]:
        return Page(items=[])

    @app.get("/transfers/shut")
    async def shut() -> Page[TransferRequest]:
        return Page(items=[])

    @app.post("/transfers/final")
    async def final(asked: TransferIds) -> TransferIds:
        return asked

    @app.post("/transfers/known")
    async def known(asked: TransferIds) -> TransferIds:
        return asked

    @app.get("/transfer-batches/unfinished")
    async def unfinished() -> Page[Batch]:
        is_unfinished = harness.batch is not None and harness.fake.unfinished(harness.fake.total)
        items = [harness.batch] if harness.batch and is_unfinished else []
        return Page(items=items, next_cursor=harness.more_after)

    @app.get("/transfer-batches/{batch_id}")
    async def progress(batch_id: str) -> BatchProgress:
        assert harness.batch is not None
        assert harness.batch.batch_id == batch_id
        left = [status for status in harness.fake.statuses(harness.fake.total) if status is None]
        total = BatchTotal(currency="EUR", status=TransferStatus.RUNNING, transfers=len(left), amount_minor=0)
        return BatchProgress(batch=harness.batch, totals=[total] if left else [], finished_at=None)

    return app
