"""GET /transfers/{id}?wait=… on a real Temporal server."""

import asyncio
import time
from datetime import UTC, datetime

import httpx
import pytest
from checker_databases import Databases
from checker_rows import applied, completed_rows
from checker_saga import Activities, start
from checker_views import look, until
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from transfer_contract.steps import Compensation, FailureCode, Step
from transfer_contract.transfers import TransferRequest

pytestmark = pytest.mark.usefixtures("saga_workers")


async def test_until_final_answers_as_soon_as_the_rows_are_final_with_one_read_of_them_and_none_of_temporal(
    checker: httpx.AsyncClient, databases: Databases, client: Client, activities: Activities, transfer: TransferRequest
) -> None:
    held = activities.hold(transfer, Step.RECORD)
    handle = await start(client, transfer)
    await until(checker, transfer, lambda view: view.steps[2].worker)
    asked = await requests_to_temporal(checker)
    databases.accounts.called.clear()
    databases.ledger.called.clear()
    waiting_for_it = asyncio.create_task(look(checker, transfer, wait=10, until="final"))
    await asyncio.sleep(0.3)
    held.set()
    view = await waiting_for_it
    assert view.status == "completed"
    assert view.finished_at is not None
    assert (datetime.now(UTC) - view.finished_at).total_seconds() < 3
    assert await requests_to_temporal(checker) == asked
    path = f"/transfers/{transfer.transfer_id}"
    assert (databases.accounts.called[path], databases.ledger.called[path]) == (0, 1)
    await handle.result()


async def requests_to_temporal(checker: httpx.AsyncClient) -> list[str]:
    return [line for line in (await checker.get("/metrics")).text.splitlines() if line.startswith("temporal_requests_")]


async def test_until_final_answers_with_what_there_is_when_the_time_is_up(
    checker: httpx.AsyncClient, client: Client, activities: Activities, transfer: TransferRequest
) -> None:
    held = activities.hold(transfer, Step.DEPOSIT)
    handle = await start(client, transfer)
    began = time.monotonic()
    view = await look(checker, transfer, wait=1, until="final")
    assert (view.status, 1 <= time.monotonic() - began < 4) == ("running", True)
    held.set()
    await handle.result()


async def test_until_final_works_without_a_run(
    checker: httpx.AsyncClient, databases: Databases, transfer: TransferRequest
) -> None:
    databases.put(transfer, applied(Step.WITHDRAW, 0))
    waiting_for_it = asyncio.create_task(look(checker, transfer, wait=10, until="final"))
    await asyncio.sleep(0.3)
    databases.put(transfer, *completed_rows())
    async with asyncio.timeout(5):
        assert (await waiting_for_it).status == "completed"


@pytest.mark.parametrize("until_", ["final", "change"])
async def test_a_final_transfer_is_answered_at_once(
    checker: httpx.AsyncClient, databases: Databases, transfer: TransferRequest, until_: str
) -> None:
    databases.put(transfer, *completed_rows())
    version = (await look(checker, transfer)).version
    async with asyncio.timeout(5):
        assert (await look(checker, transfer, wait=20, until=until_, known=version)).version == version


@pytest.mark.parametrize("until_", ["final", "change"])
async def test_an_unknown_transfer_is_not_waited_for(checker: httpx.AsyncClient, until_: str) -> None:
    async with asyncio.timeout(5):
        assert (await checker.get(f"/transfers/nobody?wait=20&until={until_}")).status_code == 404


async def test_another_version_than_the_known_one_is_answered_at_once(
    checker: httpx.AsyncClient, databases: Databases, transfer: TransferRequest
) -> None:
    databases.put(transfer, applied(Step.WITHDRAW, 0))
    async with asyncio.timeout(5):
        assert (await look(checker, transfer, wait=20, known="an-older-one")).status == "running"


async def test_a_new_event_is_answered_soon(
    checker: httpx.AsyncClient, client: Client, activities: Activities, transfer: TransferRequest
) -> None:
    held = activities.hold(transfer, Step.DEPOSIT)
    activities.hold(transfer, Step.RECORD)
    handle = await start(client, transfer)
    known = await until(checker, transfer, lambda view: view.steps[1].worker)
    waiting_for_it = asyncio.create_task(look(checker, transfer, wait=10, known=known.version))
    await asyncio.sleep(0.3)
    assert not waiting_for_it.done()
    held.set()
    async with asyncio.timeout(2):
        view = await waiting_for_it
    assert view.steps[1].status == "done"
    await handle.terminate()


async def test_an_attempt_changes_the_transfer_within_about_a_second_although_it_is_no_event(
    checker: httpx.AsyncClient, client: Client, activities: Activities, transfer: TransferRequest
) -> None:
    let_go = asyncio.Event()

    async def fail_when_let_go() -> None:
        await let_go.wait()
        raise ApplicationError("not today", type="demo_fault")

    activities.refusals[transfer.transfer_id, Step.RECORD] = FailureCode.LEDGER_REJECTED
    activities.before[transfer.transfer_id, Compensation.DEPOSIT] = fail_when_let_go
    handle = await start(client, transfer)
    known = await until(checker, transfer, lambda view: len(view.steps) == 5 and view.steps[4].worker)
    waiting_for_it = asyncio.create_task(look(checker, transfer, wait=10, known=known.version))
    await asyncio.sleep(0.2)
    let_go.set()
    async with asyncio.timeout(4):
        assert (await waiting_for_it).steps[4].status == "retrying"
    await handle.terminate()


async def test_without_a_known_version_it_waits_for_a_change_of_what_it_saw_first(
    checker: httpx.AsyncClient, client: Client, activities: Activities, transfer: TransferRequest
) -> None:
    held = activities.hold(transfer, Step.DEPOSIT)
    handle = await start(client, transfer)
    seen = await until(checker, transfer, lambda view: view.steps[1].worker)
    began = time.monotonic()
    assert await look(checker, transfer, wait=1) == seen
    assert time.monotonic() - began >= 1
    held.set()
    await handle.result()
