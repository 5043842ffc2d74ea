"""A client whose own cost doesn't show: HTTP/1.1 on connections that stay open, nothing else."""

import asyncio
import time
from collections.abc import Mapping
from typing import Final, Self

IDLE_SECONDS: Final = 5
"""An older connection may just be closed by the other side."""

_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class KeepAliveClient:
    """One connection for each request that is under way at once."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._idle: list[tuple[float, _Connection]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        for _, (_, writer) in self._idle:
            writer.close()

    async def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Status and body. Raises OSError or EOFError where the connection breaks."""
        reader, writer = connection = self._kept() or await asyncio.open_connection(self._host, self._port)
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._host}:{self._port}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        answer = await _answer(reader)
        self._idle.append((time.monotonic(), connection))
        return answer

    def _kept(self) -> _Connection | None:
        while self._idle:
            since, connection = self._idle.pop()
            if time.monotonic() - since < IDLE_SECONDS:
                return connection
            connection[1].close()
        return None


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    status, *fields = head.split("\r\n")
    length = next(int(field.partition(":")[2]) for field in fields if field.startswith("content-length:"))
    return int(status.split()[1]), await reader.readexactly(length)
