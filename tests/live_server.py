"""An app served as its process serves it, but from the test's own event loop: for streams, and for a clean stop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from service_runtime.app import http_server
from service_runtime.settings import ServiceSettings


class LiveServer:
    def __init__(self, server: uvicorn.Server) -> None:
        self._server = server
        self._serving = asyncio.create_task(server.serve())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"

    async def start(self) -> None:
        while not self._server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """As a signal does; returns when it has."""
        self._server.should_exit = True
        await self._serving


@asynccontextmanager
async def live_server(app: FastAPI) -> AsyncIterator[LiveServer]:
    server = LiveServer(http_server(app, ServiceSettings(port=0)))
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
