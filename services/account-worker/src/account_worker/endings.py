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
"""Each message is a transfer's id."""

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
        """From now on its end is noticed: `told(seconds)` is True once it may have come, False when time is up."""
        event = asyncio.Event()
        self._waiting[transfer_id].add(event)

        async def told(seconds: float) -> bool:
            try:
                async with asyncio.timeout(seconds):
                    return await event.wait()
            except TimeoutError:
                return False

        try:
            yield told
        finally:
            self._waiting[transfer_id].discard(event)
            if not self._waiting[transfer_id]:
                del self._waiting[transfer_id]

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
            for transfer_id in self._waiting:
                self._tell(transfer_id)  # what has ended meanwhile
            async for told in connection.notifies():
                self._tell(told.payload)

    def _tell(self, transfer_id: str) -> None:
        for event in self._waiting.get(transfer_id, ()):
            event.set()
