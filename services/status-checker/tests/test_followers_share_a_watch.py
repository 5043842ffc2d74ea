"""What following costs, and how it lives through what goes wrong. Without any worker, unless a test says otherwise."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import httpx
import pytest
from checker_databases import Databases
from checker_following import SOON_SECONDS, following, next_view, rest_of, temporal_requests, watches_on
from checker_proxy import Proxy, proxy_to
from checker_rows import applied, completed_rows
from checker_saga import Activities, start, workers
from checker_views import CheckerOf, look
from service_runtime.live_workers import WorkerHeartbeat
from service_runtime.temporal import lazy_client
from status_checker.live_workers import LiveWorkers
from status_checker.watches import LOOK_SECONDS, WHOLE_LOOK_EVERY
from temporalio.client import Client
from transfer_contract.names import Process, TaskQueue
from transfer_contract.steps import Step
from transfer_contract.transfers import TransferRequest

FOLLOWERS = 6
QUIET_SECONDS = 3 * LOOK_SECONDS

Count = TypeVar("Count")
Outage = Callable[[Proxy], AbstractAsyncContextManager[None]]


@pytest.fixture
async def own_checker(checker_of: CheckerOf, client: Client, databases: Databases) -> AsyncIterator[httpx.AsyncClient]:
    """One that nobody else has asked anything."""
    async with checker_of(client, observes=False) as http:
        yield http


async def settled(count: Callable[[], Awaitable[Count]]) -> Count:
    """What it is once it has stayed the same for a while."""
    for _ in range(10):
        before = await count()
        await asyncio.sleep(QUIET_SECONDS)
        if await count() == before:
            return before
    pytest.fail("it never stays the same")


async def test_all_who_follow_a_transfer_share_one_watch(
    own_checker: httpx.AsyncClient, databases: Databases, client: Client, transfer: TransferRequest
) -> None:
    handle = await start(client, transfer)

    async def asked() -> Counter[str]:
        """But for descriptions, which go on."""
        path = f"/transfers/{transfer.transfer_id}"
        read = Counter(accounts=databases.accounts.called[path], ledger=databases.ledger.called[path])
        return read + Counter({**await temporal_requests(own_checker), "describe": 0})

    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(following(own_checker, transfer))
        await next_view(first)
        for_one = await settled(asked)
        began, described = time.monotonic(), (await temporal_requests(own_checker))["describe"]
        for _ in range(FOLLOWERS - 1):
            other = await stack.enter_async_context(following(own_checker, transfer))
            assert (await next_view(other)).status == "accepted"
        await asyncio.sleep(QUIET_SECONDS)
        for_all, seconds = await asked(), time.monotonic() - began
        described = (await temporal_requests(own_checker))["describe"] - described
    assert max((for_all - for_one).values(), default=0) <= seconds / (WHOLE_LOOK_EVERY * LOOK_SECONDS) + 1
    assert described <= seconds / LOOK_SECONDS + 2
    await handle.terminate()


async def test_who_knows_more_than_a_watch_never_hears_what_was_before(
    checker: httpx.AsyncClient, databases: Databases, transfer: TransferRequest
) -> None:
    databases.put(transfer, applied(Step.WITHDRAW, 0))
    async with following(checker, transfer) as views:
        await next_view(views)
        for step in (Step.DEPOSIT, Step.RECORD):
            databases.put(transfer, applied(step, 1))
            known = (await look(checker, transfer)).version
            assert (await look(checker, transfer, wait=1, known=known)).version == known


async def test_nothing_is_asked_any_more_once_all_have_left(
    own_checker: httpx.AsyncClient, databases: Databases, client: Client, transfer: TransferRequest
) -> None:
    handle = await start(client, transfer)

    async def asked() -> tuple[object, int]:
        return await temporal_requests(own_checker), databases.accounts.called[f"/transfers/{transfer.transfer_id}"]

    async with following(own_checker, transfer) as stays:
        async with following(own_checker, transfer) as leaves:
            await next_view(leaves)
        await next_view(stays)
        before = await asked()
        await asyncio.sleep(QUIET_SECONDS)
        assert await asked() != before
    await settled(asked)
    await handle.terminate()


async def test_a_transfer_is_followed_without_any_worker(
    own_checker: httpx.AsyncClient, databases: Databases, client: Client, transfer: TransferRequest
) -> None:
    handle = await start(client, transfer)
    async with following(own_checker, transfer) as views:
        view = await next_view(views, lambda view: view.waiting_for)
        assert (view.status, view.waiting_for) == ("accepted", Process.WORKFLOW_WORKER)
        databases.put(transfer, *completed_rows())
        await handle.terminate()
        assert [view.status for view in await rest_of(views)] == ["completed"]


def beat(queue: TaskQueue) -> WorkerHeartbeat:
    now = datetime.now(UTC)
    return WorkerHeartbeat(
        key=queue,
        identity=queue,
        queue=queue,
        host="here",
        pid="1",
        started_at=now - timedelta(minutes=1),
        heartbeat_at=now,
        is_running=True,
    )


async def test_a_worker_that_dies_or_starts_is_told_without_a_look_at_the_transfer(
    apis: tuple[str, str], databases: Databases, client: Client, transfer: TransferRequest
) -> None:
    alive = set(TaskQueue)

    async def heartbeats() -> list[WorkerHeartbeat]:
        return [beat(queue) for queue in alive]

    def read() -> int:
        return databases.accounts.called[f"/transfers/{transfer.transfer_id}"]

    handle = await start(client, transfer)
    live_workers = LiveWorkers(heartbeats)
    await live_workers.observe()
    async with (
        watches_on(client, apis, live_workers) as watches,
        aclosing(watches.views(transfer.transfer_id)) as views,
    ):
        assert (await next_view(views)).waiting_for is None
        coming = asyncio.create_task(next_view(views))
        await asyncio.sleep(QUIET_SECONDS)
        before = read()
        alive.clear()
        await live_workers.observe()
        assert (await coming).waiting_for == Process.WORKFLOW_WORKER
        alive.update(TaskQueue)
        await live_workers.observe()
        assert (await next_view(views)).waiting_for is None
        assert read() == before
    await handle.terminate()


@pytest.fixture
async def temporal(temporal_server: str) -> AsyncIterator[Proxy]:
    """The way to Temporal of the status-checker under test alone."""
    async with proxy_to(temporal_server) as proxy:
        yield proxy


async def until_ready(checker: httpx.AsyncClient) -> None:
    async with asyncio.timeout(SOON_SECONDS):
        while not (await checker.get("/readyz")).is_success:  # noqa: ASYNC110 - it has no event for it
            await asyncio.sleep(0.1)


@pytest.fixture
async def behind_proxy(
    checker_of: CheckerOf, temporal: Proxy, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx.AsyncClient]:
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal.address)
    async with checker_of(await lazy_client()) as http:
        await until_ready(http)
        yield http


@pytest.mark.parametrize("outage", [Proxy.cut, Proxy.clogged])
async def test_a_stream_outlives_temporals_absence(
    behind_proxy: httpx.AsyncClient,
    temporal: Proxy,
    client: Client,
    activities: Activities,
    transfer: TransferRequest,
    outage: Outage,
) -> None:
    deposit, record = activities.hold(transfer, Step.DEPOSIT), activities.hold(transfer, Step.RECORD)
    handle = await start(client, transfer)
    async with workers(client, activities), following(behind_proxy, transfer) as views:
        await next_view(views, lambda view: view.steps[1].worker and not view.waiting_for)
        async with outage(temporal):
            coming = asyncio.create_task(next_view(views))
            deposit.set()
            await asyncio.sleep(QUIET_SECONDS)
            assert not coming.done()
        assert (await coming).steps[1].status == "done"
        record.set()
        assert (await rest_of(views))[-1].status == "completed"
        await handle.result()


@pytest.mark.parametrize("outage", [Proxy.cut, Proxy.clogged])
async def test_the_end_of_a_transfer_is_told_by_its_rows_while_temporal_is_away(
    behind_proxy: httpx.AsyncClient,
    temporal: Proxy,
    databases: Databases,
    client: Client,
    transfer: TransferRequest,
    outage: Outage,
) -> None:
    handle = await start(client, transfer)
    async with following(behind_proxy, transfer) as views:
        await next_view(views)
        async with outage(temporal):
            await asyncio.sleep(QUIET_SECONDS)
            databases.put(transfer, *completed_rows())
            assert (await rest_of(views))[-1].status == "completed"
    await handle.terminate()


async def test_a_stream_outlives_the_absence_of_the_rows(
    own_checker: httpx.AsyncClient, databases: Databases, client: Client, transfer: TransferRequest
) -> None:
    handle = await start(client, transfer)
    async with following(own_checker, transfer) as views:
        await next_view(views)
        databases.accounts.is_away = True
        databases.put(transfer, *completed_rows())
        await handle.terminate()
        await asyncio.sleep(QUIET_SECONDS)
        databases.accounts.is_away = False
        assert (await rest_of(views))[-1].status == "completed"


async def test_without_temporal_a_stream_is_refused_before_it_begins(
    behind_proxy: httpx.AsyncClient, temporal: Proxy, transfer: TransferRequest
) -> None:
    async with temporal.cut():
        answer = await behind_proxy.get(f"/transfers/{transfer.transfer_id}/events")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
