"""A batch's outcomes as one CSV file, and a batch followed from change to change."""

import csv
import io
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from datetime import UTC
from functools import partial
from typing import Final

from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from service_runtime.streams import opened
from transfer_contract.batches import BatchView, position_of
from transfer_contract.http import Page
from transfer_contract.transfers import TransferView

from gateway.batch_models import TransferBatch
from gateway.downstream import Downstream
from gateway.event_stream import event, event_stream, reconnecting
from gateway.money import to_decimal

PAGE_SIZE: Final = 500
"""Of the file, at a time: what it needs of memory."""

COLUMNS: Final = (
    "position", "id", "status", "source_account", "destination_account", "amount", "currency", "reference",
    "failure_code", "failure_step", "failure_detail", "finished_at",
)  # fmt: skip


_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet takes for the beginning of a formula, as OWASP lists it."""
_QUOTE: Final = "'"


class BatchOutcomes:
    def __init__(self, downstream: Downstream) -> None:
        self._downstream = downstream

    async def file(self, batch_id: str) -> Response:
        """Raises `Problem` where it can't begin; where it can't go on, the connection breaks."""
        _, lines = await opened(self._lines(batch_id))
        headers = {"Content-Disposition": f'attachment; filename="batch-{batch_id}.csv"'}
        return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)

    async def follow(self, request: Request, batch_id: str, last_event_id: str | None) -> Response:
        """Raises `Problem` where there is none, or nobody knows for now."""
        view, views = await opened(self._views(batch_id))
        if view.finished_at is not None and view.version == last_event_id:
            await views.aclose()
            return Response(status_code=204)
        views = reconnecting(partial(self._views, batch_id), first=views)
        return event_stream(request, _changes(views, known=last_event_id))

    async def _lines(self, batch_id: str) -> AsyncGenerator[bytes]:
        cursor: str | None = None
        page = await self._page(batch_id, cursor)
        yield _csv([COLUMNS])
        while True:
            yield _csv(map(_line, page.items))
            if page.next_cursor is None:
                return
            page = await self._page(batch_id, page.next_cursor)

    async def _page(self, batch_id: str, cursor: str | None) -> Page[TransferView]:
        query = {"limit": PAGE_SIZE, "cursor": cursor}
        path = f"/transfer-batches/{batch_id}/transfers"
        return await self._downstream.status_checker.get(path, Page[TransferView], query=query, extra_seconds=10)

    def _views(self, batch_id: str) -> AsyncGenerator[BatchView]:
        return self._downstream.streams.stream(f"/transfer-batches/{batch_id}/events", BatchView)


async def _changes(views: AsyncGenerator[BatchView], *, known: str | None) -> AsyncGenerator[bytes]:
    async with aclosing(views):
        async for view in views:
            if view.version != known:
                known = view.version
                yield event("batch", TransferBatch.of(view), version=known)
            if view.finished_at is not None:
                return


def _csv(lines: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(lines)
    return text.getvalue().encode()


def as_text(written: str) -> str:
    """What somebody wrote, so that no spreadsheet runs it. Without its first quote a field is what was written."""
    return f"{_QUOTE}{written}" if written.startswith((*_FORMULA, _QUOTE)) else written


def _line(view: TransferView) -> tuple[object, ...]:
    failure = view.failure
    return (
        position_of(view.id),
        view.id,
        view.status,
        view.source_account,
        view.destination_account,
        to_decimal(view.amount_minor, view.currency),
        view.currency,
        as_text(view.reference or ""),
        failure.code if failure else "",
        (failure.step or "") if failure else "",
        as_text(failure.detail) if failure else "",
        view.finished_at.astimezone(UTC).isoformat().replace("+00:00", "Z") if view.finished_at else "",
    )
