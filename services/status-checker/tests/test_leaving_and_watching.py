"""A client that leaves costs nothing more; a watcher sees each change once, up to the end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest
from checker_databases import Databases
from checker_rows import applied, completed_rows
from checker_saga import Activities, start, workers
from checker_views import look
from service_runtime.internal_client import InternalClient
from service_runtime.problems import Problem
from status_checker.live_workers import LiveWorkers
from status_checker.participants import Participants
from status_checker.runs import Runs
from status_checker.status import StatusChecker
from status_checker.waiting import Waiting
from temporalio.client import Client
from transfer_contract.names import Process
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
async def waiting(apis: tuple[str, str], client: Client, live_workers: LiveWorkers) -> AsyncIterator[Waiting]:
    async with (
        InternalClient(Process.ACCOUNT_API, apis[0], timeout_seconds=2) as accounts,
        InternalClient(Process.LEDGER_API, apis[1], timeout_seconds=2) as ledger,
    ):
        runs = Runs(client, timeout_seconds=2)
        yield Waiting(StatusChecker(Participants(accounts, ledger), runs, live_workers), runs)


async def test_a_watcher_sees_each_change_once_and_ends_with_the_final_one(
    waiting: Waiting, client: Client, activities: Activities, transfer: TransferRequest
) -> None:
    held = activities.hold(transfer, Step.DEPOSIT)
    seen: list[TransferView] = []
    async with workers(client, activities):
        await start(client, transfer)
        async for view in waiting.watch(transfer.transfer_id, known=None):
            seen.append(view)
            if view.steps[1].status == "running":
                held.set()
    versions = [view.version for view in seen]
    assert len(versions) == len(set(versions)) >= 2
    assert (seen[-1].status, [view.status.is_final for view in seen[:-1]]) == ("completed", [False] * (len(seen) - 1))


async def test_a_watcher_who_knows_the_final_version_sees_nothing_more(
    waiting: Waiting, checker: httpx.AsyncClient, databases: Databases, transfer: TransferRequest
) -> None:
    databases.put(transfer, *completed_rows())
    known = (await look(checker, transfer)).version
    assert [view async for view in waiting.watch(transfer.transfer_id, known=known)] == []


async def test_a_watcher_hears_of_a_problem(waiting: Waiting) -> None:
    with pytest.raises(Problem, match="There is no transfer"):
        [view async for view in waiting.watch("nobody-knows-it", known=None)]
