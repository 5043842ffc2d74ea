"""The program as it is installed: ready when all it needs is there, waiting when not, stopping on SIGTERM."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from checker_databases import Databases
from free_port import free_port


@asynccontextmanager
async def status_checker(**environment: str) -> AsyncIterator[httpx.AsyncClient]:
    """Started, and in the end stopped by SIGTERM."""
    program = shutil.which("status-checker", path=str(Path(sys.executable).parent))
    assert program is not None
    port = str(free_port())
    process = await asyncio.create_subprocess_exec(program, env={**os.environ, "PORT": port, **environment})
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            yield http
        process.send_signal(signal.SIGTERM)
        ended = await asyncio.wait_for(process.wait(), timeout=10)
        assert ended in (0, -signal.SIGTERM)  # uvicorn finishes what is open, then ends by the signal that it was sent
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def get(http: httpx.AsyncClient, path: str, status: int) -> httpx.Response:
    """Repeats for up to 15 s until the status is the expected one."""
    answer = None
    for _ in range(150):
        try:
            answer = await http.get(path)
        except httpx.TransportError:
            await asyncio.sleep(0.1)
            continue
        if answer.status_code == status:
            return answer
        await asyncio.sleep(0.1)
    pytest.fail(f"{path}: {answer}")


async def test_it_is_ready_answers_and_stops_cleanly(
    temporal_server: str, apis: tuple[str, str], databases: Databases
) -> None:
    environment = {"TEMPORAL_ADDRESS": temporal_server, "ACCOUNT_API_URL": apis[0], "LEDGER_API_URL": apis[1]}
    async with status_checker(**environment) as http:
        assert (await get(http, "/readyz", 200)).json()["ready"] is True
        assert (await get(http, "/workers", 200)).json()["items"]
        assert await get(http, "/transfers/nobody-knows-it", 404)
        assert (await get(http, "/attention", 200)).json()["observed_at"]
        assert 'attention_items{kind="parked"}' in (await get(http, "/metrics", 200)).text


async def test_without_anything_that_it_needs_it_lives_and_is_not_ready() -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    away = {"TEMPORAL_ADDRESS": nowhere, "ACCOUNT_API_URL": f"http://{nowhere}", "LEDGER_API_URL": f"http://{nowhere}"}
    async with status_checker(**away) as http:
        await get(http, "/healthz", 200)
        assert (await get(http, "/readyz", 503)).json()["checks"] == {
            "temporal": False,
            "account-api": False,
            "ledger-api": False,
        }
        assert (await http.get("/transfers/x")).status_code == 503
        assert (await http.get("/attention")).status_code == 503
