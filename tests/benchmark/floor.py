"""The floor: what Temporal alone costs for as many steps, on as many queues, in workers with the product's settings.

    python -m benchmark.floor accounts      # one worker process: transfers, accounts or ledger

Its queues have names of their own, so that the product's workers run beside it unchanged; all else is the product's:
processes, event loop, interceptor, heartbeats, slots, cache, timeouts. Its activities take nothing and do nothing.
"""

import sys
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Final

import uvloop
from prometheus_client import CollectorRegistry
from service_runtime.activity_interceptor import StepInterceptor
from service_runtime.activity_worker import HEARTBEAT_THROTTLE, POLLS, activity_worker
from service_runtime.logs import configure_logs
from service_runtime.settings import WorkerSettings
from service_runtime.worker import BuildWorker, run_worker
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from transfer_contract.names import WORKER_OF_QUEUE, TaskQueue
from transfer_contract.steps import Step
from workflow_handler.policies import PRODUCTION, forward_step, unlimited_step
from workflow_handler.settings import WorkflowWorkerSettings
from workflow_handler.worker import STICKY_TIMEOUT

FLOOR: Final = "Floor"


def floor_queue(queue: TaskQueue) -> str:
    return f"floor-{queue}"


@activity.defn(name="withdraw", no_thread_cancel_exception=True)
def withdraw() -> None: ...


@activity.defn(name="deposit", no_thread_cancel_exception=True)
def deposit() -> None: ...


@activity.defn(name="record", no_thread_cancel_exception=True)
def record() -> None: ...


@activity.defn(name="release", no_thread_cancel_exception=True)
def release() -> None: ...


_ACCOUNTS: Final[list[Callable[..., object]]] = [withdraw, deposit, release]
_LEDGER: Final[list[Callable[..., object]]] = [record]


@workflow.defn(name=FLOOR)
class Floor:
    @workflow.run
    async def run(self) -> None:
        for step in Step:
            queue = TaskQueue.LEDGER if step is Step.RECORD else TaskQueue.ACCOUNTS
            policy = unlimited_step if step is Step.RELEASE else forward_step
            options = policy(PRODUCTION, step, queue)
            options["task_queue"] = floor_queue(queue)
            await workflow.execute_activity(step.value, **options)


def _workflow_worker(client: Client, identity: str, settings: WorkerSettings, registry: CollectorRegistry) -> Worker:
    return Worker(
        client,
        task_queue=floor_queue(TaskQueue.TRANSFERS),
        workflows=[Floor],
        interceptors=[StepInterceptor(client, registry)],
        max_heartbeat_throttle_interval=HEARTBEAT_THROTTLE,
        default_heartbeat_throttle_interval=HEARTBEAT_THROTTLE,
        workflow_runner=UnsandboxedWorkflowRunner(),
        identity=identity,
        max_concurrent_workflow_task_polls=POLLS,
        max_cached_workflows=WorkflowWorkerSettings.model_fields["max_cached_workflows"].default,
        sticky_queue_schedule_to_start_timeout=STICKY_TIMEOUT,
        graceful_shutdown_timeout=timedelta(seconds=settings.shutdown_grace_seconds),
    )


def _build(queue: TaskQueue, settings: WorkerSettings, registry: CollectorRegistry) -> BuildWorker:
    if queue is TaskQueue.TRANSFERS:
        return partial(_workflow_worker, settings=settings, registry=registry)
    activities = _ACCOUNTS if queue is TaskQueue.ACCOUNTS else _LEDGER
    return lambda client, identity: activity_worker(
        client, identity, queue=floor_queue(queue), activities=activities, settings=settings, registry=registry
    )


def main(queue: TaskQueue) -> None:
    settings = WorkerSettings(process=WORKER_OF_QUEUE[queue])
    configure_logs(settings, settings.process)
    registry = CollectorRegistry()
    uvloop.run(run_worker(settings, registry, _build(queue, settings, registry)))


if __name__ == "__main__":
    main(TaskQueue(sys.argv[1]))
