"""`POST /crash` on a worker process of its own: it ends at once, and only where that is wanted."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from free_port import free_port

START_SECONDS = 30
PROGRAM = Path(__file__).with_name("runtime_worker_process.py")


@contextmanager
def worker(**environment: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The process and the URL of its own HTTP, once it answers; killed afterwards."""
    port = str(free_port())
    variables = {**os.environ, "PORT": port, "TEMPORAL_ADDRESS": f"127.0.0.1:{free_port()}", **environment}
    process = subprocess.Popen([sys.executable, PROGRAM], env=variables, stderr=subprocess.DEVNULL)
    try:
        _wait_until_alive(f"http://127.0.0.1:{port}")
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _wait_until_alive(url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{url}/healthz")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("the worker did not start")


def test_a_crash_is_answered_and_ends_the_process_in_the_middle_of_its_work() -> None:
    with worker(DEMO_FAULTS="true") as (process, url):
        answer = httpx.post(f"{url}/crash")
        assert (answer.status_code, answer.json()) == (202, {"process": "ledger-worker"})
        assert process.wait(timeout=5) == 137


def test_without_demo_faults_nobody_can_make_it_crash() -> None:
    with worker(DEMO_FAULTS="false") as (process, url):
        assert httpx.post(f"{url}/crash").status_code == 404
        assert httpx.get(f"{url}/healthz").is_success
        assert process.poll() is None
