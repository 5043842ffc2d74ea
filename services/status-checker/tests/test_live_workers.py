"""What is made of the heartbeats that the server lists, without a server."""

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from service_runtime.live_workers import DEAD_AFTER_SECONDS, WorkerHeartbeat
from status_checker.live_workers import OBSERVE_SECONDS, LiveWorkers
from temporalio.service import RPCError, RPCStatusCode
from transfer_contract.http import WorkerGap
from transfer_contract.names import Process, TaskQueue

EVERYONE = {Process.WORKFLOW_WORKER, Process.ACCOUNT_WORKER, Process.LEDGER_WORKER}


class FakeServer:
    def __init__(self) -> None:
        self.beats: list[WorkerHeartbeat] = []
        self.is_away = False
        self.refuses = False

    async def list_heartbeats(self) -> list[WorkerHeartbeat]:
        if self.is_away:
            raise RPCError("away", RPCStatusCode.UNAVAILABLE, b"")
        if self.refuses:
            raise RPCError("too old a server", RPCStatusCode.UNIMPLEMENTED, b"")
        return self.beats


def beat(queue: TaskQueue, *, age_seconds: float = 0, is_running: bool = True) -> WorkerHeartbeat:
    now = datetime.now(UTC)
    return WorkerHeartbeat(
        key=f"key-{queue}",
        identity=f"worker@{queue}",
        queue=queue,
        host="here",
        pid="1",
        started_at=now - timedelta(minutes=1),
        heartbeat_at=now - timedelta(seconds=age_seconds),
        is_running=is_running,
    )


async def test_as_long_as_nobody_knows_everybody_counts_as_alive() -> None:
    server = FakeServer()
    server.is_away = True
    live = LiveWorkers(server.list_heartbeats)
    await live.observe()
    assert live.processes() == EVERYONE
    assert live.group(TaskQueue.LEDGER, backlog=None).gone_since is None


async def test_the_first_look_is_right_by_the_age_of_the_heartbeats() -> None:
    server = FakeServer()
    server.beats = [beat(TaskQueue.ACCOUNTS), beat(TaskQueue.LEDGER, age_seconds=60)]
    live = LiveWorkers(server.list_heartbeats)
    await live.observe()
    assert live.processes() == {Process.ACCOUNT_WORKER}


async def test_a_worker_that_is_stopping_no_longer_counts() -> None:
    server = FakeServer()
    server.beats = [beat(TaskQueue.ACCOUNTS, is_running=False)]
    live = LiveWorkers(server.list_heartbeats)
    await live.observe()
    assert live.processes() == set()


async def test_the_last_heartbeat_is_remembered_when_the_server_has_forgotten_it() -> None:
    server = FakeServer()
    old = beat(TaskQueue.LEDGER, age_seconds=60)
    server.beats = [old]
    live = LiveWorkers(server.list_heartbeats)
    await live.observe()
    server.beats = []
    await live.observe()
    group = live.group(TaskQueue.LEDGER, backlog=3)
    assert (group.workers, group.gone_since, group.backlog) == ([], old.heartbeat_at, 3)
    assert live.group(TaskQueue.ACCOUNTS, backlog=None).gone_since is None


@pytest.mark.parametrize("fault", ["is_away", "refuses"])
async def test_the_last_answer_is_kept_while_the_server_is_away(fault: str) -> None:
    server = FakeServer()
    server.beats = [beat(TaskQueue.ACCOUNTS)]
    live = LiveWorkers(server.list_heartbeats)
    await live.observe()
    setattr(server, fault, True)
    await live.observe()
    assert live.processes() == {Process.ACCOUNT_WORKER}


async def test_a_server_that_has_forgotten_all_workers_in_a_restart_is_not_believed_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = FakeServer()
    server.beats = [beat(TaskQueue.ACCOUNTS)]
    live = LiveWorkers(server.list_heartbeats)
    await live.observe()
    server.is_away = True
    await live.observe()
    server.is_away = False
    server.beats = [beat(TaskQueue.LEDGER)]
    await live.observe()
    assert live.processes() == {Process.ACCOUNT_WORKER, Process.LEDGER_WORKER}
    monkeypatch.setattr(live, "_trusted_from", 0.0)
    await live.observe()
    assert live.processes() == {Process.LEDGER_WORKER}


