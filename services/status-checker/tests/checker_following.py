"""How tests follow a transfer, and what that costs."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

import httpx
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from service_runtime.internal_client import InternalClient
from status_checker.batch_runs import BatchRuns
from status_checker.live_workers import LiveWorkers
from status_checker.participants import Participants
from status_checker.runs import Runs
from status_checker.status import StatusChecker
from status_checker.watches import Watches
from temporalio.client import Client
from transfer_contract.names import Process
from transfer_contract.transfers import TransferRequest, TransferView

SOON_SECONDS = 20
"""Much longer than anything takes, on however busy a machine."""

Views = AsyncGenerator[TransferView]


@asynccontextmanager
async def following(checker: httpx.AsyncClient, transfer: TransferRequest) -> AsyncIterator[Views]:
    """The views of GET /transfers/{id}/events as they come; leaves when the block ends."""
    async with checker.stream("GET", f"/transfers/{transfer.transfer_id}/events") as answer:
        assert answer.status_code == 200, await answer.aread()
        async with aclosing(_views(answer)) as views:
            yield views


async def _views(answer: httpx.Response) -> Views:
    async for line in answer.aiter_lines():
        if line:
            yield TransferView.model_validate_json(line)


async def next_view(views: Views, condition: Callable[[TransferView], object] = lambda _: True) -> TransferView:
    """The first one that is so."""
    view = None
    try:
        async with asyncio.timeout(SOON_SECONDS):
            async for view in views:
                if condition(view):
                    return view
    except TimeoutError:
        pytest.fail(f"still {view}")
    pytest.fail(f"ended with {view}")


async def rest_of(views: Views) -> list[TransferView]:
    async with asyncio.timeout(SOON_SECONDS):
        return [view async for view in views]


async def temporal_requests(checker: httpx.AsyncClient) -> Counter[str]:
    """How often Temporal has been asked about single transfers, by kind."""
    metrics = (await checker.get("/metrics")).text
    return Counter(
        {
            sample.labels["call"]: int(sample.value)
            for family in text_string_to_metric_families(metrics)
            for sample in family.samples
            if sample.name == "temporal_requests_total"
        }
    )


@asynccontextmanager
async def watches_on(client: Client, apis: tuple[str, str], live_workers: LiveWorkers) -> AsyncIterator[Watches]:
    """Without HTTP."""
    async with (
        InternalClient(Process.ACCOUNT_API, apis[0], timeout_seconds=2) as accounts,
        InternalClient(Process.LEDGER_API, apis[1], timeout_seconds=2) as ledger,
    ):
        runs = Runs(client, CollectorRegistry(), timeout_seconds=2)
        batch_runs = BatchRuns(client, timeout_seconds=2)
        checker = StatusChecker(Participants(accounts, ledger), runs, batch_runs, live_workers)
        yield Watches(checker, runs, live_workers)
