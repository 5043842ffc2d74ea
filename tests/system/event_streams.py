"""Reads `text/event-stream` as a browser does, at the cost of a socket: hundreds of them fit into a test."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from system.public_api import Json

_OPENED_AT_ONCE: Final = 32
_ANSWER_SECONDS: Final = 60
_PATIENCE: Final = 20


@dataclass(frozen=True)
class Event:
    name: str
    data: Json
    id: str | None


class EventStreams:
    """Of one gateway."""

    def __init__(self, gateway_url: str) -> None:
        address = urlsplit(gateway_url)
        self._host, self._port = address.hostname or "", address.port or 0
        self._opening = asyncio.Semaphore(_OPENED_AT_ONCE)

    async def status(self, path: str, *, last_event_id: str) -> int:
        reader, writer = await self._request(path, last_event_id)
        try:
            return await _status(reader)
        finally:
            writer.close()

    async def events(self, path: str, *, last_event_id: str | None = None) -> AsyncGenerator[Event]:
        """Of one connection, until the server ends it. Raises OSError where there is nobody to connect to."""
        reader, writer = await self._open(path, last_event_id)
        try:
            fields: dict[str, str] = {}
            while line := await reader.readline():
                name, _, value = line.decode().strip().partition(": ")
                if name:
                    fields[name] = value
                elif "data" in fields:
                    yield Event(fields.pop("event"), json.loads(fields.pop("data")), fields.get("id"))
        finally:
            writer.close()

    async def views(self, transfer_id: str, *, seen: list[Event] | None = None) -> list[Event]:
        """All events of one connection; `seen` has them as they come."""
        seen = [] if seen is None else seen
        async for event in self.events(f"/transfers/{transfer_id}/events"):
            seen.append(event)
        return seen

    async def until_final(self, transfer_id: str, *, seen: list[Event]) -> None:
        """As a browser: connects again, with its last event's id, until the transfer is final."""
        while not seen or seen[-1].data["finished_at"] is None:
            last_event_id = seen[-1].id if seen else None
            try:
                path = f"/transfers/{transfer_id}/events"
                async with aclosing(self.events(path, last_event_id=last_event_id)) as events:
                    async for event in events:
                        seen.append(event)  # noqa: PERF401 - each is seen as it comes
            except OSError:
                await asyncio.sleep(1)

    async def _open(self, path: str, last_event_id: str | None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """As a client is told to do: after a 503 it repeats the request."""
        for _ in range(_PATIENCE):
            async with self._opening:
                reader, writer = await self._request(path, last_event_id)
                status = await asyncio.wait_for(_status(reader), _ANSWER_SECONDS)
            if status == 200:
                return reader, writer
            writer.close()
            assert status == 503, f"{path}: {status}"
            await asyncio.sleep(1)
        raise AssertionError(f"{path}: still 503")

    async def _request(self, path: str, last_event_id: str | None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(self._host, self._port, limit=2**20)
        last = f"Last-Event-ID: {last_event_id}\r\n" if last_event_id else ""
        # HTTP/1.0: the answer ends with its connection, and comes without chunks' lengths in between.
        writer.write(f"GET {path} HTTP/1.0\r\nHost: {self._host}\r\n{last}\r\n".encode())
        await writer.drain()
        return reader, writer


async def _status(reader: asyncio.StreamReader) -> int:
    status = int((await reader.readline()).split()[1])
    while (await reader.readline()).strip():
        pass
    return status
