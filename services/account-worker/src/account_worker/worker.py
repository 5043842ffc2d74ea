"""The activity worker on queue `accounts`."""

from prometheus_client import CollectorRegistry
from service_runtime.activity_worker import activity_worker
from service_runtime.settings import WorkerSettings
from temporalio.client import Client
from temporalio.worker import Worker
from transfer_contract.activities import AccountActivities, AccountBatchActivities
from transfer_contract.names import TaskQueue


def build_worker(
    client: Client,
    identity: str,
    *,
    activities: AccountActivities,
    batch_activities: AccountBatchActivities,
    settings: WorkerSettings,
    registry: CollectorRegistry,
) -> Worker:
    return activity_worker(
        client,
        identity,
        queue=TaskQueue.ACCOUNTS,
        activities=[
            activities.withdraw,
            activities.deposit,
            activities.release,
            activities.deposit_compensation,
            activities.withdraw_compensation,
            batch_activities.withdraw_many,
            batch_activities.deposit_many,
            batch_activities.release_many,
            batch_activities.deposit_compensation_many,
            batch_activities.withdraw_compensation_many,
            batch_activities.find_unfinished,
        ],
        settings=settings,
        registry=registry,
    )
