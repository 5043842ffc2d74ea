"""An HTTP process: a FastAPI app with health, readiness, metrics, request ids and problems, and its server."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from transfer_contract.names import Process

from service_runtime.fault_points import add_request_fault_points
from service_runtime.garbage import collect_seldom
from service_runtime.problems import install_problem_handlers
from service_runtime.request_id import RequestIdMiddleware
from service_runtime.settings import ServiceSettings

ReadinessCheck = Callable[[], Awaitable[bool]]
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

READINESS_SECONDS = 1
"""All checks together: they run side by side, and one that takes longer doesn't hold."""

KEEP_ALIVE_SECONDS = 30
"""An idle connection is the client's to close (`InternalClient` does after 5 s): closed here while a request is on its
way, it would lose that request."""

SHUTDOWN_SECONDS = 5
"""How long a clean stop waits for open requests; a client whose request is cut repeats it."""


@asynccontextmanager
async def _nothing(_app: FastAPI) -> AsyncIterator[None]:
    yield


def create_app(
    process: Process,
    checks: Mapping[str, ReadinessCheck],
    *,
    registry: CollectorRegistry,
    lifespan: Lifespan = _nothing,
) -> FastAPI:
    """An app with `/healthz` (the process answers), `/readyz` (each named check holds, else 503) and `/metrics`."""
    app = FastAPI(title=process.value, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.stopping = asyncio.Event()
    install_problem_handlers(app)
    add_request_fault_points(app, process)
    app.add_middleware(RequestIdMiddleware)

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> JSONResponse:
        answers = await asyncio.gather(*(_holds(check) for check in checks.values()))
        results = dict(zip(checks, answers, strict=True))
        ready = all(results.values())
        return JSONResponse({"ready": ready, "checks": results}, 200 if ready else 503)

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return app


async def _holds(check: ReadinessCheck) -> bool:
    try:
        return await asyncio.wait_for(check(), READINESS_SECONDS)
    except TimeoutError:
        return False


def http_config(app: FastAPI, settings: ServiceSettings, *, bounded: bool = False) -> uvicorn.Config:
    """`bounded` is for a server that strangers may call: h11 refuses long headers, and takes longer for it."""
    return uvicorn.Config(
        app,
        http="h11" if bounded else "httptools",
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


class _CleanlyStoppingServer(uvicorn.Server):
    """Ends with status 0 where a signal asked it to stop: uvicorn would raise the signal once more at the end.

    Tells the app's streams first: they never end by themselves, and would be waited for.
    """

    def __init__(self, app: FastAPI, settings: ServiceSettings, *, bounded: bool) -> None:
        super().__init__(http_config(app, settings, bounded=bounded))
        self._stopping: asyncio.Event = app.state.stopping

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping.set()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals():
            yield
            self._captured_signals.clear()


def http_server(app: FastAPI, settings: ServiceSettings, *, bounded: bool = False) -> uvicorn.Server:
    """Its `serve()` ends at SIGTERM or SIGINT, and raises SystemExit where it can't have the port."""
    collect_seldom()
    return _CleanlyStoppingServer(app, settings, bounded=bounded)


def serve(app: FastAPI, settings: ServiceSettings) -> None:
    """The same for an app that needs no event loop to be built."""
    http_server(app, settings).run()
