"""GET /transfers/{id}/events on a real Temporal server, with workers."""

import asyncio

import httpx
import pytest
from checker_databases import Databases
from checker_following import following, next_view, rest_of
from checker_rows import applied, completed_rows
from checker_saga import Activities, start
from checker_views import look, until
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from transfer_contract.steps import Compensation, FailureCode, Step
from transfer_contract.transfers import TransferRequest

pytestmark = pytest.mark.usefixtures("saga_workers")


async def test_a_follower_sees_the_transfer_as_it_is_then_each_change_once_up_to_the_final_one(
    checker: httpx.AsyncClient, client: Client, activities: Activities, transfer: TransferRequest
) -> None:
    held = activities.hold(transfer, Step.DEPOSIT)
    await start(client, transfer)
    now = await until(checker, transfer, lambda view: view.steps[1].status == "running" and view.steps[1].worker)
    async with following(checker, transfer) as views:
        assert await next_view(views) == now
        held.set()
        later = await rest_of(views)
    versions = [view.version for view in [now, *later]]
    assert len(versions) == len(set(versions))
    assert [view.status.is_final for view in later] == [False] * (len(later) - 1) + [True]
    assert later[-1] == await look(checker, transfer)


async def test_a_follower_sees_a_failure_be_undone(
    checker: httpx.AsyncClient, client: Client, activities: Activities, transfer: TransferRequest
) -> None:
    activities.refusals[transfer.transfer_id, Step.RECORD] = FailureCode.LEDGER_REJECTED
    held = activities.hold(transfer, Compensation.DEPOSIT)
    await start(client, transfer)
    async with following(checker, transfer) as views:
        assert (await next_view(views, lambda view: len(view.steps) == 5)).status == "compensating"
        held.set()
        assert (await rest_of(views))[-1].status == "compensated"


async def test_a_follower_sees_attempts_although_they_are_no_events(
    checker: httpx.AsyncClient, client: Client, activities: Activities, transfer: TransferRequest
) -> None:
    let_go = asyncio.Event()

    async def fail_when_let_go() -> None:
        await let_go.wait()
        raise ApplicationError("not today", type="demo_fault")

    activities.refusals[transfer.transfer_id, Step.RECORD] = FailureCode.LEDGER_REJECTED
    activities.before[transfer.transfer_id, Compensation.DEPOSIT] = fail_when_let_go
    handle = await start(client, transfer)
    async with following(checker, transfer) as views:
        await next_view(views, lambda view: len(view.steps) == 5 and view.steps[4].worker)
        let_go.set()
        step = (await next_view(views, lambda view: view.steps[4].attempts > 2)).steps[4]
    assert step.error is not None
    assert step.error.code == "demo_fault"
    await handle.terminate()


async def test_a_final_transfer_is_told_once(
    checker: httpx.AsyncClient, databases: Databases, transfer: TransferRequest
) -> None:
    databases.put(transfer, *completed_rows())
    async with following(checker, transfer) as views:
        assert [view.status for view in await rest_of(views)] == ["completed"]


async def test_a_transfer_that_no_run_carries_is_followed_by_its_rows(
    checker: httpx.AsyncClient, databases: Databases, transfer: TransferRequest
) -> None:
    databases.put(transfer, applied(Step.WITHDRAW, 0))
    async with following(checker, transfer) as views:
        assert (await next_view(views)).status == "running"
        databases.put(transfer, *completed_rows())
        assert [view.status for view in await rest_of(views)][-1] == "completed"


async def test_an_unknown_transfer_is_refused_before_the_stream(checker: httpx.AsyncClient) -> None:
    answer = await checker.get("/transfers/nobody/events")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_path_that_is_no_id_is_refused_before_the_stream(checker: httpx.AsyncClient) -> None:
    assert (await checker.get("/transfers/NO-ID/events")).status_code == 422
