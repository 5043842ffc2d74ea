"""account-api and ledger-api as small real HTTP apps over rows in memory."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Annotated, TypeVar
from zlib import crc32

from checker_batches import add_batches
from fastapi import APIRouter, Depends, FastAPI, Query, Request
from prometheus_client import CollectorRegistry
from pydantic import TypeAdapter
from pydantic_core import to_json
from service_runtime.app import create_app
from service_runtime.problems import Problem, unavailable
from transfer_contract.batches import batch_of
from transfer_contract.http import (
    BUCKETS,
    Account,
    AccountsReconciliation,
    AppliedTransfersQuery,
    CurrencyTotals,
    Discrepancy,
    FinalTransfer,
    FinalTransfers,
    FinalTransfersQuery,
    LedgerReconciliation,
    Page,
    ProblemCode,
    TransferCursor,
    TransferIds,
    TransferRows,
)
from transfer_contract.names import Process
from transfer_contract.steps import Decision, FinalStatus, Step, StepRow, decision_of, final_status
from transfer_contract.transfers import TransferRequest

Item = TypeVar("Item")
_LOOK_SECONDS = 0.05


class Database:
    """One participant's rows. `called` counts its requests by path; while `is_away` it answers 503.

    It looks at its rows, and answers, once it `may_answer`: in threads, while tests write.
    """

    def __init__(self, process: Process) -> None:
        self.process = process
        self.requests: dict[str, TransferRequest] = {}
        self.rows: dict[str, dict[Step, StepRow]] = {}
        self.is_away = False
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.called: Counter[str] = Counter()

    def clear(self) -> None:
        for collection in (self.requests, self.rows, self.called):
            collection.clear()

    def put(self, request: TransferRequest, *rows: StepRow) -> None:
        """The first row stores the request (rule 3)."""
        first = self.requests.setdefault(request.transfer_id, request)
        for row in rows:
            known = self.rows.setdefault(first.transfer_id, {})
            known[row.step] = row.model_copy(update={"transfer_id": first.transfer_id})

    def find(self, transfer_id: str) -> TransferRows | None:
        if transfer_id not in self.requests:
            return None
        rows = list(self.rows.get(transfer_id, {}).values())
        status = final_status(rows) if self.process is Process.ACCOUNT_API else None
        finished_at = max(row.finished_at for row in rows) if status else None
        return TransferRows(
            transfer=self.requests[transfer_id], rows=rows, final_status=status, finished_at=finished_at
        )

    def all(self) -> list[TransferRows]:
        found = [known for known in map(self.find, [*self.requests]) if known is not None]
        return sorted(found, key=_position, reverse=True)


class Databases:
    """Both participants, and what their reconciliations say."""

    def __init__(self) -> None:
        self.accounts = Database(Process.ACCOUNT_API)
        self.ledger = Database(Process.LEDGER_API)
        self.totals: list[CurrencyTotals] = []
        self.in_accounts: list[Discrepancy] = []
        self.between: dict[str, Discrepancy] = {}
        self.in_ledger: list[Discrepancy] = []
        self.checked: list[str] = []
        self.page_size = 5000

    def clear(self) -> None:
        for everything in (self.accounts, self.ledger, self.totals, self.in_accounts, self.between, self.in_ledger):
            everything.clear()
        self.checked.clear()
        self.page_size = 5000

    def put(self, request: TransferRequest, *rows: StepRow) -> None:
        for database, its in (
            (self.accounts, [row for row in rows if row.step is not Step.RECORD]),
            (self.ledger, [row for row in rows if row.step is Step.RECORD]),
        ):
            if its:
                database.put(request, *its)


def account_api(databases: Databases) -> FastAPI:
    app, router = _app(databases.accounts)

    @router.get("/transfers")
    def page(
        *,
        final: bool | None = None,
        status: FinalStatus | None = None,
        account: str | None = None,
        oldest_first: bool = False,
        of_batches: bool | None = None,
        cursor: str | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> Page[TransferRows]:
        after = TransferCursor.decode(cursor) if cursor else None
        found = [
            known
            for known in (databases.accounts.all()[::-1] if oldest_first else databases.accounts.all())
            if (final is None or (known.final_status is not None) is final)
            and (of_batches is None or (batch_of(known.transfer.transfer_id) is not None) is of_batches)
            and (status is None or known.final_status is status)
            and (account in (None, known.transfer.source_account, known.transfer.destination_account))
            and (after is None or _position(known) < (after.created_at, after.transfer_id))
        ]
        return _page(found, limit, lambda last: _cursor(last.transfer))

    _add_end(router, databases.accounts)
    add_batches(router, databases.accounts)

    @router.get("/accounts")
    def accounts() -> Page[Account]:
        return Page(items=[])

    @router.post("/transfers/known")
    def known(asked: TransferIds) -> TransferIds:
        return TransferIds(transfer_ids=[i for i in asked.transfer_ids if i in databases.accounts.requests])

    @router.post("/transfers/final")
    def final(asked: TransferIds) -> TransferIds:
        known = {known.transfer.transfer_id for known in databases.accounts.all() if known.final_status is not None}
        return TransferIds(transfer_ids=[i for i in asked.transfer_ids if i in known])

    @router.get("/reconciliation")
    def reconciliation() -> AccountsReconciliation:
        completed = (known for known in databases.accounts.all() if known.final_status is FinalStatus.COMPLETED)
        return AccountsReconciliation(
            currencies=databases.totals,
            discrepancies=databases.in_accounts,
            digests=_digests(known.transfer.transfer_id for known in completed),
        )

    @router.post("/reconciliation/final-transfers")
    def final_transfers(wanted: FinalTransfersQuery) -> FinalTransfers:
        final = [_final_transfer(known) for known in databases.accounts.all() if known.final_status is not None]
        asked = [t for t in final if _bucket(t.transfer_id) in wanted.buckets]
        found = sorted((t for t in asked if t.transfer_id > wanted.after), key=lambda t: t.transfer_id)
        page = _page(found, databases.page_size, lambda last: last.transfer_id)
        return FinalTransfers(transfers=to_json(page.items).decode(), last=page.next_cursor)

    app.include_router(router)
    return app


def _add_end(router: APIRouter, accounts: Database) -> None:
    @router.get("/transfers/{transfer_id}/end")
    async def end(transfer_id: str, wait: float) -> TransferRows:
        for _ in range(int(wait / _LOOK_SECONDS)):
            found = accounts.find(transfer_id)
            if found is not None and found.final_status is not None:
                return found
            await asyncio.sleep(_LOOK_SECONDS)
        if (found := accounts.find(transfer_id)) is None:
            raise Problem(ProblemCode.NOT_FOUND, "never heard of it")
        return found


def ledger_api(databases: Databases) -> FastAPI:
    app, router = _app(databases.ledger)

    @router.post("/transfers/query")
    def query(asked: TransferIds) -> Page[TransferRows]:
        found = [databases.ledger.find(transfer_id) for transfer_id in asked.transfer_ids]
        return Page(items=[known for known in found if known is not None])

    def applied() -> list[str]:
        known = databases.ledger.all()
        return [its.transfer.transfer_id for its in known if its.rows[0].decision is Decision.APPLIED]

    @router.post("/reconciliation/applied-transfers")
    def applied_transfers(wanted: AppliedTransfersQuery) -> Page[str]:
        found = (i for i in applied() if i > wanted.after and _bucket(i) in wanted.buckets)
        return _page(sorted(found), databases.page_size, lambda last: last)

    @router.get("/reconciliation")
    def reconciliation() -> LedgerReconciliation:
        return LedgerReconciliation(discrepancies=databases.in_ledger, digests=_digests(applied()))

    @router.post("/reconciliation/check")
    def check(final: FinalTransfers) -> Page[Discrepancy]:
        ids = [each.transfer_id for each in TypeAdapter(list[FinalTransfer]).validate_json(final.transfers)]
        databases.checked += ids
        return Page(items=[databases.between[i] for i in ids if i in databases.between])

    app.include_router(router)
    return app


def _app(database: Database) -> tuple[FastAPI, APIRouter]:
    async def is_there(request: Request) -> None:
        database.called[request.url.path] += 1
        if database.is_away:
            raise unavailable(database.process)
        await database.may_answer.wait()

    router = APIRouter(dependencies=[Depends(is_there)])

    @router.get("/transfers/{transfer_id}")
    def get(transfer_id: str) -> TransferRows:
        known = database.find(transfer_id)
        if known is None:
            raise Problem(ProblemCode.NOT_FOUND, "never heard of it")
        return known

    return create_app(database.process, {}, registry=CollectorRegistry()), router


def _bucket(transfer_id: str) -> int:
    return crc32(transfer_id.encode()) % BUCKETS


def _digests(transfer_ids: Iterable[str]) -> dict[int, int]:
    """Any sums do that differ where the ids do."""
    sums: Counter[int] = Counter()
    for transfer_id in transfer_ids:
        sums[_bucket(transfer_id)] += crc32(transfer_id[::-1].encode())
    return dict(sums)


def _page(found: list[Item], limit: int, cursor: Callable[[Item], str]) -> Page[Item]:
    return Page(items=found[:limit], next_cursor=cursor(found[limit - 1]) if len(found) > limit else None)


def _position(known: TransferRows) -> tuple[object, str]:
    return (known.transfer.created_at, known.transfer.transfer_id)


def _cursor(transfer: TransferRequest) -> str:
    return TransferCursor(created_at=transfer.created_at, transfer_id=transfer.transfer_id).encode()


def _final_transfer(known: TransferRows) -> FinalTransfer:
    if known.final_status is None:
        raise ValueError("not final")
    return FinalTransfer(
        transfer_id=known.transfer.transfer_id,
        status=known.final_status,
        deposit_shut=decision_of(known.rows, Step.DEPOSIT) in (Decision.REJECTED, Decision.CANCELLED),
        source_account=known.transfer.source_account,
        destination_account=known.transfer.destination_account,
        amount_minor=known.transfer.amount_minor,
        currency=known.transfer.currency,
    )
