"""The four internal APIs that the gateway calls, and the deadline that all calls of one request share."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, Self

from service_runtime.app import ReadinessCheck
from service_runtime.internal_client import POOL_SIZE, InternalClient
from service_runtime.problems import unavailable
from transfer_contract.names import Process

from gateway.settings import Settings

MAX_LONG_POLLS: Final = 1000
"""Long polls have connections of their own, so that clients that wait never hold up those that don't."""

MAX_STREAMS: Final = 2000
"""Followed transfers. The overview is one stream, however many look at it."""


class Downstream:
    """One pooled client per API. Every call raises `Problem`: the other service's own, or `unavailable`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.workflow_handler = self._client(Process.WORKFLOW_HANDLER, settings.workflow_handler_url)
        self.status_checker = self._client(Process.STATUS_CHECKER, settings.status_checker_url)
        self.long_polls = self._client(Process.STATUS_CHECKER, settings.status_checker_url, pool_size=MAX_LONG_POLLS)
        self.streams = self._client(Process.STATUS_CHECKER, settings.status_checker_url, pool_size=MAX_STREAMS)
        self.account_api = self._client(Process.ACCOUNT_API, settings.account_api_url)
        self.ledger_api = self._client(Process.LEDGER_API, settings.ledger_api_url)
        self.workers = {process.value: self._client(process, url) for process, url in _worker_urls(settings) if url}
        """By name; only those whose address is configured."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        async with AsyncExitStack() as stack:
            for client in (*self.http_processes().values(), *self.workers.values(), self.long_polls, self.streams):
                stack.push_async_callback(client.aclose)

    def readiness_checks(self) -> dict[str, ReadinessCheck]:
        return {process.value: client.is_ready for process, client in self.http_processes().items()}

    @asynccontextmanager
    async def deadline(self, *, extra_seconds: float = 0) -> AsyncIterator[None]:
        """Around all calls of one request: past it the client hears 503 and repeats."""
        try:
            async with asyncio.timeout(self._settings.answer_timeout_seconds + extra_seconds):
                yield
        except TimeoutError as error:
            raise unavailable("A service behind the gateway") from error

    def http_processes(self) -> dict[Process, InternalClient]:
        return {
            Process.WORKFLOW_HANDLER: self.workflow_handler,
            Process.STATUS_CHECKER: self.status_checker,
            Process.ACCOUNT_API: self.account_api,
            Process.LEDGER_API: self.ledger_api,
        }

    def _client(self, process: Process, url: str, *, pool_size: int = POOL_SIZE) -> InternalClient:
        return InternalClient(process, url, timeout_seconds=self._settings.call_timeout_seconds, pool_size=pool_size)


def _worker_urls(settings: Settings) -> list[tuple[Process, str | None]]:
    return [
        (Process.WORKFLOW_WORKER, settings.workflow_worker_url),
        (Process.ACCOUNT_WORKER, settings.account_worker_url),
        (Process.LEDGER_WORKER, settings.ledger_worker_url),
    ]
