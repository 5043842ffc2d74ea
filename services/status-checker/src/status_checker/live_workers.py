"""Which worker processes live, by the heartbeats that the Temporal server has: looked at for all requests together."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Final

import structlog
from service_runtime.broadcast import Signal
from service_runtime.live_workers import DEAD_AFTER_SECONDS, Liveness, WorkerHeartbeat
from service_runtime.problems import Problem
from service_runtime.temporal import ask_temporal
from temporalio.service import RPCError
from transfer_contract.http import LiveWorker, WorkerGap, WorkerGroup
from transfer_contract.names import WORKER_OF_QUEUE, Process, TaskQueue

from status_checker.worker_gaps import latest_gap

OBSERVE_SECONDS: Final = 0.5
"""A killed worker is noticed this much plus `DEAD_AFTER_SECONDS` after its last heartbeat: within 5 s."""

_OBSERVE_TIMEOUT_SECONDS: Final = 2.0


class LiveWorkers:
    """Keeps its last answer while the server is away, and for as long afterwards as workers need to be heard again."""

    def __init__(self, list_heartbeats: Callable[[], Awaitable[list[WorkerHeartbeat]]]) -> None:
        self._list_heartbeats = list_heartbeats
        self._liveness = Liveness()
        self._live: dict[str, WorkerHeartbeat] | None = None
        self.changed = Signal()
        """Fires when a worker has come or gone."""
        self._last_seen: dict[str, datetime] = {}
        self._last_gaps: dict[str, WorkerGap] = {}
        self._trusted_from = 0.0

    async def keep_observing(self) -> None:
        while True:
            await self.observe()
            await asyncio.sleep(OBSERVE_SECONDS)

    async def observe(self) -> None:
        try:
            beats = await ask_temporal(self._list_heartbeats, timeout_seconds=_OBSERVE_TIMEOUT_SECONDS)
        except (Problem, RPCError) as error:
            self._distrust(error)
            return
        self._take_in(beats)

    def processes(self) -> AbstractSet[Process]:
        """Those of which a worker lives. All of them as long as nobody knows: no transfer is said to wait then."""
        if self._live is None:
            return set(WORKER_OF_QUEUE.values())
        queues = {beat.queue for beat in self._live.values()}
        return {process for queue, process in WORKER_OF_QUEUE.items() if queue in queues}

    def group(self, queue: TaskQueue, *, backlog: int | None) -> WorkerGroup:
        workers = [beat for beat in (self._live or {}).values() if beat.queue == queue]
        return WorkerGroup(
            process=WORKER_OF_QUEUE[queue],
            queue=queue,
            workers=[_live_worker(beat) for beat in sorted(workers, key=lambda beat: beat.started_at)],
            gone_since=None if workers else self._last_seen.get(queue),
            last_gap=self._last_gaps.get(queue),
            backlog=backlog,
        )

    def _distrust(self, error: Exception) -> None:
        if time.monotonic() >= self._trusted_from:  # the first time of many
            structlog.get_logger().warning("can't ask Temporal which workers live", error=str(error))
        self._trusted_from = time.monotonic() + DEAD_AFTER_SECONDS

    def _take_in(self, beats: list[WorkerHeartbeat]) -> None:
        live = {beat.key: beat for beat in self._liveness.observe(beats)}
        settling = time.monotonic() < self._trusted_from
        known = self._live
        self._live = {**(self._live or {}), **live} if settling else live
        for beat in beats:
            self._last_seen[beat.queue] = max(beat.heartbeat_at, self._last_seen.get(beat.queue, beat.heartbeat_at))
        remembered = [*beats, *self._live.values()]
        for queue in TaskQueue:
            self._keep_gap(queue, latest_gap((beat for beat in remembered if beat.queue == queue), live=self._live))

        if known is None or known.keys() != self._live.keys():
            self.changed.fire()

    def _keep_gap(self, queue: TaskQueue, gap: WorkerGap | None) -> None:
        """The server forgets dead workers after a while."""
        known = self._last_gaps.get(queue)
        if gap is not None and (known is None or known.ended_at <= gap.ended_at):
            self._last_gaps[queue] = gap


def _live_worker(beat: WorkerHeartbeat) -> LiveWorker:
    return LiveWorker(
        identity=beat.identity,
        host=beat.host,
        pid=beat.pid,
        started_at=beat.started_at,
        last_heartbeat_at=beat.heartbeat_at,
    )
