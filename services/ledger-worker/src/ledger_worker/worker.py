"""The activity worker on queue `ledger`."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Final

from prometheus_client import CollectorRegistry
from service_runtime.activity_interceptor import StepInterceptor
from service_runtime.settings import WorkerSettings
from temporalio.client import Client
from temporalio.worker import Worker
from transfer_contract.activities import LedgerActivities
from transfer_contract.names import TaskQueue

HEARTBEAT_THROTTLE: Final = timedelta(seconds=1)
"""The SDK holds heartbeats back for up to 30 s; here each one counts, for a killed worker is told by a missing one."""


def build_worker(
    client: Client,
    identity: str,
    *,
    activities: LedgerActivities,
    settings: WorkerSettings,
    registry: CollectorRegistry,
) -> Worker:
    """Threads, slots and database connections are the same number: an activity that runs waits for none of them."""
    return Worker(
        client,
        task_queue=TaskQueue.LEDGER,
        identity=identity,
        activities=[activities.record, activities.record_compensation],
        activity_executor=ThreadPoolExecutor(settings.max_concurrent_activities, thread_name_prefix="activity"),
        max_concurrent_activities=settings.max_concurrent_activities,
        interceptors=[StepInterceptor(client, registry)],
        graceful_shutdown_timeout=timedelta(seconds=settings.shutdown_grace_seconds),
        max_heartbeat_throttle_interval=HEARTBEAT_THROTTLE,
        default_heartbeat_throttle_interval=HEARTBEAT_THROTTLE,
    )
