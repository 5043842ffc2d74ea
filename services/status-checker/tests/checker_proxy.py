"""A way to a server that a test can cut, or clog, and open again: for an outage in the middle."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Proxy:
    def __init__(self, target: str) -> None:
        self._target_host, port = target.split(":")
        self._target_port = int(port)
        self._port = 0
        self._flows = asyncio.Event()
        self._flows.set()
        self._connections: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        self._server.close()
        for writer in self._connections:
            writer.transport.abort()

    @contextlib.asynccontextmanager
    async def cut(self) -> AsyncIterator[None]:
        """Nobody listens there any more."""
        await self.close()
        yield
        await self.open()

    @contextlib.asynccontextmanager
    async def clogged(self) -> AsyncIterator[None]:
        """Connections stay, and nothing passes."""
        self._flows.clear()
        yield
        self._flows.set()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to_there = await asyncio.open_connection(self._target_host, self._target_port)
        self._connections |= {writer, to_there}
        await asyncio.gather(self._pump(reader, to_there), self._pump(there, writer))
        self._connections -= {writer, to_there}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._flows.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def proxy_to(target: str) -> AsyncIterator[Proxy]:
    proxy = Proxy(target)
    await proxy.open()
    try:
        yield proxy
    finally:
        await proxy.close()
