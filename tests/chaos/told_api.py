"""An API that answers what a test has laid down, over HTTP as the product's does."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from live_server import live_server

Told = Mapping[str, tuple[int, Any]]
"""By path, with its query where it has one: the status code and the body."""


@asynccontextmanager
async def told_api(told: Told) -> AsyncIterator[httpx.AsyncClient]:
    async def tell(request: Request) -> Response:
        path, query = request.url.path, request.url.query
        status, body = told[f"{path}?{query}" if query else path]
        return JSONResponse(body, status)

    app = FastAPI()
    app.state.stopping = asyncio.Event()
    app.get("/{path:path}")(tell)
    async with live_server(app) as server, httpx.AsyncClient(base_url=server.url, trust_env=False) as api:
        yield api
