"""The reconciler's schedule on a real Temporal server: made once, kept up to date; its runs go on from each other."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from free_port import free_port
from saga.reconciling import reconciler_on
from temporalio import activity
from temporalio.client import Client, ScheduleDescription, ScheduleOverlapPolicy
from temporalio.contrib.pydantic import pydantic_data_converter
from transfer_contract.names import RECONCILE_TRANSFERS, RECONCILIATION_SCHEDULE
from transfer_contract.reconciler import Findings, ReconcilerActivities, Search
from workflow_handler.reconciliation_schedule import ensure_schedule, keep_schedule

QUARTER = timedelta(seconds=15)


@pytest.fixture
async def client(temporal_client: Client) -> AsyncIterator[Client]:
    yield temporal_client
    await temporal_client.get_schedule_handle(RECONCILIATION_SCHEDULE).delete()


async def described(client: Client) -> ScheduleDescription:
    return await client.get_schedule_handle(RECONCILIATION_SCHEDULE).describe()


def interval_of(schedule: ScheduleDescription) -> timedelta:
    [interval] = schedule.schedule.spec.intervals
    return interval.every


async def test_many_processes_at_once_make_one_schedule(client: Client) -> None:
    await asyncio.gather(*(ensure_schedule(client, QUARTER) for _ in range(5)))
    schedule = await described(client)
    assert interval_of(schedule) == QUARTER
    assert schedule.schedule.policy.overlap is ScheduleOverlapPolicy.SKIP
    assert schedule.schedule.policy.pause_on_failure is False


async def test_another_interval_takes_effect_and_an_operators_pause_stays(client: Client) -> None:
    await ensure_schedule(client, QUARTER)
    await client.get_schedule_handle(RECONCILIATION_SCHEDULE).pause(note="an operator's")
    await ensure_schedule(client, 2 * QUARTER)
    schedule = await described(client)
    assert interval_of(schedule) == 2 * QUARTER
    assert (schedule.schedule.state.paused, schedule.schedule.state.note) == (True, "an operator's")


class Recording(ReconcilerActivities):
    """The real search: what it was asked, and what it answered. An attempt that failed is tried again, and left out."""

    def __init__(self, search: ReconcilerActivities) -> None:
        self._search = search
        self.searches: list[tuple[Search, Findings]] = []

    @activity.defn(name="find_abandoned_transfers")
    async def find_abandoned_transfers(self, search: Search) -> Findings:
        found = await self._search.find_abandoned_transfers(search)
        self.searches.append((search, found))
        return found


async def test_a_scheduled_run_goes_on_where_the_one_before_it_ended(client: Client) -> None:
    async with reconciler_on(client) as harness:
        assert harness.searching is not None
        harness.searching = recording = Recording(harness.searching)
        async with harness.workers():
            await ensure_schedule(client, timedelta(seconds=1))
            async with asyncio.timeout(30):
                while len(recording.searches) < 3:  # noqa: ASYNC110 - an activity's
                    await asyncio.sleep(0.1)
            await client.get_schedule_handle(RECONCILIATION_SCHEDULE).pause()
    asked, found = zip(*recording.searches[:3], strict=True)
    assert asked[0].position.closed_since is None
    assert [search.position for search in asked[1:]] == [findings.position for findings in found[:2]]
    its_own = f"WorkflowType = '{RECONCILE_TRANSFERS}' AND TemporalScheduledById = '{RECONCILIATION_SCHEDULE}'"
    listed = [run async for run in client.list_workflows(its_own)]
    assert {run.id.startswith(RECONCILIATION_SCHEDULE) for run in listed} == {True}


async def test_it_waits_for_a_server_that_is_away() -> None:
    away = await Client.connect(f"127.0.0.1:{free_port()}", lazy=True, data_converter=pydantic_data_converter)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3):
            await keep_schedule(away, QUARTER)
