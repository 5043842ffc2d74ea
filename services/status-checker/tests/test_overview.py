"""The feed of the web page, over sources that a test turns on and off."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from checker_following import SOON_SECONDS
from checker_rows import request
from service_runtime.broadcast import Signal
from service_runtime.problems import Problem, unavailable
from status_checker import overview
from status_checker.live_view import live_view
from status_checker.overview import RECONCILE_SHARE, OverviewFeed, Sources
from status_checker.timeline import Timeline
from transfer_contract.attention import Attention, AttentionItem, AttentionKind
from transfer_contract.http import LiveWorker, Overview, Page, Reconciliation, WorkerGroup, WorkersView
from transfer_contract.names import Process, TaskQueue
from transfer_contract.transfers import TransferView

NOW = datetime.now(UTC)
Feed = AsyncGenerator[Overview]
EVERYTHING = ("transfers", "accounts", "workers", "reconciliation", "attention")


def workers(*, heartbeat_at: datetime = NOW, pid: str = "1") -> WorkersView:
    alive = LiveWorker(identity=pid, host="here", pid=pid, started_at=NOW, last_heartbeat_at=heartbeat_at)
    group = WorkerGroup(
        process=Process.LEDGER_WORKER, queue=TaskQueue.LEDGER, workers=[alive], gone_since=None, backlog=0
    )
    return WorkersView(items=[group])


class World:
    """What can be told, and how often it has been asked."""

    def __init__(self) -> None:
        self.answers: dict[str, object] = {
            "transfers": Page[TransferView](items=[]),
            "accounts": Page(items=[]),
            "workers": workers(),
            "reconciliation": Reconciliation(balanced=True, currencies=[], discrepancies=[]),
            "attention": Attention(observed_at=NOW),
        }
        self.asked: dict[str, list[float]] = {part: [] for part in self.answers}
        self.reconciliation_seconds = 0.0
        self.workers_changed = Signal()
        self.begun = 0

    async def some_more(self, part: str) -> None:
        """Until it has been asked for at least two times more, of which one is answered."""
        asked = len(self.asked[part])
        async with asyncio.timeout(SOON_SECONDS):
            while len(self.asked[part]) < asked + 2:  # noqa: ASYNC110 - simpler than an event for each
                await asyncio.sleep(0.01)

    def transfer_appears(self) -> None:
        self.answers["transfers"] = Page[TransferView](items=[live_view(request(), [], Timeline())])

    def sources(self) -> Sources:
        def begin() -> Callable[[], Awaitable[Page[TransferView]]]:
            self.begun += 1
            return self._source("transfers")

        async def reconciliation() -> Reconciliation:
            await asyncio.sleep(self.reconciliation_seconds)
            return await self._source("reconciliation")()  # type: ignore[no-any-return]

        return Sources(
            transfers=begin,
            accounts=self._source("accounts"),
            workers=self._source("workers"),
            reconciliation=reconciliation,
            attention=self._source("attention"),
            workers_changed=self.workers_changed,
        )

    def _source(self, part: str) -> Callable[[], Awaitable[Any]]:
        async def ask() -> Any:
            self.asked[part].append(time.monotonic())
            answer = self.answers[part]
            if isinstance(answer, Problem):
                raise answer
            return answer

        return ask


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(overview, "LOOK_SECONDS", 0.02)
    return World()


@pytest.fixture
async def feed(world: World) -> AsyncIterator[Feed]:
    async with aclosing(OverviewFeed(world.sources()).overviews()) as overviews:
        yield overviews


async def next_with(feed: Feed, *parts: str) -> Overview:
    """The first that tells any of these parts; without any named, of all that there are."""
    async with asyncio.timeout(SOON_SECONDS):
        async for told in feed:
            if not parts or told.model_fields_set & set(parts):
                return told
    pytest.fail("the feed has ended")


async def all_parts(feed: Feed) -> None:
    """Until everything has been told once."""
    missing = set(EVERYTHING)
    while missing:
        missing -= (await next_with(feed)).model_fields_set


async def test_each_part_is_told_as_soon_as_it_is_known(world: World, feed: Feed) -> None:
    world.reconciliation_seconds = 3600
    missing = {*EVERYTHING} - {"reconciliation"}
    while missing:
        told = await next_with(feed)
        assert told.model_fields_set <= missing
        missing -= told.model_fields_set


async def test_only_what_has_changed_is_told(world: World, feed: Feed) -> None:
    await all_parts(feed)
    world.transfer_appears()
    told = await next_with(feed)
    assert told.model_fields_set == {"transfers"}
    assert told.transfers is not None
    assert told.transfers == world.answers["transfers"]


async def test_a_heartbeat_alone_is_no_news_but_another_worker_is(world: World, feed: Feed) -> None:
    await all_parts(feed)
    world.answers["workers"] = workers(heartbeat_at=NOW + timedelta(seconds=1))
    coming = asyncio.create_task(next_with(feed))
    await world.some_more("workers")
    assert not coming.done()
    world.answers["workers"] = workers(pid="2")
    assert (await coming).workers == world.answers["workers"]


async def test_that_attention_was_looked_at_again_is_no_news_but_what_needs_it_is(world: World, feed: Feed) -> None:
    await all_parts(feed)
    world.answers["attention"] = Attention(observed_at=NOW + timedelta(seconds=5))
    coming = asyncio.create_task(next_with(feed))
    await world.some_more("attention")
    assert not coming.done()
    item = AttentionItem(kind=AttentionKind.PARKED, since=NOW, detail="it fails", runbook="there")
    later = NOW + timedelta(seconds=10)
    world.answers["attention"] = Attention(observed_at=later, counts={AttentionKind.PARKED: 100}, items=[item] * 100)
    told = (await coming).attention
    assert told is not None
    assert (told.counts, len(told.items)) == ({AttentionKind.PARKED: 100}, overview.MAX_ATTENTION)


async def test_a_worker_that_comes_or_goes_is_told_without_waiting_for_the_next_look(
    world: World, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "LOOK_SECONDS", 3600)
    await all_parts(feed)
    world.answers["workers"] = workers(pid="2")
    world.workers_changed.fire()
    assert (await next_with(feed)).workers == world.answers["workers"]


@pytest.mark.parametrize("part", EVERYTHING)
async def test_a_part_that_cant_be_told_is_an_interruption_that_ends_when_it_can(
    world: World, feed: Feed, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    monkeypatch.setattr(overview, "RECONCILE_SECONDS", 0.02)
    await all_parts(feed)
    before, world.answers[part] = world.answers[part], unavailable("what it needs")
    told = await next_with(feed, "interruption")
    assert told.interruption is not None
    assert told.interruption.detail is not None
    assert told.interruption.detail.startswith("what it needs")
    assert told.model_fields_set == {"interruption"}
    world.answers[part] = before
    told = await next_with(feed, "interruption", part)
    assert told.model_dump(exclude_unset=True) == {"interruption": {"detail": None}}


async def test_an_interruption_lasts_until_every_part_can_be_told_again(world: World, feed: Feed) -> None:
    await all_parts(feed)
    before = dict(world.answers)
    world.answers |= {"accounts": unavailable("account-api"), "transfers": unavailable("Temporal")}
    await next_with(feed, "interruption")
    told: list[str | None] = []

    async def collect() -> None:
        while None not in told:
            interruption = (await next_with(feed, "interruption")).interruption
            told.append(interruption.detail if interruption else None)

    collecting = asyncio.create_task(collect())
    world.answers["accounts"] = before["accounts"]
    await world.some_more("accounts")
    assert not collecting.done()
    world.answers["transfers"] = before["transfers"]
    await collecting


async def test_a_part_that_cant_be_told_from_the_beginning_holds_no_other_up(world: World, feed: Feed) -> None:
    world.answers["accounts"] = unavailable("account-api")
    missing = {*EVERYTHING, "interruption"} - {"accounts"}
    while missing:
        missing -= (await next_with(feed)).model_fields_set


async def test_reconciliation_is_made_again_after_something_has_moved(world: World, feed: Feed) -> None:
    await all_parts(feed)
    await asyncio.sleep(0.2)
    assert len(world.asked["reconciliation"]) <= 3
    before = len(world.asked["reconciliation"])
    world.answers["reconciliation"] = Reconciliation(balanced=False, currencies=[], discrepancies=[])
    world.transfer_appears()
    told = await next_with(feed, "reconciliation")
    assert told.reconciliation is not None
    assert not told.reconciliation.balanced
    assert len(world.asked["reconciliation"]) > before


async def test_reconciliation_takes_a_tenth_of_the_time_at_most(world: World, feed: Feed) -> None:
    world.reconciliation_seconds = 0.05
    listening = asyncio.create_task(all_of(feed))
    async with asyncio.timeout(SOON_SECONDS):
        while len(world.asked["reconciliation"]) < 3:
            world.transfer_appears()
            await asyncio.sleep(0.01)
    first, *_, last = world.asked["reconciliation"]
    assert (last - first) / 2 >= world.reconciliation_seconds / RECONCILE_SHARE
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def all_of(feed: Feed) -> None:
    async for _ in feed:
        pass


async def test_all_who_listen_share_one_feed_which_ends_with_the_last_of_them(world: World) -> None:
    overviews = OverviewFeed(world.sources())
    async with aclosing(overviews.overviews()) as first, aclosing(overviews.overviews()) as second:
        await all_parts(first)
        told = await next_with(second)
        assert {*EVERYTHING} <= told.model_fields_set
        assert world.begun == 1
        await first.aclose()
        world.transfer_appears()
        assert (await next_with(second, "transfers")).transfers == world.answers["transfers"]
    asked = {part: len(times) for part, times in world.asked.items()}
    await asyncio.sleep(0.2)
    assert {part: len(times) for part, times in world.asked.items()} == asked
    async with aclosing(overviews.overviews()) as later:
        await all_parts(later)
    assert world.begun == 2


async def test_the_feed_is_served_as_json_lines(checker: httpx.AsyncClient) -> None:
    missing = set(EVERYTHING)
    async with asyncio.timeout(SOON_SECONDS), checker.stream("GET", "/events") as answer:
        assert answer.status_code == 200
        async for line in answer.aiter_lines():
            if line:
                missing -= Overview.model_validate_json(line).model_fields_set
            if not missing:
                return
