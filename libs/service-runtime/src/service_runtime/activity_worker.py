"""A worker for a participant's activities: what every such worker has in common, and why."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, Final

from prometheus_client import CollectorRegistry
from temporalio.client import Client
from temporalio.worker import Worker

from service_runtime.activity_interceptor import StepInterceptor
from service_runtime.settings import WorkerSettings
from service_runtime.worker_fault_points import activity_fault_points

HEARTBEAT_THROTTLE: Final = timedelta(seconds=1)
"""The SDK holds heartbeats back for up to 30 s; here each one counts, for a killed worker is told by a missing one."""


POLLS: Final = 20
"""At once, for tasks of a kind. With the SDK's 5 a loaded server has nobody to give a task to, and stores it behind
those that come after: p95 of fifty transfers at once 10 s instead of 6 (measured)."""


def activity_worker(
    client: Client,
    identity: str,
    *,
    queue: str,
    activities: Sequence[Callable[..., Any]],
    settings: WorkerSettings,
    registry: CollectorRegistry,
) -> Worker:
    """Threads, slots and database connections are the same number: an activity that runs waits for none of them."""
    return Worker(
        client,
        task_queue=queue,
        identity=identity,
        activities=activities,
        activity_executor=ThreadPoolExecutor(settings.max_concurrent_activities, thread_name_prefix="activity"),
        max_concurrent_activities=settings.max_concurrent_activities,
        max_concurrent_activity_task_polls=POLLS,
        interceptors=[StepInterceptor(client, registry), *activity_fault_points(settings.process)],
        graceful_shutdown_timeout=timedelta(seconds=settings.shutdown_grace_seconds),
        max_heartbeat_throttle_interval=HEARTBEAT_THROTTLE,
        default_heartbeat_throttle_interval=HEARTBEAT_THROTTLE,
    )
