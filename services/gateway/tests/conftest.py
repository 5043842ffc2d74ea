"""The gateway over fakes that are real servers, and a client that judges every answer as it comes in."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI
from gateway import event_stream
from gateway.downstream import Downstream
from gateway.main import create_gateway
from gateway.settings import Settings
from gateway_client import GatewayClient, client_of
from http_servers import serving
from internal_api_fakes import (
    World,
    fake_account_api,
    fake_ledger_api,
    fake_status_checker,
    fake_worker,
    fake_workflow_handler,
)
from live_server import live_server
from live_status_checker import LiveStatusChecker
from transfer_contract.names import Process

WORKERS = (Process.WORKFLOW_WORKER, Process.ACCOUNT_WORKER, Process.LEDGER_WORKER)


@pytest.fixture(scope="session")
def fakes() -> Iterator[tuple[World, Settings]]:
    world = World()
    apps = (
        fake_workflow_handler(world),
        fake_status_checker(world),
        fake_account_api(world),
        fake_ledger_api(world),
        *(fake_worker(world, process) for process in WORKERS),
    )
    with serving(*apps) as urls:
        yield (
            world,
            Settings(
                workflow_handler_url=urls[0],
                status_checker_url=urls[1],
                account_api_url=urls[2],
                ledger_api_url=urls[3],
                workflow_worker_url=urls[4],
                account_worker_url=urls[5],
                ledger_worker_url=urls[6],
                demo_faults=True,
            ),
        )


@pytest.fixture
def world(fakes: tuple[World, Settings]) -> World:
    fakes[0].reset()
    return fakes[0]


@pytest.fixture(scope="session")
def settings(fakes: tuple[World, Settings]) -> Settings:
    return fakes[1]


@pytest.fixture(scope="session")
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    async with Downstream(settings) as downstream:
        yield create_gateway(downstream, settings)


@pytest.fixture
async def client(app: FastAPI, world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gateway with demo faults switched on."""
    async with client_of(app) as http:
        yield http


@pytest.fixture
def client_with(settings: Settings, world: World) -> GatewayClient:
    @asynccontextmanager
    async def start(**changes: object) -> AsyncIterator[httpx.AsyncClient]:
        changed = settings.model_copy(update=changes)
        async with Downstream(changed) as downstream:
            app = create_gateway(downstream, changed)
            async with client_of(app) as http:
                yield http

    return start


@pytest.fixture(scope="session")
def live_checker() -> Iterator[LiveStatusChecker]:
    live_checker = LiveStatusChecker()
    yield live_checker
    live_checker.die()


@pytest.fixture
def checker(live_checker: LiveStatusChecker, monkeypatch: pytest.MonkeyPatch) -> LiveStatusChecker:
    """A status-checker with streams. The gateway comes back to it sooner than in production."""
    monkeypatch.setattr(event_stream, "RECONNECT_SECONDS", 0.05)
    live_checker.reset()
    return live_checker


@pytest.fixture(scope="session")
async def live_gateway(settings: Settings, live_checker: LiveStatusChecker) -> AsyncIterator[str]:
    """Its URL."""
    changed = settings.model_copy(update={"status_checker_url": live_checker.url})
    async with Downstream(changed) as downstream, live_server(create_gateway(downstream, changed)) as server:
        yield server.url


@pytest.fixture
async def browser(live_gateway: str, checker: LiveStatusChecker) -> AsyncIterator[httpx.AsyncClient]:
    """A client over real connections: httpx's ASGI transport holds a stream back until its end."""
    async with httpx.AsyncClient(base_url=live_gateway) as http:
        yield http
    await checker.until_unfollowed()
