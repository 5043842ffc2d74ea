"""What is said of a batch after healing: each transfer in its place, by API, rows and Temporal."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from chaos.final_batches import BatchPromises, Compared, FinalBatches, by_batch
from chaos.findings import Findings
from chaos.operations import Kind
from chaos.promises import Promise
from fastapi import FastAPI
from live_server import live_server
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from transfer_contract.batches import transfer_id_in
from transfer_contract.names import TRANSFER_BATCH, batch_workflow_id

TRANSFERS = 130
"""More than a page."""


@workflow.defn(name=TRANSFER_BATCH)
class BatchThatEnds:
    @workflow.run
    async def run(self) -> dict[str, Any]:
        return {"batch_id": "", "total": 1, "reference": None, "created_at": "2026-01-01T00:00:00Z"}


class World:
    """An API that tells `told` of one batch."""

    def __init__(self, findings: Findings, client: Client, http: httpx.AsyncClient, told: list[dict[str, Any]]) -> None:
        self.told = told
        self.compared = Compared()
        self.said: list[tuple[str, str]] = []
        self.batch_id = str(uuid4())
        ids = [transfer_id_in(self.batch_id, position) for position in range(1, TRANSFERS + 1)]
        for each in ids:
            findings.promises.acknowledged(each, Kind.VALID, each, 0.0)
            told.append({"id": each, "status": "completed"})
        [self.batch], _ = by_batch(findings.promises.all)
        self.checks = FinalBatches(http, client, findings, compared=self.compared, compare=self._compare)

    def _compare(self, promise: Promise, source: str, status: str) -> None:
        self.said.append((promise.transfer_id, status))


@pytest.fixture
async def world(findings: Findings, temporal_client: Client) -> AsyncIterator[World]:
    app = FastAPI()
    told: list[dict[str, Any]] = []

    @app.get("/transfer-batches/{batch_id}/transfers")
    async def page(limit: int, cursor: int = 0) -> Any:
        more = len(told) > cursor + limit
        return {"items": told[cursor : cursor + limit], "next_cursor": str(cursor + limit) if more else None}

    app.state.stopping = asyncio.Event()
    async with live_server(app) as server, httpx.AsyncClient(base_url=server.url, trust_env=False) as http:
        yield World(findings, temporal_client, http, told)


async def test_every_transfer_of_a_batch_is_compared_in_its_place(world: World, findings: Findings) -> None:
    await world.checks.compare_with_api(world.batch)
    assert findings.violations.all == []
    assert world.said == [(promise.transfer_id, "completed") for promise in world.batch.promises]
    assert world.compared.with_api == TRANSFERS


async def test_a_transfer_that_its_batch_does_not_tell_is_said(world: World, findings: Findings) -> None:
    del world.told[70]
    await world.checks.compare_with_api(world.batch)
    assert [found.check for found in findings.violations.all] == ["the API answers every acknowledged transfer"]


async def test_a_batch_that_temporal_has_forgotten_was_ended_by_operators(world: World) -> None:
    await world.checks.compare_with_temporal(world.batch)
    assert world.compared.ended_by_operators == {promise.transfer_id for promise in world.batch.promises}


async def test_a_batch_whose_workflow_has_closed_is_counted(world: World, temporal_client: Client) -> None:
    queue, runner = f"chaos-{uuid4()}", UnsandboxedWorkflowRunner()
    async with Worker(temporal_client, task_queue=queue, workflows=[BatchThatEnds], workflow_runner=runner):
        await temporal_client.execute_workflow(
            BatchThatEnds.run, id=batch_workflow_id(world.batch_id), task_queue=queue
        )
        await world.checks.compare_with_temporal(world.batch)
    assert (world.compared.batches, world.compared.ended_by_operators) == (1, set())


def test_transfers_of_batches_are_kept_apart_from_single_ones() -> None:
    batch_id = str(uuid4())
    ids = [transfer_id_in(batch_id, 2), str(uuid4()), transfer_id_in(batch_id, 1)]
    promises = [Promise(each, each, Kind.VALID, 0.0) for each in ids]
    batches, single = by_batch(promises)
    assert batches == [BatchPromises(batch_id, (promises[2], promises[0]))]
    assert single == [promises[1]]
