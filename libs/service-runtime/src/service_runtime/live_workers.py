"""Which workers live, by the heartbeats that they send to the Temporal server: no worker is asked."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from temporalio.api.enums.v1 import WorkerStatus
from temporalio.api.workflowservice.v1 import ListWorkersRequest
from temporalio.client import Client

DEAD_AFTER_SECONDS: Final = 3.5
"""A live worker's heartbeat is at most a second old; three missed ones in a row mean that it is gone."""

_RPC_TIMEOUT: Final = timedelta(seconds=1)


@dataclass(frozen=True)
class WorkerHeartbeat:
    key: str
    identity: str
    queue: str
    host: str
    pid: str
    started_at: datetime
    heartbeat_at: datetime
    is_running: bool


async def list_heartbeats(client: Client) -> list[WorkerHeartbeat]:
    """Every worker of the namespace that the server remembers, the dead ones included. Raises RPCError."""
    found: list[WorkerHeartbeat] = []
    token = b""
    while True:
        answer = await client.workflow_service.list_workers(
            ListWorkersRequest(namespace=client.namespace, page_size=1000, next_page_token=token),
            timeout=_RPC_TIMEOUT,
        )
        for info in answer.workers_info:
            beat = info.worker_heartbeat
            found.append(
                WorkerHeartbeat(
                    key=beat.worker_instance_key,
                    identity=beat.worker_identity,
                    queue=beat.task_queue,
                    host=beat.host_info.host_name,
                    pid=beat.host_info.process_id,
                    started_at=beat.start_time.ToDatetime(UTC),
                    heartbeat_at=beat.heartbeat_time.ToDatetime(UTC),
                    is_running=beat.status == WorkerStatus.WORKER_STATUS_RUNNING,
                )
            )
        token = answer.next_page_token
        if not token:
            return found


class Liveness:
    """Judges workers by whether their heartbeat moves, on this process's own clock: clocks may disagree."""

    def __init__(self) -> None:
        self._moved_at: dict[str, tuple[datetime, float]] = {}

    def observe(self, beats: list[WorkerHeartbeat]) -> list[WorkerHeartbeat]:
        """The ones that live. Call about once a second with what `list_heartbeats` answered."""
        now = time.monotonic()
        known, self._moved_at = self._moved_at, {}
        for beat in beats:
            last = known.get(beat.key)
            if last is None:  # the first look: only its own word for how old it is
                age = max(0.0, (datetime.now(UTC) - beat.heartbeat_at).total_seconds())
                self._moved_at[beat.key] = (beat.heartbeat_at, now - age)
            else:
                self._moved_at[beat.key] = last if last[0] == beat.heartbeat_at else (beat.heartbeat_at, now)
        return [b for b in beats if b.is_running and now - self._moved_at[b.key][1] < DEAD_AFTER_SECONDS]
