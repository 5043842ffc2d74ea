"""The event streams of the running system: every change, the end, and what they outlive."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from system.event_streams import Event, EventStreams
from system.public_api import PublicApi, step, step_is
from system.running_system import WORKERS, RunningSystem

pytestmark = pytest.mark.system


@pytest.fixture
def streams(api: PublicApi) -> EventStreams:
    return EventStreams(api.url)


async def until(seen: list[Event], condition: Callable[[Event], bool]) -> None:
    """Until the last event fulfils it."""
    async with asyncio.timeout(60):
        while not seen or not condition(seen[-1]):  # noqa: ASYNC110 - events are what is looked at
            await asyncio.sleep(0.05)


async def test_a_follower_sees_each_change_once_and_the_end(api: PublicApi, streams: EventStreams) -> None:
    transfer_id = await api.start_transfer(*await api.open_pair(), scenario="ledger_fails_twice")
    events = await streams.views(transfer_id)
    ids = [event.id for event in events]
    assert {event.name for event in events} == {"transfer"}
    assert len(set(ids)) == len(ids) >= 3
    assert any(step(event.data, "record")["next_attempt_at"] for event in events)
    assert (events[-1].data, events[-1].data["status"]) == (await api.transfer(transfer_id), "completed")
    answer = await api.http.get(f"/transfers/{transfer_id}")
    assert answer.headers["ETag"] == f'"{events[-1].id}"'
    assert await streams.status(f"/transfers/{transfer_id}/events", last_event_id=str(events[-1].id)) == 204


async def test_with_every_worker_dead_a_stream_tells_whom_the_transfer_waits_for(
    system: RunningSystem, api: PublicApi, streams: EventStreams
) -> None:
    transfer_id = await api.start_transfer(*await api.open_pair(), scenario="slow")
    await api.until(transfer_id, step_is("withdraw", "running"))
    for worker in WORKERS:
        await system.kill(worker)
    seen: list[Event] = []
    following = asyncio.create_task(streams.until_final(transfer_id, seen=seen))
    await until(seen, lambda event: event.data["waiting_for"] == "account-worker")
    for worker in WORKERS:
        await system.start(worker)
    await following
    assert seen[-1].data["status"] == "completed"


@pytest.fixture
async def waiting_for_the_ledger(system: RunningSystem, api: PublicApi) -> AsyncIterator[str]:
    """A transfer that goes on as soon as somebody starts ledger-worker again."""
    accounts = await api.open_pair()
    await system.kill("ledger-worker")
    transfer_id = await api.start_transfer(*accounts)
    await api.until(transfer_id, step_is("record", "running"))
    yield transfer_id
    await system.start("ledger-worker")


async def test_a_stream_outlives_a_restart_of_status_checker(
    system: RunningSystem, streams: EventStreams, waiting_for_the_ledger: str
) -> None:
    seen: list[Event] = []
    following = asyncio.create_task(streams.views(waiting_for_the_ledger, seen=seen))
    await until(seen, lambda event: event.data["status"] == "running")
    await system.kill("status-checker")
    await system.start("status-checker")
    await system.start("ledger-worker")
    events = await asyncio.wait_for(following, 60)
    assert events[-1].data["status"] == "completed"
    assert len({event.id for event in events}) == len(events)


async def test_a_follower_goes_on_where_it_was_after_a_restart_of_the_gateway(
    system: RunningSystem, streams: EventStreams, waiting_for_the_ledger: str
) -> None:
    seen: list[Event] = []
    following = asyncio.create_task(streams.until_final(waiting_for_the_ledger, seen=seen))
    await until(seen, lambda event: event.data["status"] == "running")
    await system.kill("gateway")
    await system.start("gateway")
    await system.start("ledger-worker")
    await asyncio.wait_for(following, 60)
    assert seen[-1].data["status"] == "completed"
    assert len({event.id for event in seen}) == len(seen)
