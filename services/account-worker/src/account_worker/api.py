"""account-api: accounts, transfers by their rows, reconciliation. A process of its own, so no worker need be alive."""

import time
from typing import Annotated, NoReturn

import structlog
from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from service_runtime.database import DATABASE_UNABLE, in_transaction, without_transaction
from service_runtime.problems import Problem, invalid_field, problem_response, unavailable
from sqlalchemy import Engine
from transfer_contract.http import (
    Account,
    AccountsReconciliation,
    FinalTransfers,
    FinalTransfersQuery,
    NewAccount,
    Page,
    ProblemCode,
    TransferCursor,
    TransferIds,
    TransferRows,
)
from transfer_contract.steps import FinalStatus

from account_worker import final_transfers, queries, reconciliation
from account_worker.account_lifecycle import AccountError, close_account, open_account
from account_worker.batches_api import batches_router
from account_worker.demo_faults import Faults
from account_worker.endings import Endings

_ID = r"^[a-z0-9-]{1,64}$"
PathId = Annotated[str, Path(pattern=_ID)]
QueryId = Annotated[str | None, Query(pattern=_ID)]
PageSize = Annotated[int, Query(ge=1, le=1000)]
"""A page is a bounded piece of work, and stays below a megabyte."""
WaitSeconds = Annotated[float, Query(ge=0, le=4)]
"""Below the time that a clean stop waits for open requests."""


def add_routes(app: FastAPI, engine: Engine, faults: Faults) -> None:
    """The endpoints are sync: FastAPI runs them in threads, and SQLAlchemy blocks only those."""
    app.include_router(accounts_router(engine))
    app.include_router(transfers_router(engine, faults))
    app.include_router(batches_router(engine))
    app.include_router(reconciliation_router(engine))
    for error in (AccountError, *DATABASE_UNABLE):
        app.add_exception_handler(error, _on_error)


def accounts_router(engine: Engine) -> APIRouter:
    router = APIRouter(prefix="/accounts")

    @router.post("", status_code=201)
    def create(new: NewAccount, response: Response) -> Account:
        account, is_new = in_transaction(engine, lambda connection: open_account(connection, new))
        response.status_code = 201 if is_new else 200
        return account

    @router.get("")
    def list_all(cursor: QueryId = None, limit: PageSize = 100) -> Page[Account]:
        with engine.connect() as connection:
            return queries.list_accounts(connection, after=cursor, limit=limit)

    @router.get("/{account_id}")
    def get(account_id: PathId) -> Account:
        with engine.connect() as connection:
            account = queries.find_account(connection, account_id)
        return account or _not_found(f"account {account_id}")

    @router.post("/{account_id}/close")
    def close(account_id: PathId) -> Account:
        return in_transaction(engine, lambda connection: close_account(connection, account_id))

    return router


def transfers_router(engine: Engine, faults: Faults) -> APIRouter:
    endings, reading = Endings(engine), without_transaction(engine)
    router = APIRouter(prefix="/transfers", lifespan=endings.lifespan)

    def find(transfer_id: str) -> TransferRows | None:
        with reading.connect() as connection:
            return queries.find_transfer(connection, transfer_id)

    @router.get("")
    def list_all(
        wanted: Annotated[queries.TransferFilter, Depends(_wanted)], limit: PageSize = 100
    ) -> Page[TransferRows]:
        with engine.connect() as connection:
            return queries.list_transfers(connection, wanted, limit=limit)

    @router.post("/known")
    def known(asked: TransferIds) -> TransferIds:
        with engine.connect() as connection:
            return TransferIds(transfer_ids=queries.known_transfers(connection, asked.transfer_ids))

    @router.post("/final")
    def final(asked: TransferIds) -> TransferIds:
        with engine.connect() as connection:
            return TransferIds(transfer_ids=queries.final_transfers(connection, asked.transfer_ids))

    @router.get("/{transfer_id}")
    def get(transfer_id: PathId) -> TransferRows:
        return find(transfer_id) or _not_found(f"transfer {transfer_id}")

    @router.get("/{transfer_id}/end")
    async def get_end(transfer_id: PathId, wait: WaitSeconds = 0) -> TransferRows:
        """As soon as it is final, or as it is when the time is up."""
        with endings.of(transfer_id) as told:
            until = time.monotonic() + wait
            found = await run_in_threadpool(find, transfer_id)
            while (found is None or found.final_status is None) and await told(until - time.monotonic()):
                found = await run_in_threadpool(find, transfer_id)
        return found or _not_found(f"transfer {transfer_id}")

    @router.post("/{transfer_id}/lift-fault", status_code=204)
    def lift_fault(transfer_id: PathId) -> None:
        get(transfer_id)  # 404 where it has no row
        faults.lift(transfer_id)

    return router


def reconciliation_router(engine: Engine) -> APIRouter:
    router = APIRouter(prefix="/reconciliation")

    @router.get("")
    def reconcile() -> AccountsReconciliation:
        return reconciliation.reconcile(engine)

    @router.post("/final-transfers")
    def list_final(wanted: FinalTransfersQuery) -> FinalTransfers:
        with engine.connect() as connection:
            return final_transfers.final_transfers(connection, wanted)

    return router


def _not_found(what: str) -> NoReturn:
    raise Problem(ProblemCode.NOT_FOUND, f"There is no {what}.")


def _wanted(
    *,
    final: bool | None = None,
    status: FinalStatus | None = None,
    account: QueryId = None,
    of_batches: bool | None = None,
    oldest_first: bool = False,
    cursor: str | None = None,
) -> queries.TransferFilter:
    return queries.TransferFilter(
        is_final=final,
        status=status,
        account=account,
        after=_decoded(cursor),
        oldest_first=oldest_first,
        of_batches=of_batches,
    )


def _decoded(cursor: str | None) -> TransferCursor | None:
    try:
        return TransferCursor.decode(cursor) if cursor is not None else None
    except ValueError as error:
        raise invalid_field("cursor", "is not one that a list has answered") from error


async def _on_error(_request: Request, error: Exception) -> JSONResponse:
    """An error of this service has its code; every other one that comes here says that the database is away."""
    if isinstance(error, AccountError):
        return problem_response(Problem(error.code, str(error)))
    structlog.get_logger().warning("the accounts database doesn't answer", error=str(error))
    return problem_response(unavailable("The accounts database"))
