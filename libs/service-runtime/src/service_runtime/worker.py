"""A worker process: connects when Temporal is there, polls, shows its health, stops cleanly on SIGTERM."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import structlog
import uvicorn
from prometheus_client import CollectorRegistry
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Worker

from service_runtime.app import create_app, http_config
from service_runtime.crash import crash_router
from service_runtime.garbage import collect_seldom
from service_runtime.live_workers import Liveness, list_heartbeats
from service_runtime.settings import WorkerSettings
from service_runtime.temporal import connect_worker_client
from service_runtime.worker_identity import worker_identity

BuildWorker = Callable[[Client, str], Worker]
"""Makes the worker from a connected client and its identity."""


async def run_worker(settings: WorkerSettings, registry: CollectorRegistry, build: BuildWorker) -> None:
    """Runs until SIGTERM or SIGINT, then finishes the activities at hand.

    `build` is called once Temporal can be reached: a server that is merely away is waited for. Raises what the SDK
    raises when polling fails for good, so that the process ends with an error.
    """
    collect_seldom()
    polling = _Polling(worker_identity(settings.process))
    app = create_app(settings.process, {"polling": polling.is_seen_by_server}, registry=registry)
    if settings.demo_faults:
        app.include_router(crash_router(settings.process))
    async with _health_server(_QuietServer(http_config(app, settings))):
        stop = _stop_event()
        client = await _unless_stopped(connect_worker_client(), stop)
        if client is None:
            return
        polling.client = client
        await _poll_until_stopped(build(client, polling.identity), stop)


async def _poll_until_stopped(worker: Worker, stop: asyncio.Event) -> None:
    log = structlog.get_logger()
    log.info("polling", queue=worker.task_queue)
    running = asyncio.create_task(worker.run())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not running.done():
        log.info("stopping: finishing the work at hand")
        await worker.shutdown()
    await running


class _Polling:
    """Readiness: the server itself lists this worker as running, by a fresh heartbeat."""

    def __init__(self, identity: str) -> None:
        self.identity = identity
        self.client: Client | None = None
        self._liveness = Liveness()

    async def is_seen_by_server(self) -> bool:
        if self.client is None:
            return False
        try:
            live = self._liveness.observe(await list_heartbeats(self.client))
        except RPCError:
            return False
        return any(beat.identity == self.identity for beat in live)


class _QuietServer(uvicorn.Server):
    """Leaves the signals to the worker: its health answers until the last activity is done."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def _health_server(server: uvicorn.Server) -> AsyncIterator[None]:
    serving = asyncio.create_task(server.serve())
    try:
        yield
    finally:
        server.should_exit = True
        await serving


def _stop_event() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _unless_stopped(connect: Coroutine[Any, Any, Client], stop: asyncio.Event) -> Client | None:
    connecting = asyncio.create_task(connect)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({connecting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    for task in (connecting, stopping):
        if not task.done():
            task.cancel()
    return None if stop.is_set() else connecting.result()