Lives = Sequence[tuple[str, float, float]]
"""Each worker's name, when it was started, and its last heartbeat: in seconds ago."""


def ledger_workers(lives: Lives, now: datetime) -> list[WorkerHeartbeat]:
    return [
        dataclasses.replace(
            beat(TaskQueue.LEDGER), key=name, started_at=ago(now, started), heartbeat_at=ago(now, last_heartbeat)
        )
        for name, started, last_heartbeat in lives
    ]


def gap_of(now: datetime, began: float, ended: float) -> WorkerGap:
    return WorkerGap(began_at=ago(now, began), ended_at=ago(now, ended))


def ago(now: datetime, seconds: float) -> datetime:
    return now - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("lives", "gap"),
    [
        ([], None),
        ([("a", 100, 0)], None),
        ([("a", 100, 50)], None),
        ([("a", 100, 50), ("b", 30, 0)], (50, 30)),
        ([("a", 100, 50), ("b", 60, 0)], None),
        ([("a", 100, 50), ("b", 100, 20), ("c", 30, 0)], None),
        ([("a", 300, 200), ("b", 150, 100), ("c", 90, 0)], (100, 90)),
        ([("a", 300, 200), ("b", 150, 100), ("c", 140, 0)], (200, 150)),
        ([("a", 300, 200), ("b", 150, 100)], (200, 150)),
        ([("a", 300, 1), ("b", 0.5, 0)], None),
    ],
    ids=[
        "nobody has ever lived",
        "one lives",
        "the last one is gone, and the gap isn't over",
        "one lives in the place of a dead one",
        "it was started while the other one lived",
        "a third one lived in between",
        "of two gaps the later one",
        "the later ones overlapped",
        "nobody lives now, and a gap before is over",
        "a new one was started beside one whose next heartbeat isn't due yet",
    ],
)
async def test_the_last_gap_is_the_latest_time_without_a_worker_that_is_over(
    lives: Lives, gap: tuple[float, float] | None
) -> None:
    server, now = FakeServer(), datetime.now(UTC)
    server.beats = [*reversed(ledger_workers(lives, now)), beat(TaskQueue.ACCOUNTS)]
    live = LiveWorkers(server.list_heartbeats)
    await live.observe()
    found = live.group(TaskQueue.LEDGER, backlog=None).last_gap
    assert found == (gap_of(now, *gap) if gap else None)
    assert live.group(TaskQueue.ACCOUNTS, backlog=None).last_gap is None


async def test_a_gap_is_remembered_when_the_server_has_forgotten_it_until_there_is_a_later_one() -> None:
    server, now = FakeServer(), datetime.now(UTC)
    live = LiveWorkers(server.list_heartbeats)
    gaps = []
    lives: Lives
    for lives in (
        [("a", 100, 50), ("b", 30, 0)],
        [("b", 30, 0)],
        [("c", 25, 20), ("d", 10, 0)],
        [("a", 100, 50), ("b", 30, 0)],
    ):
        server.beats = ledger_workers(lives, now)
        await live.observe()
        gaps.append(live.group(TaskQueue.LEDGER, backlog=None).last_gap)
    first, later = gap_of(now, 50, 30), gap_of(now, 20, 10)
    assert gaps == [first, first, later, later]


async def test_a_worker_that_a_restarted_server_has_not_heard_yet_leaves_no_gap() -> None:
    server, now = FakeServer(), datetime.now(UTC)
    live = LiveWorkers(server.list_heartbeats)
    server.beats = ledger_workers([("a", 100, 0)], now)
    await live.observe()
    server.is_away = True
    await live.observe()
    server.is_away = False
    server.beats = ledger_workers([("b", 90, 40), ("c", 20, 0)], now)
    await live.observe()
    assert live.group(TaskQueue.LEDGER, backlog=None).last_gap is None


def test_a_killed_worker_is_noticed_within_five_seconds_of_its_last_heartbeat() -> None:
    longest = DEAD_AFTER_SECONDS + 2 * OBSERVE_SECONDS
    assert longest < 5
