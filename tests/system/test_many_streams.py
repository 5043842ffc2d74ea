"""Five hundred open streams: what they ask of Temporal, what they cost, and that nothing of them is left behind."""

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
from system.event_streams import Event, EventStreams
from system.figures import Figures
from system.public_api import PublicApi
from system.running_system import RunningSystem

pytestmark = pytest.mark.system

STREAMS: Final = 500
FOLLOWED_TO_THE_END: Final = 20
"""All would watch each other's steps instead of letting the machine make them."""

POSTED_AT_ONCE: Final = 8
MEASURED_SECONDS: Final = 15
TRANSFERS_PER_SECOND: Final = 5
_REQUESTS: Final = re.compile(r"^temporal_requests_total\{.*\} (\S+)$", re.MULTILINE)


@pytest.fixture
def streams(api: PublicApi) -> EventStreams:
    return EventStreams(api.url)


async def requests_to_temporal(system: RunningSystem) -> float:
    return sum(map(float, _REQUESTS.findall(await system.metrics("status-checker"))))


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def until(streams: list[list[Event]], number: int) -> None:
    """Until each has seen as many events."""
    async with asyncio.timeout(120):
        while any(len(seen) < number for seen in streams):  # noqa: ASYNC110 - events are what is looked at
            await asyncio.sleep(0.2)


async def test_five_hundred_followed_transfers_ask_little_of_temporal_and_those_who_stay_see_the_end(
    system: RunningSystem, api: PublicApi, streams: EventStreams, figures: Figures
) -> None:
    accounts = await api.open_pair("500.00")
    await system.kill("account-worker")
    posted_at_once = asyncio.Semaphore(POSTED_AT_ONCE)

    async def start() -> str:
        async with posted_at_once:
            return await api.start_transfer(*accounts)

    transfers = await asyncio.gather(*(start() for _ in range(STREAMS)))
    seen: dict[str, list[Event]] = {transfer_id: [] for transfer_id in transfers}
    followers = [asyncio.create_task(streams.until_final(t, seen=seen[t])) for t in transfers]
    await until(list(seen.values()), 1)
    await asyncio.sleep(2)
    before, began = await requests_to_temporal(system), time.monotonic()
    await asyncio.sleep(MEASURED_SECONDS)
    asked = (await requests_to_temporal(system) - before) / (time.monotonic() - began)
    figures.number("Temporal requests a second for 500 followed transfers", asked)
    assert asked < STREAMS / 5
    staying, leaving = followers[:FOLLOWED_TO_THE_END], followers[FOLLOWED_TO_THE_END:]
    for follower in leaving:
        follower.cancel()
    await system.start("account-worker")
    await asyncio.gather(*staying)
    assert {seen[transfer_id][-1].data["status"] for transfer_id in transfers[: len(staying)]} == {"completed"}


async def test_what_five_hundred_pages_cost_while_transfers_happen(
    system: RunningSystem, api: PublicApi, streams: EventStreams, figures: Figures
) -> None:
    accounts = await api.open_pair("500.00")

    async def start_and_follow() -> str:
        events = await streams.views(await api.start_transfer(*accounts))
        return str(events[-1].data["status"])

    async with open_pages(streams) as pages:
        await until(pages, 5)
        pids = await system.pids()
        before, began = {name: cpu_seconds(pids[name]) for name in ("gateway", "status-checker")}, time.monotonic()
        following = []
        for _ in range(MEASURED_SECONDS * TRANSFERS_PER_SECOND):
            following.append(asyncio.create_task(start_and_follow()))
            await asyncio.sleep(1 / TRANSFERS_PER_SECOND)
        assert set(await asyncio.gather(*following)) == {"completed"}
        elapsed = time.monotonic() - began
        rate = len(following) / elapsed
        for name, seconds in before.items():
            share = (cpu_seconds(pids[name]) - seconds) / elapsed
            figures.number(f"CPU of {name}, 500 pages, {rate:.1f} transfers/s, % of a core", 100 * share)
    assert await nothing_is_asked_any_more(system)


@asynccontextmanager
async def open_pages(streams: EventStreams) -> AsyncIterator[list[list[Event]]]:
    pages: list[list[Event]] = [[] for _ in range(STREAMS)]

    async def look(page: list[Event]) -> None:
        async with aclosing(streams.events("/events")) as events:
            async for event in events:
                page.append(event)  # noqa: PERF401 - each is seen as it comes

    looking = [asyncio.create_task(look(page)) for page in pages]
    try:
        yield pages
    finally:
        for task in looking:
            task.cancel()
        await asyncio.gather(*looking, return_exceptions=True)


async def nothing_is_asked_any_more(system: RunningSystem) -> bool:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        before = await requests_to_temporal(system)
        await asyncio.sleep(2)
        if await requests_to_temporal(system) == before:
            return True
    return False
