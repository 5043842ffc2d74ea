from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from account_worker.main import MIGRATIONS as ACCOUNT_MIGRATIONS
from integration.running_saga import Apis, running_apis, whole_saga
from integration.whole_saga import Databases, WholeSaga
from ledger_worker.main import MIGRATIONS as LEDGER_MIGRATIONS
from service_runtime.database import create_database_engine, migrate
from sqlalchemy import Engine
from temporalio.client import Client


@pytest.fixture(scope="session")
def databases(new_database: Callable[[], str]) -> Iterator[Databases]:
    with (
        _migrated(new_database(), ACCOUNT_MIGRATIONS) as accounts,
        _migrated(new_database(), LEDGER_MIGRATIONS) as ledger,
    ):
        yield Databases(accounts, ledger)


@contextmanager
def _migrated(url: str, migrations: Path) -> Iterator[Engine]:
    """As many connections as a worker has threads, and some for the API."""
    migrate(url, migrations)
    engine = create_database_engine(url, pool_size=30)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
async def apis(databases: Databases) -> AsyncIterator[Apis]:
    async with running_apis(databases) as apis:
        yield apis


@pytest.fixture
async def saga(temporal_client: Client, databases: Databases, apis: Apis) -> AsyncIterator[WholeSaga]:
    """A test ends with all its transfers final, and the money right."""
    async with whole_saga(temporal_client, databases, apis) as saga:
        yield saga
    saga.check_end()
