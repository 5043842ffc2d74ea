"""A status-checker over fake participants and a real Temporal server, and the saga that it watches."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import httpx
import pytest
from service_runtime.background import beside
from service_runtime.internal_client import InternalClient
from service_runtime.live_workers import list_heartbeats
from service_runtime.temporal import WORKER_HEARTBEAT_INTERVAL
from status_checker.live_workers import LiveWorkers
from status_checker.main import build_app
from status_checker.settings import StatusCheckerSettings
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.runtime import Runtime, TelemetryConfig
from transfer_contract.names import Process
from transfer_contract.transfers import TransferRequest

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode leaves sibling modules out

from checker_databases import Databases, account_api, ledger_api
from checker_observing import Observing
from checker_rows import request
from checker_saga import Activities, workers
from checker_serving import serving
from checker_views import CheckerOf


@pytest.fixture(scope="session")
def all_databases() -> Databases:
    return Databases()


@pytest.fixture
def databases(all_databases: Databases) -> Databases:
    """Shared by all tests, which keep apart by their transfers; both answer again at the start of each."""
    for database in (all_databases.accounts, all_databases.ledger):
        database.is_away = False
        database.may_answer.set()
        database.called.clear()
    return all_databases


@pytest.fixture(scope="session")
async def apis(all_databases: Databases) -> AsyncIterator[tuple[str, str]]:
    """The base URLs of account-api and ledger-api."""
    async with serving(account_api(all_databases)) as accounts, serving(ledger_api(all_databases)) as ledger:
        yield accounts, ledger


@pytest.fixture(scope="session")
async def client(temporal_server: str) -> Client:
    """Its workers send heartbeats, as those of the product do."""
    runtime = Runtime(telemetry=TelemetryConfig(), worker_heartbeat_interval=WORKER_HEARTBEAT_INTERVAL)
    return await Client.connect(temporal_server, data_converter=pydantic_data_converter, runtime=runtime)


@pytest.fixture(scope="session")
async def live_workers(client: Client) -> AsyncIterator[LiveWorkers]:
    live_workers = LiveWorkers(partial(list_heartbeats, client))
    observing = asyncio.create_task(live_workers.keep_observing())
    yield live_workers
    observing.cancel()


@pytest.fixture(scope="session")
def checker_of(apis: tuple[str, str], live_workers: LiveWorkers) -> CheckerOf:
    """A status-checker with its own idea of where Temporal and the participants are.

    Without its observer it asks nothing by itself, so that a test can count what it asks.
    """

    @asynccontextmanager
    async def make(
        temporal: Client,
        *,
        accounts: str = apis[0],
        ledger: str = apis[1],
        timeout_seconds: float = 1.5,
        observes: bool = True,
    ) -> AsyncIterator[httpx.AsyncClient]:
        settings = StatusCheckerSettings(
            account_api_url=accounts, ledger_api_url=ledger, temporal_timeout_seconds=timeout_seconds
        )
        async with (
            InternalClient(Process.ACCOUNT_API, accounts, timeout_seconds=2) as account_client,
            InternalClient(Process.LEDGER_API, ledger, timeout_seconds=2) as ledger_client,
        ):
            app, observer = build_app(settings, temporal, live_workers, account_client, ledger_client)
            async with (
                serving(app) as url,
                beside(observer.keep_observing()) if observes else nullcontext(),
                httpx.AsyncClient(base_url=url, timeout=40) as http,
            ):
                yield http

    return make


@pytest.fixture(scope="session")
async def shared_checker(client: Client, checker_of: CheckerOf) -> AsyncIterator[httpx.AsyncClient]:
    async with checker_of(client) as http:
        yield http


@pytest.fixture
def checker(shared_checker: httpx.AsyncClient, databases: Databases) -> httpx.AsyncClient:
    """A client of the status-checker under test."""
    return shared_checker


@pytest.fixture(scope="session")
async def shared_unobserving_checker(client: Client, checker_of: CheckerOf) -> AsyncIterator[httpx.AsyncClient]:
    async with checker_of(client, observes=False) as http:
        yield http


@pytest.fixture
def unobserving_checker(shared_unobserving_checker: httpx.AsyncClient, databases: Databases) -> httpx.AsyncClient:
    """As `checker`, but without its observer."""
    return shared_unobserving_checker


@pytest.fixture
async def observing(
    client: Client, apis: tuple[str, str], live_workers: LiveWorkers, databases: Databases
) -> AsyncIterator[Observing]:
    databases.clear()
    async with (
        InternalClient(Process.ACCOUNT_API, apis[0], timeout_seconds=2) as accounts,
        InternalClient(Process.LEDGER_API, apis[1], timeout_seconds=2) as ledger,
    ):
        yield Observing(client, (accounts, ledger), live_workers)


@pytest.fixture(scope="session")
def activities(all_databases: Databases) -> Activities:
    return Activities(all_databases)


@pytest.fixture(scope="module")
async def saga_workers(client: Client, activities: Activities) -> AsyncIterator[None]:
    """All three kinds of worker, alive for the module."""
    async with workers(client, activities):
        yield


@pytest.fixture
def transfer() -> TransferRequest:
    return request(created_at=datetime.now(UTC))
