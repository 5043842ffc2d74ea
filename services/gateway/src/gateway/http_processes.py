"""Which of the HTTP processes behind the gateway are there: for the page, looked at when it asks."""

import asyncio
from datetime import UTC, datetime
from typing import Final

from service_runtime.internal_client import InternalClient
from service_runtime.problems import Problem
from transfer_contract.names import Process
from transfer_contract.steps import Payload

from gateway.downstream import Downstream
from gateway.response_models import HttpProcess, HttpProcesses

OBSERVE_SECONDS: Final = 1.0
"""A process that needs longer to say that it is alive is as good as gone to those who need it."""


class _Health(Payload):
    """The answer of `/healthz`."""

    status: str


class HttpProcessObserver:
    """Remembers when each process was last seen alive. Ready is more: what it needs itself is there, too."""

    def __init__(self, downstream: Downstream) -> None:
        self._clients = downstream.http_processes()
        self._seen_at: dict[Process, datetime] = {}

    async def observe(self) -> HttpProcesses:
        """All side by side, within `OBSERVE_SECONDS`."""
        items = await asyncio.gather(*(self._observe(process, client) for process, client in self._clients.items()))
        return HttpProcesses(items=items)

    async def _observe(self, process: Process, client: InternalClient) -> HttpProcess:
        is_alive, is_ready = await asyncio.gather(_is_alive(client), _is_ready(client))
        seen_at = self._seen_at.setdefault(process, datetime.now(UTC))
        if is_alive or is_ready:
            self._seen_at[process] = datetime.now(UTC)
            return HttpProcess(process=process, ready=is_ready, gone_since=None)
        return HttpProcess(process=process, ready=False, gone_since=seen_at)


async def _is_alive(client: InternalClient) -> bool:
    try:
        async with asyncio.timeout(OBSERVE_SECONDS):
            await client.get("/healthz", _Health)
    except (Problem, TimeoutError):
        return False
    return True


async def _is_ready(client: InternalClient) -> bool:
    try:
        async with asyncio.timeout(OBSERVE_SECONDS):
            return await client.is_ready()
    except TimeoutError:
        return False
