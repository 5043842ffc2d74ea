"""`text/event-stream` as the gateway writes it: named events, a heartbeat, and streams that outlive status-checker."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final, TypeVar

from fastapi import Request
from fastapi.sse import format_sse_event
from pydantic import BaseModel
from service_runtime.problems import Problem
from service_runtime.streams import LiveResponse
from transfer_contract.http import ProblemCode

Item = TypeVar("Item")

MEDIA_TYPE: Final = "text/event-stream"
HEARTBEAT_SECONDS: Final = 15.0
RECONNECT_SECONDS: Final = 1.0
"""For browsers and for the gateway itself."""

HEARTBEAT: Final = format_sse_event(comment="heartbeat")
_RETRY: Final = format_sse_event(retry=int(RECONNECT_SECONDS * 1000))


def event(name: str, data: BaseModel, *, version: str | None = None) -> bytes:
    return format_sse_event(event=name, data_str=data.model_dump_json(), id=version)


def event_stream(request: Request, events: AsyncGenerator[bytes], *, sign_of_life: bytes = HEARTBEAT) -> LiveResponse:
    """Says first how soon a browser may come back, which also tells it that the stream is open."""
    return LiveResponse(
        request, _opened(events), media_type=MEDIA_TYPE, sign_of_life=sign_of_life, pause=HEARTBEAT_SECONDS
    )


async def reconnecting(
    connect: Callable[[], AsyncGenerator[Item]],
    *,
    first: AsyncGenerator[Item] | None = None,
    away: Callable[[Problem], Item] | None = None,
) -> AsyncGenerator[Item]:
    """The items of one connection after the other, and what `away` makes of one that breaks.

    `first` is a connection that is open already. Ends where what it follows isn't there any more.
    """
    while True:
        connection, first = first or connect(), None
        try:
            async with aclosing(connection):
                async for item in connection:
                    yield item
        except Problem as problem:
            if problem.code is ProblemCode.NOT_FOUND:
                return
            if away is not None:
                yield away(problem)
        await asyncio.sleep(RECONNECT_SECONDS)


async def _opened(events: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    async with aclosing(events):
        yield _RETRY
        async for event in events:
            yield event
