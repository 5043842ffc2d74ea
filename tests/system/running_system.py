"""The real system for the tests: a stack of its own with its processes, its databases and its public API."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx
from free_port import free_port
from money_checks import check_everything_is_final, check_money, check_reconciliation
from published_ports import PublishedPorts
from stack import Stack
from system.public_api import FINAL, PublicApi

WORKERS: Final = ("workflow-worker", "account-worker", "ledger-worker")
HTTP_PROCESSES: Final = ("gateway", "workflow-handler", "status-checker", "account-api", "ledger-api")
EIGHT: Final = (*HTTP_PROCESSES, *WORKERS)
_LOOK_SECONDS: Final = 0.2


class RunningSystem:
    """Nothing here blocks the event loop: other tests' transfers are watched on it meanwhile."""

    def __init__(self, stack: Stack, api: PublicApi, probe: httpx.AsyncClient) -> None:
        self.api = api
        self._stack = stack
        self._probe = probe
        self.local_dir = stack.local_dir
        self.admin_url = stack.postgres_admin_url
        self.temporal_address = stack.temporal_address
        self._urls = {name: stack.url(name) for name in EIGHT}
        self.accounts_url, self.ledger_url = (
            stack.database_urls[name].replace("postgresql+psycopg://", "postgresql://")
            for name in ("accounts", "ledger")
        )

    async def kill(self, name: str) -> None:
        """SIGKILL, and it stays dead until `start`."""
        await asyncio.to_thread(self._stack.kill, name)

    async def start(self, name: str) -> None:
        """Returns when it is ready."""
        missing = await asyncio.to_thread(self._stack.start, name)
        assert missing is None, f"{name}: {missing}"

    async def pids(self) -> dict[str, int]:
        """Of what runs."""
        processes = await asyncio.to_thread(self._stack.processes)
        return {process.name: process.pid for process in processes if process.pid is not None}

    async def signal(self, name: str, number: signal.Signals) -> int:
        """To the process itself, past the process manager; answers its pid."""
        pid = (await self.pids())[name]
        os.kill(pid, number)
        return pid

    async def until_started_again(self, name: str, *, instead_of: int, within_seconds: float = 90) -> None:
        """By the process manager: another pid, and ready."""
        deadline = time.monotonic() + within_seconds
        while (await self.pids()).get(name) in (None, instead_of) or not await self.is_ready(name):
            assert time.monotonic() < deadline, f"{name} is not back after {within_seconds} s"
            await asyncio.sleep(_LOOK_SECONDS)

    async def metrics(self, name: str) -> str:
        return (await self._probe.get(f"{self._urls[name]}/metrics")).text

    async def is_ready(self, name: str) -> bool:
        try:
            return (await self._probe.get(f"{self._urls[name]}/readyz")).status_code == 200
        except httpx.TransportError:
            return False

    async def until_readiness(self, *names: str, ready: bool, within_seconds: float = 90) -> None:
        deadline = time.monotonic() + within_seconds
        while any(answer is not ready for answer in await asyncio.gather(*map(self.is_ready, names))):
            assert time.monotonic() < deadline, f"not all of {names} answer that after {within_seconds} s"
            await asyncio.sleep(_LOOK_SECONDS)

    async def check_money(self) -> None:
        """When all transfers have ended: the books, and that the product judges them in the same way."""
        statuses = {"accepted", "running", "compensating", "needs_attention"}
        lists = await asyncio.gather(*(self.api.all_items("/transfers", status=status) for status in statuses))
        await self.api.final_all({transfer["id"] for transfers in lists for transfer in transfers})
        books = await asyncio.to_thread(check_money, self.accounts_url, self.ledger_url)
        check_everything_is_final(books)
        check_reconciliation(await self.api.get("/reconciliation"), books)
        listed = await self.api.all_items("/transfers", limit=100)
        assert {transfer["id"] for transfer in listed} == books.transfers.keys()
        assert {transfer["status"] for transfer in listed} <= FINAL


@asynccontextmanager
async def running_system(folder: Path, **variables: str) -> AsyncIterator[RunningSystem]:
    """Demo faults on, no demo data, free ports, `variables` in the environment. Ended after a check of its money."""
    stack = Stack(folder, ports=PublishedPorts(free_port(), free_port()), variables=variables)
    await asyncio.to_thread(stack.up, demo_data=False, demo_faults=True)
    try:
        async with PublicApi(stack.gateway_url) as api, httpx.AsyncClient(timeout=3, trust_env=False) as probe:
            system = RunningSystem(stack, api, probe)
            yield system
            await system.check_money()
    finally:
        await asyncio.to_thread(stack.down)
