"""The internal HTTP API of status-checker: a transfer, the list of them, the workers, the reconciliation."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from typing import Annotated, Any, Final, Literal, TypeVar

from fastapi import APIRouter, Path, Query, Request, Response
from service_runtime.problems import Problem, invalid_field
from service_runtime.streams import json_lines, opened
from transfer_contract.attention import Attention
from transfer_contract.batches import BatchView
from transfer_contract.http import Overview, Page, ProblemCode, Reconciliation, TransferCursor, WorkersView
from transfer_contract.transfers import TransferStatus, TransferView

from status_checker.batch_watches import BatchWatches
from status_checker.batches import Batches, BatchQuery
from status_checker.transfer_list import ListQuery, TransferList
from status_checker.waiting import Waiting
from status_checker.watches import Watches

MAX_WAIT_SECONDS: Final = 30
"""Below what proxies and clients usually put up with; who wants to wait longer asks again."""

MAX_PAGE_SIZE: Final = 100
DEFAULT_PAGE_SIZE: Final = 50

Answer = TypeVar("Answer")
TransferId = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,64}$")]
Wait = Annotated[int, Query(ge=0, le=MAX_WAIT_SECONDS)]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE)]
BatchId = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$")]
BatchLimit = Annotated[int, Query(ge=1, le=1000)]
"""The gateway reads a batch's outcomes in large pages, to hand them on as one file."""


def transfers_router(waiting: Waiting, transfers: TransferList) -> APIRouter:
    router = APIRouter()

    @router.get("/transfers/{transfer_id}")
    async def get_transfer(
        request: Request,
        transfer_id: TransferId,
        wait: Wait = 0,
        until: Literal["change", "final"] = "change",
        known: str | None = None,
    ) -> TransferView:
        if until == "final" and wait > 0:
            return await _while_connected(request, waiting.until_final(transfer_id, wait_seconds=wait))
        return await _while_connected(request, waiting.until_changed(transfer_id, known=known, wait_seconds=wait))

    @router.get("/transfers")
    async def list_transfers(
        status: TransferStatus | None = None,
        account: str | None = None,
        limit: Limit = DEFAULT_PAGE_SIZE,
        cursor: str | None = None,
    ) -> Page[TransferView]:
        query = ListQuery(status=status, account=account, limit=limit, after=_decode(cursor))
        return await transfers.page(query)

    return router


def batches_router(batches: Batches, watches: BatchWatches) -> APIRouter:
    router = APIRouter(prefix="/transfer-batches/{batch_id}")

    @router.get("")
    async def get_batch(batch_id: BatchId) -> BatchView:
        return await batches.look(batch_id)

    @router.get("/transfers")
    async def list_transfers(
        batch_id: BatchId,
        status: TransferStatus | None = None,
        limit: BatchLimit = DEFAULT_PAGE_SIZE,
        cursor: Annotated[str | None, Query(max_length=10)] = None,
    ) -> Page[TransferView]:
        return await batches.page(BatchQuery(batch_id, status, limit, _position(cursor)))

    @router.get("/events")
    async def follow_batch(request: Request, batch_id: BatchId) -> Response:
        """A line for the batch as it is and for each change, up to the finished one."""
        _, views = await opened(watches.views(batch_id))
        return json_lines(request, views)

    return router


def events_router(watches: Watches, overviews: Callable[[], AsyncGenerator[Overview]]) -> APIRouter:
    router = APIRouter()

    @router.get("/transfers/{transfer_id}/events")
    async def follow_transfer(request: Request, transfer_id: TransferId) -> Response:
        """A line for the transfer as it is and for each change, up to the final one."""
        _, views = await opened(watches.views(transfer_id))
        return json_lines(request, views)

    @router.get("/events")
    async def follow_overview(request: Request) -> Response:
        """A line for each `Overview`."""
        return json_lines(request, overviews())

    return router


def operations_router(
    workers: Callable[[], Awaitable[WorkersView]],
    reconciliation: Callable[[], Awaitable[Reconciliation]],
    attention: Callable[[], Awaitable[Attention]],
) -> APIRouter:
    router = APIRouter()

    @router.get("/attention")
    async def get_attention(limit: Limit = DEFAULT_PAGE_SIZE) -> Attention:
        whole = await attention()
        return whole.model_copy(update={"items": whole.items[:limit]})

    @router.get("/workers")
    async def get_workers() -> WorkersView:
        return await workers()

    @router.get("/reconciliation")
    async def get_reconciliation() -> Reconciliation:
        return await reconciliation()

    return router


def _position(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isdecimal() and cursor.isascii() and len(cursor) <= 5):
        raise invalid_field("cursor", "not a cursor that this API has handed out")
    return int(cursor)


def _decode(cursor: str | None) -> TransferCursor | None:
    try:
        return TransferCursor.decode(cursor) if cursor else None
    except ValueError as error:
        raise invalid_field("cursor", "not a cursor that this API has handed out") from error


async def _while_connected(request: Request, work: Coroutine[Any, Any, Answer]) -> Answer:
    """Ends the work when the client has gone: nobody would read its answer."""
    working, leaving = asyncio.create_task(work), asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Problem(ProblemCode.UNAVAILABLE, "The client has gone.")
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
