"""When no worker of a kind lived, by the heartbeats that the Temporal server remembers. Pure."""

from collections.abc import Container, Iterable
from datetime import UTC, datetime

from service_runtime.live_workers import WorkerHeartbeat
from transfer_contract.http import WorkerGap


def latest_gap(beats: Iterable[WorkerHeartbeat], *, live: Container[str]) -> WorkerGap | None:
    """The latest time that is over and in which none of one queue's workers lived; `live` has the keys of who does.

    By the workers' own clocks. A killed worker counts as live until it is missed, so the gap between it and the one
    that was started in its place at once is seen only then.
    """
    gap, until = None, None
    for beat in sorted(beats, key=lambda beat: beat.started_at):
        if until is not None and until < beat.started_at:
            gap = WorkerGap(began_at=until, ended_at=beat.started_at)
        end = datetime.max.replace(tzinfo=UTC) if beat.key in live else beat.heartbeat_at
        until = end if until is None else max(until, end)
    return gap
