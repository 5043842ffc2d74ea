"""The three programs as they are started: migration, account-api, account-worker on a real Temporal server."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from account_worker.main import MIGRATIONS
from account_worker.models import metadata
from free_port import free_port
from service_runtime.database import create_database_engine, migrate
from sqlalchemy import inspect, text
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from transfer_contract.activities import AccountActivities
from transfer_contract.names import TaskQueue
from transfer_contract.steps import StepRow
from transfer_contract.transfers import TransferRequest

NewTransfer = Callable[..., TransferRequest]
START_SECONDS = 60


def start(program: str, **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([Path(sys.executable).parent / program], env={**os.environ, **environment})


@contextmanager
def ready(program: str, **environment: str) -> Iterator[str]:
    """The program's URL once it is ready; afterwards a SIGTERM, which must end it cleanly."""
    port = free_port()
    process = start(program, PORT=str(port), **environment)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(url)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=START_SECONDS) in (0, -signal.SIGTERM)  # uvicorn ends by the signal itself


def _wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/readyz").is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    pytest.fail("not ready in time")


def test_migrations_at_once_and_again_make_the_schema_once(new_database: Callable[[], str]) -> None:
    url = new_database()
    at_once = [start("account-migrate", DATABASE_URL=url) for _ in range(2)]
    assert [process.wait(timeout=START_SECONDS) for process in at_once] == [0, 0]
    migrate(url, MIGRATIONS)
    engine = create_database_engine(url, pool_size=1)
    with engine.connect() as connection:
        assert connection.scalars(text("SELECT version_num FROM alembic_version")).all() == ["0003"]
    engine.dispose()


def test_a_migration_of_a_database_in_use_keeps_its_data(new_database: Callable[[], str]) -> None:
    url = new_database()
    migrate(url, MIGRATIONS)
    engine = create_database_engine(url, pool_size=1)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO accounts VALUES ('alice', 'customer', 'Ann', 'EUR', 0, 0, 0)"))
    migrate(url, MIGRATIONS)
    with engine.connect() as connection:
        assert connection.scalars(text("SELECT id FROM accounts")).all() == ["alice"]
    engine.dispose()


def test_the_tables_of_the_code_are_those_of_the_migration(new_database: Callable[[], str]) -> None:
    url = new_database()
    migrate(url, MIGRATIONS)
    engine = create_database_engine(url, pool_size=1)
    there = inspect(engine)
    for table in metadata.sorted_tables:
        columns = {column["name"]: column for column in there.get_columns(table.name)}
        assert list(columns) == [column.name for column in table.columns]
        for column in table.columns:
            found = columns[column.name]
            dialect = engine.dialect
            assert found["type"].compile(dialect) == column.type.compile(dialect), column
            assert found["nullable"] == column.nullable, column
            assert (found["default"] is None) == (column.server_default is None), column
        assert there.get_pk_constraint(table.name)["constrained_columns"] == [c.name for c in table.primary_key]
    engine.dispose()


def test_account_api_starts_answers_and_stops(new_database: Callable[[], str]) -> None:
    url = new_database()
    migrate(url, MIGRATIONS)
    with ready("account-api", DATABASE_URL=url, LOG_FORMAT="json") as api:
        assert httpx.get(f"{api}/accounts").json() == {"items": [], "next_cursor": None}
        assert httpx.get(f"{api}/healthz").is_success


@workflow.defn(name="OneWithdraw")
class OneWithdraw:
    @workflow.run
    async def run(self, request: TransferRequest) -> StepRow:
        return await workflow.execute_activity_method(
            AccountActivities.withdraw,
            request,
            task_queue=TaskQueue.ACCOUNTS,
            start_to_close_timeout=timedelta(seconds=30),
            retry_policy=RetryPolicy(maximum_attempts=3),
        )


def _metrics(url: str) -> str:
    return httpx.get(f"{url}/metrics").text


async def test_account_worker_refuses_an_unknown_source_through_temporal(
    new_database: Callable[[], str], temporal_client: Client, new_transfer: NewTransfer
) -> None:
    url = new_database()
    migrate(url, MIGRATIONS)
    address = temporal_client.service_client.config.target_host
    queue = f"test-{uuid4()}"
    workflows = Worker(
        temporal_client, task_queue=queue, workflows=[OneWithdraw], workflow_runner=UnsandboxedWorkflowRunner()
    )
    with ready("account-worker", DATABASE_URL=url, TEMPORAL_ADDRESS=address) as worker:
        async with workflows:
            with pytest.raises(WorkflowFailureError) as failed:
                await temporal_client.execute_workflow(
                    "OneWithdraw", new_transfer("nobody", "nobody-else"), id=queue, task_queue=queue
                )
        metrics = await asyncio.to_thread(_metrics, worker)
    assert isinstance(failed.value.cause, ActivityError)
    refusal = failed.value.cause.cause
    assert isinstance(refusal, ApplicationError)
    assert (refusal.type, refusal.non_retryable) == ("unknown_account", True)
    assert StepRow.model_validate(refusal.details[0]).decision == "rejected"
    assert 'activity_attempts_total{activity="withdraw",outcome="refused"} 1.0' in metrics
