"""A browser's `EventSource`, as much of it as tests need; it doesn't come back by itself."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import pytest

SOON_SECONDS: Final = 20
"""Much longer than anything takes, on however busy a machine."""


@dataclass
class Event:
    name: str
    id: str | None
    data: Any


@dataclass
class EventStream:
    response: httpx.Response
    retry_milliseconds: int | None = None
    comments: list[str] = field(default_factory=list)
    _events: AsyncGenerator[Event] = field(init=False)

    def __post_init__(self) -> None:
        self._events = self._parsed()

    async def next(self, *names: str) -> Event:
        """The next one of these names; without any named, of all that there are."""
        async with asyncio.timeout(SOON_SECONDS):
            async for event in self._events:
                if not names or event.name in names:
                    return event
        pytest.fail("the stream has ended")

    async def rest(self) -> list[Event]:
        async with asyncio.timeout(SOON_SECONDS):
            return [event async for event in self._events]

    async def _parsed(self) -> AsyncGenerator[Event]:
        fields: dict[str, str] = {}
        async for line in self.response.aiter_lines():
            name, _, value = line.partition(": ")
            if not line and "event" in fields:
                yield Event(fields["event"], fields.get("id"), json.loads(fields["data"]))
            if not line:
                fields = {}
            elif name == "retry":
                self.retry_milliseconds = int(value)
            elif not name:
                self.comments.append(value)
            else:
                fields[name] = value


@asynccontextmanager
async def events_of(http: httpx.AsyncClient, path: str, **headers: str) -> AsyncIterator[EventStream]:
    async with http.stream("GET", path, headers=headers, timeout=SOON_SECONDS) as response:
        assert response.status_code == 200, await response.aread()
        yield EventStream(response)
