"""Both participants' databases with no guard left in them, so that what they prevent can be planted; and a system."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from account_worker.main import MIGRATIONS as ACCOUNT_MIGRATIONS
from chaos.chaos_cli import docker_works
from chaos.chaos_system import ChaosSystem, running_chaos_system
from chaos.closed_workflows import ClosedWorkflows
from chaos.findings import Findings
from chaos.planted_books import UNGUARDED, PlantedBooks
from chaos.planted_workflows import planted_workflows
from chaos.strikes import Strikes
from ledger_worker.main import MIGRATIONS as LEDGER_MIGRATIONS
from service_runtime.database import migrate
from temporalio.client import Client


@pytest.fixture(scope="module")
def unguarded_databases(new_database: Callable[[], str]) -> tuple[str, str]:
    """The URLs (`postgresql://…`) of the accounts and the ledger."""
    urls = []
    for migrations, statements in zip((ACCOUNT_MIGRATIONS, LEDGER_MIGRATIONS), UNGUARDED, strict=True):
        url = new_database()
        migrate(url, migrations)
        urls.append(url.replace("postgresql+psycopg://", "postgresql://"))
        with psycopg.connect(urls[-1]) as connection:
            connection.execute(statements)
    accounts_url, ledger_url = urls
    return accounts_url, ledger_url


@pytest.fixture
def books(unguarded_databases: tuple[str, str]) -> Iterator[PlantedBooks]:
    """Books that are right, until something is planted in them."""
    with PlantedBooks(*unguarded_databases) as planted:
        yield planted


@pytest.fixture
def findings(tmp_path: Path) -> Iterator[Findings]:
    with Findings(tmp_path) as findings:
        yield findings


@pytest.fixture
async def queue(temporal_client: Client) -> AsyncIterator[str]:
    """Where workflows end as a test says."""
    async with planted_workflows(temporal_client) as name:
        yield name


@pytest.fixture
def workflows(temporal_client: Client, books: PlantedBooks, findings: Findings) -> ClosedWorkflows:
    return ClosedWorkflows(books.urls[0], temporal_client, findings.violations, Strikes())


@pytest.fixture(scope="session")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ChaosSystem]:
    """One for all single faults, for it takes long to start; each test leaves it healed."""
    async with running_chaos_system(tmp_path_factory.mktemp("chaos"), docker=docker_works()) as running:
        yield running
