"""A client that leaves costs nothing more; a watcher sees each change once, up to the end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest
from checker_databases import Databases
from checker_following import SOON_SECONDS, watches_on
from checker_rows import applied, completed_rows
from checker_saga import Activities, start, workers
from checker_views import look
from service_runtime.problems import Problem
from status_checker.live_workers import LiveWorkers
from status_checker.watches import Watches
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client
from transfer_contract.steps import Step
from transfer_contract.transfers import TransferRequest, TransferView


@pytest.mark.parametrize("until", ["change", "final"])
async def test_a_wait_ends_when_its_client_has_gone(
    checker: httpx.AsyncClient, databases: Databases, transfer: TransferRequest, until: str
) -> None:
    databases.put(transfer, applied(Step.WITHDRAW, 0))
    path = f"/transfers/{transfer.transfer_id}"
    known = (await look(checker, transfer)).version
    with contextlib.suppress(httpx.ReadTimeout):
        await checker.get(path, params={"wait": 20, "until": until, "known": known}, timeout=0.5)
    await asyncio.sleep(0.2)
    asked = databases.accounts.called[path]
    await asyncio.sleep(1.3)
    assert databases.accounts.called[path] == asked


@pytest.fixture
async def watches(apis: tuple[str, str], client: Client, live_workers: LiveWorkers) -> AsyncIterator[Watches]:
    async with watches_on(client, apis, live_workers) as watches:
        yield watches


async def test_a_watcher_sees_each_change_once_and_ends_with_the_final_one(
    watches: Watches, client: Client, activities: Activities, transfer: TransferRequest
) -> None:
    held = activities.hold(transfer, Step.DEPOSIT)
    seen: list[TransferView] = []
    async with workers(client, activities):
        await start(client, transfer)
        async for view in watches.views(transfer.transfer_id):
            seen.append(view)
            if view.steps[1].status == "running":
                held.set()
    versions = [view.version for view in seen]
    assert len(versions) == len(set(versions)) >= 2
    assert (seen[-1].status, [view.status.is_final for view in seen[:-1]]) == ("completed", [False] * (len(seen) - 1))


async def test_a_watcher_who_knows_the_final_version_sees_nothing_more(
    watches: Watches, checker: httpx.AsyncClient, databases: Databases, transfer: TransferRequest
) -> None:
    databases.put(transfer, *completed_rows())
    known = (await look(checker, transfer)).version
    assert [view async for view in watches.views(transfer.transfer_id, known=known)] == []


async def test_a_watcher_hears_of_a_problem(watches: Watches) -> None:
    with pytest.raises(Problem, match="There is no transfer"):
        [view async for view in watches.views("nobody-knows-it")]


async def test_watchers_hear_that_a_transfer_is_not_there_any_more(
    watches: Watches, client: Client, transfer: TransferRequest
) -> None:
    """One that was started, wrote nothing, and was lost by Temporal."""
    run = await start(client, transfer)
    views = watches.views(transfer.transfer_id)
    while (await anext(views)).status != "accepted":
        pass
    await client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(
            namespace=client.namespace, workflow_execution=WorkflowExecution(workflow_id=run.id)
        )
    )
    with pytest.raises(Problem, match="There is no transfer"):
        async with asyncio.timeout(SOON_SECONDS):
            [view async for view in views]
