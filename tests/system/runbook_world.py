"""A running stack for the runbook's commands, and what its tests break there."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import psycopg
from runbook_commands import Runbook
from saga.defective import Defective
from system.public_api import Json, PublicApi
from system.running_system import RunningSystem, running_system
from temporalio import workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ActivityError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from transfer_contract.names import TaskQueue
from transfer_contract.transfers import TransferRequest

QUICK: Final = {"COMPENSATING_LONG_SECONDS": "8", "BOOKS_COMPARED_EVERY_SECONDS": "1"}
"""So that nobody has to wait for minutes; the situations are the same."""

SOON_SECONDS: Final = 120


@dataclass
class World:
    system: RunningSystem
    temporal: Client
    runbook: Runbook

    @property
    def api(self) -> PublicApi:
        return self.system.api

    async def run(self, section: str, *blocks: int) -> str:
        return await asyncio.to_thread(self.runbook.run, section, *blocks)

    async def until_kinds(self, *kinds: str, gone: bool = False) -> Json:
        """What needs attention, as soon as all of these kinds do; or none of them any more."""
        deadline = time.monotonic() + SOON_SECONDS
        while True:
            response = await self.api.http.get("/attention")
            told: Json = response.json()
            if response.status_code == 200 and all((kind in told["counts"]) is not gone for kind in kinds):
                return told
            assert time.monotonic() < deadline, told
            await asyncio.sleep(0.5)

    async def until_unknown(self) -> None:
        """What needs attention."""
        async with asyncio.timeout(SOON_SECONDS):
            while (await self.api.http.get("/attention")).status_code != 503:  # noqa: ASYNC110
                await asyncio.sleep(0.5)


@asynccontextmanager
async def running_world(folder: Path) -> AsyncIterator[World]:
    """With money for alice and bob."""
    async with running_system(folder / "local", **QUICK) as system:
        for account_id, balance in (("alice", "1000.00"), ("bob", "500.00")):
            await system.api.open_account(balance, account_id=account_id)
        temporal = await Client.connect(system.temporal_address, data_converter=pydantic_data_converter)
        port = system.api.url.rsplit(":", 1)[1]
        environment = {"LOCAL_DIR": str(system.local_dir), "GATEWAY_PORT": port}
        yield World(system, temporal, Runbook(int(port), environment))


async def execute(url: str, statement: str) -> None:
    connection = await psycopg.AsyncConnection.connect(url, autocommit=True)
    async with connection:
        await connection.execute(statement.encode())


@workflow.defn
class ReleaseWithoutADeposit:
    """What no workflow of the product does."""

    @workflow.run
    async def run(self, request: TransferRequest) -> bool:
        try:
            await workflow.execute_activity(
                "release",
                request,
                task_queue=TaskQueue.ACCOUNTS,
                start_to_close_timeout=timedelta(seconds=20),
                retry_policy=RetryPolicy(maximum_attempts=1),
            )
        except ActivityError:
            return True
        return False


@asynccontextmanager
async def defective_worker(world: World) -> AsyncIterator[None]:
    """Instead of the product's: a deployment that went wrong."""
    await world.system.kill("workflow-worker")
    runner = UnsandboxedWorkflowRunner()
    async with Worker(world.temporal, task_queue=TaskQueue.TRANSFERS, workflows=[Defective], workflow_runner=runner):
        yield
