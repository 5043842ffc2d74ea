"""Who waits for a transfer's end hears of it from PostgreSQL, with the commit that makes the transfer final."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import psycopg
import structlog
from fastapi import APIRouter, FastAPI
from service_runtime.background import beside
from service_runtime.database import CONNECT_TIMEOUT_SECONDS
from sqlalchemy import Engine

CHANNEL: Final = "transfer_ends"
"""Each message is a transfer's id, or the id of a batch of which some have ended: the first 36 characters of theirs."""

_MESSAGE_LENGTH: Final = 36

_RECONNECT_SECONDS: Final = 1.0


class Endings:
    """One connection that listens, for all who wait. While there is none, nobody is told, and everybody afterwards."""

    def __init__(self, engine: Engine) -> None:
        self._url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)

    @asynccontextmanager
    async def lifespan(self, _app: FastAPI | APIRouter) -> AsyncIterator[None]:
        async with beside(self._keep_listening()):
            yield

    @contextmanager
    def of(self, transfer_id: str) -> Iterator[Callable[[float], Awaitable[bool]]]:
        """From now on its end is noticed: `told(seconds)` is True each time it may have come, False when time is up."""
        event = asyncio.Event()
        message = transfer_id[:_MESSAGE_LENGTH]
        self._waiting[message].add(event)

        async def told(seconds: float) -> bool:
            try:
                async with asyncio.timeout(seconds):
                    await event.wait()
            except TimeoutError:
                return False
            event.clear()
            return True

        try:
            yield told
        finally:
            self._waiting[message].discard(event)
            if not self._waiting[message]:
                del self._waiting[message]

    async def _keep_listening(self) -> None:
        while True:
            try:
                await self._listen()
            except psycopg.OperationalError as error:
                structlog.get_logger().warning("not told of transfers' ends, connecting again", error=str(error)[:200])
                await asyncio.sleep(_RECONNECT_SECONDS)

    async def _listen(self) -> None:
        connection = await psycopg.AsyncConnection.connect(
            self._url,
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=3,
        )
        async with connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            for message in self._waiting:
                self._tell(message)  # what has ended meanwhile
            async for told in connection.notifies():
                self._tell(told.payload)

    def _tell(self, message: str) -> None:
        for event in self._waiting.get(message, ()):
            event.set()
