"""The reconciler beside the fake participants: its search asks real HTTP APIs that know their rows."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final
from uuid import uuid4

from fastapi import FastAPI
from live_server import live_server
from prometheus_client import CollectorRegistry
from saga.fake_participants import Books
from saga.harness import QUICK, Handle, Harness, new_request
from service_runtime.app import create_app
from service_runtime.internal_client import InternalClient
from service_runtime.problems import Problem
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError
from transfer_contract.batches import Batch
from transfer_contract.http import Page, ProblemCode, TransferCursor, TransferIds, TransferRows
from transfer_contract.names import Process, TaskQueue, workflow_id
from transfer_contract.reconciler import Findings, ReconciliationReport, Search, TakenOver
from transfer_contract.steps import Decision, FinalStatus, Step, final_status
from transfer_contract.transfers import TransferRequest
from workflow_handler.abandoned import AbandonedTransfers
from workflow_handler.policies import Reconciling
from workflow_handler.reconcile_transfers import ReconcileTransfers
from workflow_handler.rows import AccountRows
from workflow_handler.unfinished import UnfinishedTransfers

AT_ONCE: Final = Reconciling(timings=replace(QUICK, start_to_close_seconds=20), grace_seconds=0, wait_seconds=30)
"""Patient with a busy machine, but not with a young transfer."""


LISTED_WITHIN_SECONDS: Final = 40


@dataclass
class Reconciler(Harness):
    """A harness whose workflow worker searches, too. `reconcile` is a run by hand."""

    mine: set[str] = field(default_factory=set)
    """The transfers of this test: the server has those of others, too."""

    async def start(
        self,
        request: TransferRequest | None = None,
        *,
        task_timeout: timedelta | None = None,
        execution_timeout: timedelta | None = None,
    ) -> Handle:
        request = request or new_request()
        self.mine.add(request.transfer_id)
        return await super().start(request, task_timeout=task_timeout, execution_timeout=execution_timeout)

    participants: InternalClient | None = None

    async def search(self, search: Search, *, examined: int, ledger: InternalClient | None = None) -> Findings:
        """One search that looks at so many of the transfers that aren't final. `ledger`: another ledger-api."""
        assert self.participants is not None
        ledger_api = ledger or self.participants
        unfinished = UnfinishedTransfers(self.client, self.participants, ledger_api, examined=examined)
        rows, registry = AccountRows(self.participants), CollectorRegistry()
        return await AbandonedTransfers(self.client, unfinished, rows, registry=registry).find_abandoned_transfers(
            search
        )

    async def begin(self, settings: Reconciling = AT_ONCE) -> WorkflowHandle[ReconcileTransfers, ReconciliationReport]:
        return await self.client.start_workflow(
            ReconcileTransfers.run, settings, id=f"reconcile-{uuid4()}", task_queue=TaskQueue.TRANSFERS
        )

    async def reconcile(self, settings: Reconciling = AT_ONCE) -> ReconciliationReport:
        return await (await self.begin(settings)).result()

    @property
    def workflows(self) -> set[str]:
        return {workflow_id(each) for each in self.mine}

    def unfinished(self) -> set[str]:
        return {each for each in self.mine if final_status(self.books.of(each)) is None}

    async def takes_over(self, transfer_id: str) -> TakenOver:
        """What a run says of this transfer, after checking what holds for every one that was ended."""
        told: list[TakenOver] = []
        async with asyncio.timeout(LISTED_WITHIN_SECONDS):
            while not told:
                told = [each for each in (await self.reconcile()).taken_over if each.transfer_id == transfer_id]
        assert final_status(self.books.of(transfer_id)) is told[0].status
        self.check_money(completed=told[0].status is FinalStatus.COMPLETED)
        return told[0]

    async def until_listed_as_closed(self) -> None:
        """All of this test. The server's list of workflows is a moment late."""
        query = "ExecutionStatus != 'Running' AND WorkflowType = 'TransferMoney'"
        async with asyncio.timeout(LISTED_WITHIN_SECONDS):
            while self.workflows - {each.id async for each in self.client.list_workflows(query)}:  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    async def leaves_alone(self, transfer_id: str) -> ReconciliationReport:
        report = await self.reconcile()
        assert transfer_id not in {each.transfer_id for each in report.taken_over}
        return report


