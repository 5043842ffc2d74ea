"""The internal API on a real Temporal server, beside account-api and ledger-api fakes that answer over real HTTP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from free_port import free_port
from lost_histories import without_histories
from prometheus_client import CollectorRegistry
from saga.fake_participants import Fault
from saga.harness import Harness, new_request, until
from service_runtime.app import create_app
from service_runtime.internal_client import InternalClient
from service_runtime.problems import Problem
from service_runtime.request_id import HEADER
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError
from transfer_contract.http import ProblemCode, TransferRows
from transfer_contract.names import FINISH_TRANSFER, Process, TaskQueue, finisher_id, workflow_id
from transfer_contract.steps import (
    Compensation,
    Decision,
    Failure,
    FailureCode,
    Occurrence,
    Step,
    StepRow,
    final_status,
)
from transfer_contract.transfers import AbortRequest, Scenario, TransferMemo, TransferOrder, TransferRequest
from workflow_handler.api import transfers_router
from workflow_handler.rows import Rows
from workflow_handler.transfers import Transfers


@dataclass
class FakeRows:
    """account-api and ledger-api in one: rows that a test puts there."""

    harness: Harness
    known: dict[str, TransferRequest] = field(default_factory=dict)
    lifted: list[str] = field(default_factory=list)

    def app(self) -> FastAPI:
        app = create_app(Process.ACCOUNT_API, {}, registry=CollectorRegistry())

        @app.get("/transfers/{transfer_id}")
        def rows(transfer_id: str) -> TransferRows:
            found = self.harness.books.of(transfer_id)
            if not found:
                raise Problem(ProblemCode.NOT_FOUND, "none")
            return TransferRows(transfer=self.known[transfer_id], rows=found, final_status=final_status(found))

        @app.post("/transfers/{transfer_id}/lift-fault", status_code=204)
        def lift(transfer_id: str) -> None:
            self.lifted.append(transfer_id)
            self.harness.faults.plan(Compensation.WITHDRAW, Fault.FAILS, attempts=0)

        return app

    def put(self, order: TransferOrder, step: Step, decision: Decision) -> None:
        now = datetime.now(UTC)
        self.known[order.transfer_id] = TransferRequest(**order.model_dump(), created_at=now)
        self.harness.books.rows[order.transfer_id, step] = StepRow(
            transfer_id=order.transfer_id,
            step=step,
            decision=decision,
            forward=Occurrence(attempt=1, scheduled_at=now, decided_at=now),
        )


@dataclass
class World:
    api: httpx.AsyncClient
    rows: FakeRows
    temporal: Client

    async def status(self, order: TransferOrder) -> WorkflowExecutionStatus | None:
        return (await self.temporal.get_workflow_handle(workflow_id(order.transfer_id)).describe()).status


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None))
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await serving


@asynccontextmanager
async def handler_api(client: Client, account_api_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with InternalClient(Process.ACCOUNT_API, account_api_url, timeout_seconds=1) as participant:
        app = create_app(Process.WORKFLOW_HANDLER, {}, registry=CollectorRegistry())
        app.include_router(transfers_router(Transfers(client, Rows(participant, participant))))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://handler") as api:
            yield api


@pytest.fixture
async def world(temporal_client: Client) -> AsyncIterator[World]:
    rows = FakeRows(Harness(temporal_client))
    async with served(rows.app()) as url, handler_api(temporal_client, url) as api:
        yield World(api, rows, temporal_client)
    async for left in temporal_client.list_workflows("ExecutionStatus='Running'"):
        await temporal_client.get_workflow_handle(left.id).terminate()


def new_order(transfer_id: str | None = None, *, amount_minor: int = 250) -> TransferOrder:
    return TransferOrder(
        transfer_id=transfer_id or str(uuid4()),
        source_account="alice",
        destination_account="bob",
        amount_minor=amount_minor,
        currency="EUR",
    )


async def post(world: World, order: TransferOrder) -> httpx.Response:
    return await world.api.post("/transfers", json=order.model_dump(mode="json"), headers={HEADER: "request-1"})


async def post_until_answered(world: World, order: TransferOrder) -> httpx.Response:
    """As a client does it: 503 on a busy machine means to repeat."""
    while (answer := await post(world, order)).status_code == 503:
        pass
    return answer


async def test_a_start_answers_at_once_and_leaves_request_and_request_id_in_the_memo(world: World) -> None:
    order = new_order()
    answer = await post(world, order)
    assert (answer.json()["transfer_id"], answer.json()["replayed"]) == (order.transfer_id, False)
    run = await world.temporal.get_workflow_handle(workflow_id(order.transfer_id)).describe()
    memo = await run.memo_value(TransferMemo.KEY, type_hint=TransferMemo)
    assert memo.fingerprint == order.fingerprint == memo.transfer.fingerprint
    assert memo.request_id == "request-1"


async def test_the_same_order_again_is_replayed_and_another_one_refused_before_any_row_exists(world: World) -> None:
    order = new_order()
    await post(world, order)
    assert (await post(world, order)).json()["replayed"] is True
    refused = await post(world, new_order(order.transfer_id, amount_minor=1))
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")


async def test_fifty_starts_of_one_order_at_once_start_one_run(world: World) -> None:
    order = new_order()
    answers = await asyncio.gather(*(post_until_answered(world, order) for _ in range(50)))
    assert sorted(answer.json()["replayed"] for answer in answers)[-49:] == [True] * 49


async def test_final_rows_are_the_answer_and_no_run_starts(world: World) -> None:
    order = new_order()
    world.rows.put(order, Step.RELEASE, Decision.APPLIED)
    assert (await post(world, order)).json()["replayed"] is True
    listed = [w async for w in world.temporal.list_workflows(f"WorkflowId='{workflow_id(order.transfer_id)}'")]
    assert listed == []


async def test_rows_that_are_not_final_without_a_run_get_a_new_one_and_another_order_is_refused(world: World) -> None:
    order = new_order()
    world.rows.put(order, Step.WITHDRAW, Decision.APPLIED)
    refused = await post(world, new_order(order.transfer_id, amount_minor=1))
    assert refused.json()["code"] == "idempotency_key_reused"
    assert (await post(world, order)).json()["replayed"] is True
    assert await world.status(order) is WorkflowExecutionStatus.RUNNING


async def test_a_run_terminated_before_its_first_row_is_followed_by_another_and_keeps_its_order(world: World) -> None:
    order = new_order()
    await post(world, order)
    await world.temporal.get_workflow_handle(workflow_id(order.transfer_id)).terminate()
    refused = await post(world, new_order(order.transfer_id, amount_minor=1))
    assert refused.json()["code"] == "idempotency_key_reused"
    assert (await post(world, order)).json()["replayed"] is True
    assert await world.status(order) is WorkflowExecutionStatus.RUNNING


async def test_unreadable_rows_answer_503_unless_a_closed_run_has_the_result(temporal_client: Client) -> None:
    harness = Harness(temporal_client)
    rows = FakeRows(harness)
    order = new_order()
    async with served(rows.app()) as url, handler_api(temporal_client, url) as api, harness.workers():
        world = World(api, rows, temporal_client)
        await post(world, order)
        await temporal_client.get_workflow_handle(workflow_id(order.transfer_id)).result()
    async with handler_api(temporal_client, f"http://127.0.0.1:{free_port()}") as api:
        world = World(api, rows, temporal_client)
        assert (await post(world, order)).json()["replayed"] is True
        reused = await post(world, new_order(order.transfer_id, amount_minor=1))
        assert reused.json()["code"] == "idempotency_key_reused"
        unknown = await post(world, new_order())
        assert (unknown.status_code, unknown.headers["Retry-After"]) == (503, "1")
    async with handler_api(without_histories(temporal_client), f"http://127.0.0.1:{free_port()}") as api:
        resultless = await post(World(api, rows, temporal_client), order)
        assert (resultless.status_code, resultless.json()["code"]) == (503, "unavailable")


async def test_temporal_away_answers_503_within_three_seconds() -> None:
    client = await Client.connect(f"127.0.0.1:{free_port()}", lazy=True, data_converter=pydantic_data_converter)
    rows = FakeRows(Harness(client))
    async with served(rows.app()) as url, handler_api(client, url) as api, asyncio.timeout(3):
        answer = await post(World(api, rows, client), new_order())
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


async def test_cancel_is_passed_on_to_the_run(world: World) -> None:
    order = new_order()
    await post(world, order)
    async with world.rows.harness.workers():
        world.rows.harness.faults.plan(Step.WITHDRAW, Fault.WAITS)
        await until(lambda: Step.WITHDRAW in world.rows.harness.faults.calls)
        assert (await world.api.post(f"/transfers/{order.transfer_id}/cancel")).status_code == 202
        await until(lambda: Compensation.WITHDRAW in world.rows.harness.faults.calls)


async def test_cancel_of_an_unknown_transfer_is_not_found(world: World) -> None:
    answer = await world.api.post(f"/transfers/{uuid4()}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("step", "decision"),
    [(Step.RELEASE, Decision.APPLIED), (Step.WITHDRAW, Decision.COMPENSATED), (Step.RECORD, Decision.APPLIED)],
)
async def test_cancel_is_refused_when_final_or_known_to_be_past_the_commit_point(
    world: World, step: Step, decision: Decision
) -> None:
    order = new_order()
    await post(world, order)
    world.rows.put(order, step, decision)
    answer = await world.api.post(f"/transfers/{order.transfer_id}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_cancellable")


async def test_cancel_of_a_transfer_whose_run_was_terminated_starts_one_that_aborts(world: World) -> None:
    order = new_order()
    await post(world, order)
    await world.temporal.get_workflow_handle(workflow_id(order.transfer_id)).terminate()
    assert (await world.api.post(f"/transfers/{order.transfer_id}/cancel")).status_code == 202
    async with world.rows.harness.workers():
        await until(lambda: Compensation.WITHDRAW in world.rows.harness.faults.calls)


async def test_retry_lifts_the_fault_and_runs_a_parked_compensation_at_once(world: World) -> None:
    harness = world.rows.harness
    harness.faults.plan(Step.RECORD, Fault.REFUSED)
    harness.faults.plan(Compensation.WITHDRAW, Fault.FAILS, attempts=1_000)
    async with harness.workers():
        request = new_request().model_copy(update={"scenario": Scenario.COMPENSATION_FAILS})
        transfer = await harness.start(request)
        transfer_id = request.transfer_id
        await until(lambda: harness.faults.calls.count(Compensation.WITHDRAW) > 7)
        assert (await world.api.post(f"/transfers/{transfer_id}/retry")).status_code == 202
        await transfer.result()
    assert world.rows.lifted == [transfer_id]


async def test_retry_of_a_transfer_that_is_parked_in_the_reconcilers_hands_runs_it_at_once(world: World) -> None:
    harness = world.rows.harness
    harness.timings = replace(harness.timings, longest_retry_seconds=60)
    harness.faults.plan(Compensation.WITHDRAW, Fault.FAILS, attempts=10)  # the next one would be 20 s later
    request = new_request()
    async with harness.workers():
        await (await harness.start(request)).terminate()
        finishing = await begin_to_finish(world, request)
        await until(lambda: harness.faults.calls.count(Compensation.WITHDRAW) > 9)
        harness.faults.plan(Compensation.WITHDRAW, Fault.FAILS, attempts=0)
        assert (await world.api.post(f"/transfers/{request.transfer_id}/retry")).status_code == 202
        async with asyncio.timeout(5):
            await finishing.result()


@pytest.mark.parametrize("forgotten", [True, False], ids=["its own forgotten", "its own terminated"])
async def test_a_transfer_in_the_reconcilers_hands_gets_no_run_beside_it(world: World, forgotten: bool) -> None:
    order = new_order()
    request = TransferRequest(**order.model_dump(), created_at=datetime.now(UTC))
    world.rows.put(order, Step.WITHDRAW, Decision.APPLIED)
    if not forgotten:
        await (await world.rows.harness.start(request)).terminate()
    await begin_to_finish(world, request)
    assert (await post(world, order)).json()["replayed"] is True
    assert (await world.api.post(f"/transfers/{order.transfer_id}/cancel")).status_code == 202
    if forgotten:
        with pytest.raises(RPCError, match="not found"):
            await world.status(order)
    else:
        assert await world.status(order) is WorkflowExecutionStatus.TERMINATED


async def begin_to_finish(world: World, request: TransferRequest) -> WorkflowHandle[Any, Any]:
    """As the reconciler does."""
    interrupted = Failure(code=FailureCode.INTERRUPTED, detail="the transfer's workflow was found terminated")
    return await world.temporal.start_workflow(
        FINISH_TRANSFER,
        args=[AbortRequest(transfer=request, failure=interrupted), world.rows.harness.timings],
        id=finisher_id(request.transfer_id),
        task_queue=TaskQueue.TRANSFERS,
        memo={TransferMemo.KEY: TransferMemo(transfer=request, fingerprint=request.fingerprint)},
    )


async def test_retry_of_a_transfer_whose_release_is_parked_runs_it_at_once(world: World) -> None:
    harness = world.rows.harness
    harness.timings = replace(harness.timings, longest_retry_seconds=60)
    harness.faults.plan(Step.RELEASE, Fault.FAILS, attempts=10)  # the next one would be 20 s later
    request = new_request()
    async with harness.workers():
        transfer = await harness.start(request)
        await until(lambda: harness.faults.calls.count(Step.RELEASE) > 9)
        harness.faults.plan(Step.RELEASE, Fault.FAILS, attempts=0)
        assert (await world.api.post(f"/transfers/{request.transfer_id}/retry")).status_code == 202
        async with asyncio.timeout(5):
            await transfer.result()


async def test_retry_of_a_transfer_that_is_not_parked_is_refused(world: World) -> None:
    order = new_order()
    await post(world, order)
    answer = await world.api.post(f"/transfers/{order.transfer_id}/retry")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_parked")
    unknown = await world.api.post(f"/transfers/{uuid4()}/retry")
    assert unknown.status_code == 404
