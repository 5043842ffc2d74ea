"""One real PostgreSQL and one real Temporal server for a whole test run."""

import os
from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import Final
from uuid import uuid4

import free_port
import psycopg
import pytest
from psycopg import sql
from real_servers import postgres_process, temporal_process
from system.figures import Figures
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from xdist.remote import Producer  # type: ignore[import-untyped] # xdist says nothing of its types
from xdist.scheduler.loadscope import LoadScopeScheduling  # type: ignore[import-untyped]

_STACKS_OF_THEIR_OWN: Final = ("test_make_up", "test_readme_without_docker", "test_demo", "test_runbook")


class _SideBySide(LoadScopeScheduling):  # type: ignore[misc]
    """A folder's tests share their servers, so they stay together; those of `make` start stacks of their own.

    A mutation is a run of its own.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = PurePath(nodeid.partition("::")[0])
        if path.parent.name == "mutations":
            return nodeid
        return "make" if path.stem in _STACKS_OF_THEIR_OWN else str(path.parent)


def pytest_configure() -> None:
    """Ports of its own for each process of xdist: a port is free for both until one has begun to listen on it."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    free_port.RANGE = free_port.RANGE[number::count]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Not xdist's `loadgroup`: 3.8 appends its groups to node ids in a way that pytest 9.2 no longer sees."""
    return _SideBySide(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What system tests have measured. Told here, for with tests side by side only this file is known to the teller."""
    passed = terminalreporter.getreports("passed")
    figures = [value for report in passed for name, value in report.user_properties if name == "figure"]
    for figure in figures:
        terminalreporter.write_line(f"measured: {figure}")


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Figures:
    return Figures(record_property)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The administrator's URL (`postgresql://…`)."""
    with postgres_process(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture(scope="session")
def new_database(postgres_server: str) -> Callable[[], str]:
    """Makes an empty database and answers its SQLAlchemy URL (`postgresql+psycopg://…`)."""

    def make() -> str:
        name = f"test_{uuid4().hex}"
        with psycopg.connect(postgres_server, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return postgres_server.replace("postgresql://", "postgresql+psycopg://").rsplit("/", 1)[0] + f"/{name}"

    return make


@pytest.fixture(scope="session")
def temporal_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server's address."""
    with temporal_process(tmp_path_factory.mktemp("temporal")) as address:
        yield address


@pytest.fixture
async def temporal_client(temporal_server: str) -> Client:
    return await Client.connect(temporal_server, data_converter=pydantic_data_converter)