@asynccontextmanager
async def reconciler_on(client: Client) -> AsyncIterator[Reconciler]:
    harness = Reconciler(client)
    async with (
        live_server(participants_api(harness.books, harness.mine)) as server,
        InternalClient(Process.ACCOUNT_API, server.url, timeout_seconds=5) as api,
    ):
        unfinished = UnfinishedTransfers(client, api, api)
        harness.searching = AbandonedTransfers(client, unfinished, AccountRows(api), registry=CollectorRegistry())
        harness.participants = api
        yield harness
    await _terminate_what_is_left(client)


async def _terminate_what_is_left(client: Client) -> None:
    """By a test that failed, or one that began thousands."""
    at_once = asyncio.Semaphore(20)

    async def terminate(workflow: str) -> None:
        async with at_once:
            with contextlib.suppress(RPCError):  # it has ended meanwhile
                await client.get_workflow_handle(workflow).terminate()

    left = [each.id async for each in client.list_workflows("ExecutionStatus = 'Running'")]
    await asyncio.gather(*map(terminate, left))


def participants_api(books: Books, mine: set[str]) -> FastAPI:
    """account-api, and what the search asks ledger-api for."""
    app = create_app(Process.ACCOUNT_API, {}, registry=CollectorRegistry())

    @app.get("/transfers")
    async def list_newest(final: bool, limit: int, cursor: str) -> Page[TransferRows]:
        after = TransferCursor.decode(cursor)
        found = [rows for rows in map(rows_of, [*books.requests]) if (rows.final_status is not None) is final]
        older = [rows for rows in found if (rows.transfer.created_at, "") < (after.created_at, after.transfer_id)]
        newest = sorted(older, key=lambda rows: rows.transfer.created_at, reverse=True)
        return Page(items=newest[:limit], next_cursor=_after(newest[limit - 1]) if len(newest) > limit else None)

    @app.post("/transfers/final")
    async def final(asked: TransferIds) -> TransferIds:
        return TransferIds(transfer_ids=[each for each in asked.transfer_ids if each not in mine or is_final(each)])

    @app.post("/transfers/known")
    async def known(asked: TransferIds) -> TransferIds:
        return TransferIds(transfer_ids=[each for each in asked.transfer_ids if each in books.requests])

    @app.get("/transfers/shut")
    async def shut(after: str, limit: int) -> Page[TransferRequest]:
        tombstones = (
            books.recorded[transfer_id]
            for (transfer_id, step), row in books.rows.items()
            if step is Step.RECORD and row.decision is Decision.CANCELLED and transfer_id > after
        )
        found = sorted(tombstones, key=lambda each: each.transfer_id)[:limit]
        return Page(items=found, next_cursor=found[-1].transfer_id if len(found) == limit else None)

    @app.get("/transfer-batches/unfinished")
    async def unfinished_batches() -> Page[Batch]:
        return Page(items=[])

    @app.get("/transfers/{transfer_id}")
    async def get(transfer_id: str) -> TransferRows:
        if transfer_id not in books.requests:
            raise Problem(ProblemCode.NOT_FOUND, "none")
        return rows_of(transfer_id)

    def is_final(transfer_id: str) -> bool:
        return transfer_id in books.requests and rows_of(transfer_id).final_status is not None

    def rows_of(transfer_id: str) -> TransferRows:
        rows = [row for row in books.of(transfer_id) if row.step is not Step.RECORD]
        return TransferRows(transfer=books.requests[transfer_id], rows=rows, final_status=final_status(rows))

    return app


def _after(last: TransferRows) -> str:
    return TransferCursor(created_at=last.transfer.created_at, transfer_id="").encode()
