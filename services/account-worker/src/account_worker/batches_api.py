"""The part of account-api that stores batches and tells what has become of them."""

from typing import Annotated, NoReturn

from fastapi import APIRouter, Path, Query, Response
from pydantic import AwareDatetime
from service_runtime.database import in_transaction
from service_runtime.problems import Problem
from service_runtime.turns import Turns, route_in_turns
from sqlalchemy import Engine
from transfer_contract.batches import ORDERS_AT_ONCE, Batch, BatchItems, BatchOrder, BatchProgress, BatchStored
from transfer_contract.http import Page, ProblemCode, TransferRows
from transfer_contract.steps import FinalStatus

from account_worker import batches
from account_worker.queries import TransferFilter

BatchId = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$")]


def batches_router(engine: Engine) -> APIRouter:
    router = APIRouter(prefix="/transfer-batches")

    def store(order: BatchOrder) -> BatchStored:
        stored = in_transaction(engine, lambda connection: batches.store_batch(connection, order))
        if stored is None:
            detail = "The idempotency key was used before, for a request with another body."
            raise Problem(ProblemCode.IDEMPOTENCY_KEY_REUSED, detail)
        return stored

    in_turns = route_in_turns(Turns(ORDERS_AT_ONCE))
    router.add_api_route("", store, methods=["POST"], route_class_override=in_turns)

    @router.get("/unfinished")
    def list_unfinished(
        before: AwareDatetime,
        after: Annotated[str, Query(pattern=r"^[0-9a-f-]{0,36}$")] = "",
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> Page[Batch]:
        with engine.connect() as connection:
            return batches.unfinished_batches(connection, before=before, after=after, limit=limit)

    @router.get("/{batch_id}")
    def get(batch_id: BatchId) -> BatchProgress:
        with engine.connect() as connection:
            return batches.find_progress(connection, batch_id) or _not_found(batch_id)

    @router.get("/{batch_id}/transfers")
    def list_transfers(
        batch_id: BatchId,
        *,
        final: bool | None = None,
        status: FinalStatus | None = None,
        after: Annotated[int, Query(ge=0, le=99_998)] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> Page[TransferRows]:
        wanted = TransferFilter(is_final=final, status=status)
        with engine.connect() as connection:
            return batches.list_transfers(connection, batch_id, wanted, after=after, limit=limit)

    @router.post("/requests")
    def requests(items: BatchItems) -> Response:
        """A list of `TransferRequest`. It is handed on as PostgreSQL wrote it: a chunk of a batch is read often."""
        with engine.connect() as connection:
            return Response(batches.requests_as_json(connection, items), media_type="application/json")

    return router


def _not_found(batch_id: str) -> NoReturn:
    raise Problem(ProblemCode.NOT_FOUND, f"There is no batch {batch_id}.")
