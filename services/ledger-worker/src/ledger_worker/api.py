"""ledger-api: transfers by their row, entries, reconciliation. It only reads, and no worker need be alive."""

from typing import Annotated

from fastapi import APIRouter, FastAPI, Path, Query, Request
from fastapi.responses import JSONResponse
from service_runtime.database import DATABASE_UNABLE, without_transaction
from service_runtime.problems import Problem, invalid_field, problem_response, unavailable
from sqlalchemy import Engine
from transfer_contract.http import (
    AppliedTransfersQuery,
    Discrepancy,
    Entry,
    FinalTransfers,
    LedgerReconciliation,
    Page,
    ProblemCode,
    TransferIds,
    TransferRows,
)
from transfer_contract.transfers import TransferRequest

from ledger_worker import final_transfers, queries, reconciliation

PathId = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,64}$")]
AfterId = Annotated[str, Query(pattern=r"^[a-z0-9-]{0,64}$")]
PageSize = Annotated[int, Query(ge=1, le=1000)]


def add_routes(app: FastAPI, engine: Engine) -> None:
    """The endpoints are sync: FastAPI runs them in threads, and SQLAlchemy blocks only those."""
    app.include_router(transfers_router(engine))
    app.include_router(accounts_router(engine))
    app.include_router(reconciliation_router(engine))
    for error in DATABASE_UNABLE:
        app.add_exception_handler(error, _on_database_away)


def transfers_router(engine: Engine) -> APIRouter:
    router, reading = APIRouter(prefix="/transfers"), without_transaction(engine)

    @router.get("/shut")
    def list_shut(after: AfterId = "", limit: PageSize = 100) -> Page[TransferRequest]:
        with engine.connect() as connection:
            return queries.shut_transfers(connection, after=after, limit=limit)

    @router.get("/{transfer_id}")
    def get(transfer_id: PathId) -> TransferRows:
        with reading.connect() as connection:
            found = queries.find_transfers(connection, [transfer_id])
        if not found:
            raise Problem(ProblemCode.NOT_FOUND, f"The ledger knows no transfer {transfer_id}.")
        return found[0]

    @router.post("/query")
    def query(asked: TransferIds) -> Page[TransferRows]:
        with engine.connect() as connection:
            return Page(items=queries.find_transfers(connection, asked.transfer_ids))

    return router


def accounts_router(engine: Engine) -> APIRouter:
    router = APIRouter(prefix="/accounts")

    @router.get("/{account_id}/entries")
    def list_entries(account_id: PathId, cursor: str | None = None, limit: PageSize = 100) -> Page[Entry]:
        try:
            before = queries.decode_cursor(cursor) if cursor is not None else None
        except ValueError as error:
            raise invalid_field("cursor", "is not one that a list has answered") from error
        with engine.connect() as connection:
            return queries.list_entries(connection, account_id, before=before, limit=limit)

    return router


def reconciliation_router(engine: Engine) -> APIRouter:
    router = APIRouter(prefix="/reconciliation")

    @router.post("/check")
    def check(final: FinalTransfers) -> Page[Discrepancy]:
        with engine.connect() as connection:
            return Page(items=final_transfers.check(connection, final))

    @router.post("/applied-transfers")
    def applied_transfers(wanted: AppliedTransfersQuery) -> Page[str]:
        with engine.connect() as connection:
            return final_transfers.applied_transfers(connection, wanted)

    @router.get("")
    def reconcile() -> LedgerReconciliation:
        return reconciliation.reconcile(engine)

    return router


async def _on_database_away(_request: Request, _error: Exception) -> JSONResponse:
    return problem_response(unavailable("The ledger database"))
