"""What surrounds an activity, on a real Temporal server: heartbeats, the last error, metrics."""

import dataclasses
import os
import socket
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry
from service_runtime.activity_edge import this_attempt
from service_runtime.activity_interceptor import StepInterceptor
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.testing import ActivityEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

QUEUE = "interceptor-tests"


@activity.defn(name="fails_twice")
def fails_twice() -> str:
    attempt = this_attempt()
    if attempt.number < 3:
        raise ApplicationError(f"failure {attempt.number}", type="test_fault")
    return f"{attempt.last_error.code}: {attempt.last_error.detail}" if attempt.last_error else "nothing known"


@activity.defn(name="takes_longer_than_its_heartbeat_timeout")
def takes_longer_than_its_heartbeat_timeout() -> int:
    time.sleep(3)
    return this_attempt().number


@activity.defn(name="is_refused")
def is_refused() -> None:
    raise ApplicationError("no", type="no", non_retryable=True, category=ApplicationErrorCategory.BENIGN)


@workflow.defn(name="OneActivity")
class OneActivity:
    @workflow.run
    async def run(self, name: str) -> object:
        return await workflow.execute_activity(
            name,
            start_to_close_timeout=timedelta(seconds=10),
            heartbeat_timeout=timedelta(seconds=2),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=10), maximum_attempts=3),
        )


@asynccontextmanager
async def worker(client: Client, registry: CollectorRegistry) -> AsyncIterator[None]:
    with ThreadPoolExecutor(3) as threads:
        async with Worker(
            client,
            task_queue=QUEUE,
            workflows=[OneActivity],
            activities=[fails_twice, takes_longer_than_its_heartbeat_timeout, is_refused],
            activity_executor=threads,
            workflow_runner=UnsandboxedWorkflowRunner(),
            interceptors=[StepInterceptor(client, registry)],
            max_heartbeat_throttle_interval=timedelta(seconds=1),
        ):
            yield


async def run(client: Client, name: str) -> object:
    return await client.execute_workflow(OneActivity.run, name, id=f"one-{uuid4()}", task_queue=QUEUE)


@pytest.mark.parametrize(
    ("queue", "process"), [("accounts", "account-worker"), ("ledger", "ledger-worker"), (QUEUE, None)]
)
def test_an_attempt_knows_the_worker_process_that_makes_it(queue: str, process: str | None) -> None:
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, task_queue=queue)
    worker = f"{process}@{socket.gethostname()}:{os.getpid()}" if process else None
    assert environment.run(lambda: this_attempt().decided(datetime.now(UTC))).worker == worker


async def test_an_attempt_knows_the_error_of_the_one_before(temporal_client: Client) -> None:
    async with worker(temporal_client, CollectorRegistry()):
        assert await run(temporal_client, "fails_twice") == "test_fault: failure 2"


async def test_a_step_that_is_slow_but_alive_keeps_its_first_attempt(temporal_client: Client) -> None:
    async with worker(temporal_client, CollectorRegistry()):
        assert await run(temporal_client, "takes_longer_than_its_heartbeat_timeout") == 1


async def test_a_refusal_is_not_counted_as_an_error(temporal_client: Client) -> None:
    registry = CollectorRegistry()
    async with worker(temporal_client, registry):
        with pytest.raises(WorkflowFailureError):
            await run(temporal_client, "is_refused")
        await run(temporal_client, "fails_twice")

    def attempts(activity_type: str, outcome: str) -> float | None:
        return registry.get_sample_value("activity_attempts_total", {"activity": activity_type, "outcome": outcome})

    assert attempts("is_refused", "refused") == 1
    assert attempts("is_refused", "failed") is None
    assert (attempts("fails_twice", "failed"), attempts("fails_twice", "applied")) == (2, 1)
