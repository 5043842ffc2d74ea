"""What the fakes of the internal APIs know of batches."""

from datetime import UTC, datetime
from typing import Final

from fastapi import FastAPI
from service_runtime.problems import Problem
from service_runtime.streams import JSON_LINES
from starlette.responses import Response
from transfer_contract.batches import (
    Batch,
    BatchItem,
    BatchOrder,
    BatchStatus,
    BatchStored,
    BatchTotal,
    BatchView,
    transfer_id_in,
)
from transfer_contract.http import Page, ProblemCode
from transfer_contract.transfers import TransferOrder, TransferStatus, TransferView

CREATED: Final = datetime(2026, 1, 31, 9, 0, 0, 123456, tzinfo=UTC)


class BatchWorld:
    """`final`: whether all transfers of every batch have completed. `started`: batches that were asked to run."""

    def __init__(self) -> None:
        self.orders: dict[str, BatchOrder] = {}
        self.started: list[str] = []
        self.final = False

    def stored(self, order: BatchOrder) -> BatchStored:
        known = self.orders.setdefault(order.batch_id, order)
        if known.fingerprint != order.fingerprint:
            raise Problem(ProblemCode.IDEMPOTENCY_KEY_REUSED, "This key belongs to another batch.")
        view = self.view(order.batch_id)
        return BatchStored(
            batch=view.batch, totals=view.totals, finished_at=view.finished_at, replayed=known is not order
        )

    def view(self, batch_id: str) -> BatchView:
        order = self._found(batch_id)
        status = TransferStatus.COMPLETED if self.final else TransferStatus.ACCEPTED
        totals = [
            BatchTotal(currency=item.currency, status=status, transfers=1, amount_minor=item.amount_minor)
            for item in order.transfers
        ]
        return BatchView(
            batch=Batch(batch_id=batch_id, total=len(order.transfers), reference=order.reference, created_at=CREATED),
            totals=totals,
            finished_at=CREATED if self.final else None,
            status=BatchStatus.FINISHED if self.final else BatchStatus.ACCEPTED,
        )

    def page(self, batch_id: str, limit: int, cursor: str | None) -> Page[TransferView]:
        items = self._found(batch_id).transfers
        first = int(cursor or 0)
        views = [
            _view(batch_id, position, item) for position, item in enumerate(items[first : first + limit], first + 1)
        ]
        return Page(items=views, next_cursor=str(first + limit) if first + limit < len(items) else None)

    def _found(self, batch_id: str) -> BatchOrder:
        if batch_id not in self.orders:
            raise Problem(ProblemCode.NOT_FOUND, f"There is no batch {batch_id}.")
        return self.orders[batch_id]


def _view(batch_id: str, position: int, item: BatchItem) -> TransferView:
    order = TransferOrder(transfer_id=transfer_id_in(batch_id, position), **dict(item))
    return TransferView.accepted(order, created_at=CREATED)


def add_storing(app: FastAPI, batches: BatchWorld) -> None:
    @app.post("/transfer-batches")
    async def store(order: BatchOrder) -> BatchStored:
        return batches.stored(order)


def add_running(app: FastAPI, batches: BatchWorld) -> None:
    @app.post("/transfer-batches/run", status_code=202)
    async def run(batch: Batch) -> Batch:
        batches.started.append(batch.batch_id)
        return batch


def add_looking(app: FastAPI, batches: BatchWorld) -> None:
    @app.get("/transfer-batches/{batch_id}")
    async def look(batch_id: str) -> BatchView:
        return batches.view(batch_id)

    @app.get("/transfer-batches/{batch_id}/transfers")
    async def page(batch_id: str, limit: int, cursor: str | None = None) -> Page[TransferView]:
        return batches.page(batch_id, limit, cursor)

    @app.get("/transfer-batches/{batch_id}/events")
    async def follow(batch_id: str) -> Response:
        """It finishes while it is followed."""
        first, batches.final = batches.view(batch_id), True
        lines = [view.model_dump_json() for view in (first, batches.view(batch_id))]
        return Response("\n".join([*lines, ""]), media_type=JSON_LINES)
