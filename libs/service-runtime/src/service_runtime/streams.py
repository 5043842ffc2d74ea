"""Responses that last until one side ends them: a sign of life in each pause, an end when the process stops."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, TypeVar

from anyio import CancelScope
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Send

Item = TypeVar("Item")

JSON_LINES: Final = "application/jsonl"
PAUSE_SECONDS: Final = 5.0
SILENCE_SECONDS: Final = 3 * PAUSE_SECONDS
"""For whom it may concern that the other process hangs: this long without even a sign of life."""


class LiveResponse(StreamingResponse):
    """Sends the chunks as they come and closes their source at the end, whoever ends it.

    A client that goes away needs no care: Starlette cancels the response.
    """

    def __init__(
        self, request: Request, chunks: AsyncGenerator[bytes], *, media_type: str, sign_of_life: bytes, pause: float
    ) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # proxies must not hold it back
        super().__init__(_alive(request, chunks, sign_of_life, pause), media_type=media_type, headers=headers)
        self._chunks = chunks

    async def stream_response(self, send: Send) -> None:
        try:
            async with aclosing(self.body_iterator):  # type: ignore[type-var] # an async generator, from _alive
                await super().stream_response(send)
        finally:
            with CancelScope(shield=True):
                await self._chunks.aclose()  # where the client had gone before the first one was asked for


def json_lines(request: Request, items: AsyncGenerator[BaseModel]) -> LiveResponse:
    """A line for each item, for `InternalClient.stream`. An empty line says only that the process lives."""
    return LiveResponse(request, _lines(items), media_type=JSON_LINES, sign_of_life=b"\n", pause=PAUSE_SECONDS)


async def _lines(items: AsyncGenerator[BaseModel]) -> AsyncGenerator[bytes]:
    async with aclosing(items):
        async for item in items:
            yield item.model_dump_json(exclude_unset=True).encode() + b"\n"


async def _alive(
    request: Request, chunks: AsyncGenerator[bytes], sign_of_life: bytes, pause: float
) -> AsyncGenerator[bytes]:
    stopping = asyncio.create_task(request.app.state.stopping.wait())
    coming = asyncio.ensure_future(anext(chunks, None))
    try:
        while not stopping.done():
            await asyncio.wait({coming, stopping}, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            if coming.done():
                if (chunk := coming.result()) is None:
                    return
                yield chunk
                coming = asyncio.ensure_future(anext(chunks, None))
            elif not stopping.done():
                yield sign_of_life
    finally:
        with CancelScope(shield=True):  # where the client has gone, Starlette cancels every await from here on
            stopping.cancel()
            coming.cancel()
            await asyncio.gather(stopping, coming, return_exceptions=True)
            await chunks.aclose()


async def opened(items: AsyncGenerator[Item]) -> tuple[Item, AsyncGenerator[Item]]:
    """The first item, and all of them: what the first one raises can still be an answer with a status of its own.

    Raises StopAsyncIteration where there is none.
    """

    async def first_twice() -> AsyncGenerator[Item]:
        is_first = True
        async with aclosing(items):
            async for item in items:
                if is_first:
                    yield item
                is_first = False
                yield item

    all_of_them = first_twice()
    return await anext(all_of_them), all_of_them  # begun, so that closing it closes `items`
