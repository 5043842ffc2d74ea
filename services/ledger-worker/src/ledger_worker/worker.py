"""The activity worker on queue `ledger`."""

from prometheus_client import CollectorRegistry
from service_runtime.activity_worker import activity_worker
from service_runtime.settings import WorkerSettings
from temporalio.client import Client
from temporalio.worker import Worker
from transfer_contract.activities import LedgerActivities, LedgerBatchActivities
from transfer_contract.names import TaskQueue


def build_worker(
    client: Client,
    identity: str,
    *,
    activities: LedgerActivities,
    batch_activities: LedgerBatchActivities,
    settings: WorkerSettings,
    registry: CollectorRegistry,
) -> Worker:
    return activity_worker(
        client,
        identity,
        queue=TaskQueue.LEDGER,
        activities=[
            activities.record,
            activities.record_compensation,
            batch_activities.record_many,
            batch_activities.record_compensation_many,
        ],
        settings=settings,
        registry=registry,
    )
