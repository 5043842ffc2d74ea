"""The program as it is installed: ready when all it needs is there, waiting when not, stopping on SIGTERM."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from checker_databases import Databases
from free_port import free_port


@contextmanager
def status_checker(**environment: str) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    program = shutil.which("status-checker", path=str(Path(sys.executable).parent))
    assert program is not None
    port = str(free_port())
    process = subprocess.Popen([program], env={**os.environ, "PORT": port, **environment})
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as http:
            yield process, http
    finally:
        process.kill()
        process.wait()


def get(http: httpx.Client, path: str, status: int) -> httpx.Response:
    """Repeats for up to 15 s until the status is the expected one."""
    answer = None
    for _ in range(150):
        try:
            answer = http.get(path)
        except httpx.TransportError:
            time.sleep(0.1)
            continue
        if answer.status_code == status:
            return answer
        time.sleep(0.1)
    pytest.fail(f"{path}: {answer}")


def stop(process: subprocess.Popen[bytes]) -> None:
    """uvicorn finishes what is open and then ends by the signal that it was sent."""
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) in (0, -signal.SIGTERM)


def test_it_is_ready_answers_and_stops_cleanly(
    temporal_server: str, apis: tuple[str, str], databases: Databases
) -> None:
    environment = {"TEMPORAL_ADDRESS": temporal_server, "ACCOUNT_API_URL": apis[0], "LEDGER_API_URL": apis[1]}
    with status_checker(**environment) as (process, http):
        assert get(http, "/readyz", 200).json()["ready"] is True
        assert get(http, "/workers", 200).json()["items"]
        assert get(http, "/transfers/nobody-knows-it", 404)
        stop(process)


def test_without_anything_that_it_needs_it_lives_and_is_not_ready() -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    away = {"TEMPORAL_ADDRESS": nowhere, "ACCOUNT_API_URL": f"http://{nowhere}", "LEDGER_API_URL": f"http://{nowhere}"}
    with status_checker(**away) as (process, http):
        get(http, "/healthz", 200)
        assert get(http, "/readyz", 503).json()["checks"] == {
            "temporal": False,
            "account-api": False,
            "ledger-api": False,
        }
        assert http.get("/transfers/x").status_code == 503
        stop(process)
