"""What is said of a batch after healing: each transfer in its place, by API, rows and Temporal."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from chaos.final_batches import BatchPromises, Compared, FinalBatches, by_batch
from chaos.findings import Findings
from chaos.operations import Kind, Operation
from chaos.promises import Promise
from chaos.schedule import FaultKind
from chaos.strikes import Strikes
from fastapi import FastAPI
from live_server import live_server
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from transfer_contract.batches import transfer_id_in
from transfer_contract.names import TRANSFER_BATCH, batch_workflow_id

TRANSFERS = 130
"""More than a page."""
BODY = {"source_account": "alice", "destination_account": "bob", "currency": "EUR", "amount": "1.00"}


@workflow.defn(name=TRANSFER_BATCH)
class BatchThatEnds:
    @workflow.run
    async def run(self, waits: bool) -> dict[str, Any]:
        await workflow.wait_condition(lambda: not waits)
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
            findings.promises.acknowledged(Operation(0, 0, Kind.VALID, each, BODY | {"reference": each}), each, 0.0)
            told.append(BODY | {"reference": each, "id": each, "status": "completed"})
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


async def test_a_transfer_that_its_batch_tells_otherwise_is_said(world: World, findings: Findings) -> None:
    world.told[70]["amount"] = "2.00"
    await world.checks.compare_with_api(world.batch)
    assert [found.check for found in findings.violations.all] == ["a transfer is told as it was asked for"]


@pytest.fixture
async def queue(temporal_client: Client) -> AsyncIterator[str]:
    name, runner = f"chaos-{uuid4()}", UnsandboxedWorkflowRunner()
    async with Worker(temporal_client, task_queue=name, workflows=[BatchThatEnds], workflow_runner=runner):
        yield name


@pytest.mark.parametrize(
    ("kind", "is_there"), [(FaultKind.WORKFLOW_TERMINATED, True), (FaultKind.WORKFLOW_DELETED, False)]
)
async def test_only_a_batch_that_was_struck_may_have_no_result(
    world: World, temporal_client: Client, queue: str, findings: Findings, kind: FaultKind, is_there: bool
) -> None:
    """Terminated by nobody that a fault knows of, or gone."""
    workflow_id, strikes = batch_workflow_id(world.batch_id), Strikes()
    if is_there:
        run = await temporal_client.start_workflow(BatchThatEnds.run, True, id=workflow_id, task_queue=queue)
        await run.terminate("by the test")
    strikes.trying(kind, workflow_id)
    await world.checks.compare_with_temporal(world.batch, strikes)
    assert findings.violations.all == []
    await world.checks.compare_with_temporal(world.batch, Strikes())
    assert [found.check for found in findings.violations.all] == ["who wasn't struck ends with a result"]
    assert world.compared.batches == 0


async def test_a_batch_whose_workflow_has_closed_is_counted(
    world: World, temporal_client: Client, queue: str, findings: Findings
) -> None:
    workflow_id = batch_workflow_id(world.batch_id)
    await temporal_client.execute_workflow(BatchThatEnds.run, False, id=workflow_id, task_queue=queue)
    await world.checks.compare_with_temporal(world.batch, Strikes())
    assert (world.compared.batches, findings.violations.all) == (1, [])


def test_a_strike_at_a_batch_may_have_ended_each_of_its_transfers() -> None:
    batch_id, strikes = str(uuid4()), Strikes()
    strikes.trying(FaultKind.WORKFLOW_DELETED, batch_workflow_id(batch_id))
    assert strikes.may_have_ended(transfer_id_in(batch_id, 7))
    assert not strikes.may_have_ended(transfer_id_in(str(uuid4()), 7))
    assert strikes.deleted == {batch_id}


def test_transfers_of_batches_are_kept_apart_from_single_ones() -> None:
    batch_id = str(uuid4())
    ids = [transfer_id_in(batch_id, 2), str(uuid4()), transfer_id_in(batch_id, 1)]
    promises = [Promise(each, each, Kind.VALID, {}, 0.0) for each in ids]
    batches, single = by_batch(promises)
    assert batches == [BatchPromises(batch_id, (promises[2], promises[0]))]
    assert single == [promises[1]]
