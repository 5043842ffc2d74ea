"""GET /events over real connections."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from event_client import SOON_SECONDS, EventStream, events_of
from gateway import event_stream, overview_feed
from internal_api_fakes import NOW
from live_status_checker import LiveStatusChecker
from transfer_contract.attention import Attention, AttentionKind
from transfer_contract.http import (
    Account,
    CurrencyTotals,
    Interruption,
    LiveWorker,
    Overview,
    Page,
    Reconciliation,
    WorkerGroup,
    WorkersView,
)
from transfer_contract.names import Process, TaskQueue

HTTP_PROCESSES = {Process.WORKFLOW_HANDLER, Process.STATUS_CHECKER, Process.ACCOUNT_API, Process.LEDGER_API}
ALICE = Account(
    id="alice",
    owner="Alice",
    currency="EUR",
    balance_minor=9750,
    held_minor=250,
    opening_balance_minor=10000,
    status="open",
    created_at=NOW,
)
TOTALS = CurrencyTotals(currency="JPY", balances_minor=-7, held_minor=0, in_transit_minor=7, sum_minor=0)
LEDGER_WORKER = LiveWorker(identity="ledger-worker@here:7", host="here", pid="7", started_at=NOW, last_heartbeat_at=NOW)
LEDGER_WORKERS = WorkerGroup(
    process=Process.LEDGER_WORKER, queue=TaskQueue.LEDGER, workers=[LEDGER_WORKER], gone_since=None, backlog=2
)


@pytest.fixture(autouse=True)
def prompt_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview_feed, "PROCESSES_SECONDS", 0.05)


def tell_everything(checker: LiveStatusChecker) -> None:
    transfer = checker.views[checker.make_transfer()]
    checker.overviews += [
        Overview(transfers=Page(items=[transfer]), accounts=Page(items=[ALICE], next_cursor="more")),
        Overview(reconciliation=Reconciliation(balanced=True, currencies=[TOTALS], discrepancies=[])),
        Overview(workers=WorkersView(items=[LEDGER_WORKERS])),
        Overview(attention=Attention(observed_at=NOW, counts={AttentionKind.FINISHING: 1}, unexamined=0, items=[])),
    ]


def imbalance() -> Overview:
    return Overview(reconciliation=Reconciliation(balanced=False, currencies=[], discrepancies=[]))


async def latest_of(events: EventStream, *names: str) -> dict[str, Any]:
    """The data of each, once all of them have been told."""
    told: dict[str, Any] = {}
    while set(names) - set(told):
        event = await events.next()
        assert event.id is None
        told[event.name] = event.data
    return told


async def test_each_kind_is_told_in_its_public_form(browser: httpx.AsyncClient, checker: LiveStatusChecker) -> None:
    tell_everything(checker)
    async with events_of(browser, "/events") as events:
        told = await latest_of(events, "transfers", "accounts", "reconciliation", "workers", "attention", "processes")
    (transfer,) = told["transfers"]["items"]
    assert transfer == (await browser.get(f"/transfers/{transfer['id']}")).json()
    assert transfer["amount"] == "25.00"
    (account,) = told["accounts"]["items"]
    assert (account["balance"], account["held"], told["accounts"]["next_cursor"]) == ("97.50", "2.50", "more")
    assert "opening_balance" not in account
    totals = {"currency": "JPY", "balances": "-7", "held": "0", "in_transit": "7", "sum": "0"}
    assert told["reconciliation"] == {"balanced": True, "currencies": [totals], "discrepancies": []}
    (group,) = told["workers"]["items"]
    assert (group["process"], group["backlog"], group["workers"][0]["pid"]) == ("ledger-worker", 2, "7")
    assert {process["process"] for process in told["processes"]["items"]} == HTTP_PROCESSES
    assert told["attention"]["counts"] == {"finishing": 1}
    assert told["interruption"] == {"detail": None}


async def test_a_change_is_told_alone(browser: httpx.AsyncClient, checker: LiveStatusChecker) -> None:
    tell_everything(checker)
    async with events_of(browser, "/events") as events:
        await latest_of(events, "attention", "processes")
        checker.overviews.append(imbalance())
        event = await events.next()
    assert (event.name, event.data["balanced"]) == ("reconciliation", False)


async def test_an_interruption_in_status_checker_is_passed_on(
    browser: httpx.AsyncClient, checker: LiveStatusChecker
) -> None:
    checker.overviews.append(Overview(interruption=Interruption(detail="Temporal is away.")))
    async with events_of(browser, "/events") as events:
        assert (await events.next("interruption")).data == {"detail": "Temporal is away."}
        checker.overviews.append(Overview(interruption=Interruption(detail=None)))
        assert (await events.next("interruption")).data == {"detail": None}


async def test_without_status_checker_the_stream_says_so_until_it_comes(
    browser: httpx.AsyncClient, checker: LiveStatusChecker
) -> None:
    checker.die()
    tell_everything(checker)
    async with events_of(browser, "/events") as events:
        told = await latest_of(events, "interruption", "processes")
        assert told["interruption"]["detail"].startswith("status-checker")
        checker.start()
        assert (await events.next("interruption")).data == {"detail": None}
        await events.next("workers")


async def test_a_stream_outlives_status_checker_and_says_what_it_missed(
    browser: httpx.AsyncClient, checker: LiveStatusChecker
) -> None:
    tell_everything(checker)
    async with events_of(browser, "/events") as events:
        await latest_of(events, "workers", "processes")
        checker.die()
        interruption = await events.next("interruption")
        assert interruption.data["detail"].startswith("status-checker")
        checker.overviews = [imbalance()]
        checker.start()
        while (await events.next("interruption")).data["detail"] is not None:
            pass
        assert not (await events.next("reconciliation")).data["balanced"]


async def test_a_process_that_goes_and_comes_back_is_told(
    browser: httpx.AsyncClient, checker: LiveStatusChecker
) -> None:
    async def processes(events: EventStream) -> dict[str, Any]:
        items = (await events.next("processes")).data["items"]
        return {item["process"]: item for item in items}

    async with events_of(browser, "/events") as events:
        assert (await processes(events))["status-checker"]["gone_since"] is None
        checker.die()
        while (gone := (await processes(events))["status-checker"])["gone_since"] is None:
            pass
        assert not gone["ready"]
        checker.start()
        while (await processes(events))["status-checker"]["gone_since"] is not None:
            pass


async def test_all_who_listen_cost_one_connection_which_ends_with_the_last_of_them(
    browser: httpx.AsyncClient, checker: LiveStatusChecker
) -> None:
    tell_everything(checker)
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(events_of(browser, "/events"))
        await latest_of(first, "workers", "processes")
        others = [await stack.enter_async_context(events_of(browser, "/events")) for _ in range(3)]
        for other in others:
            await latest_of(other, "transfers", "accounts", "reconciliation", "workers", "processes")
        checker.overviews.append(imbalance())
        for events in (first, *others):
            assert not (await events.next("reconciliation")).data["balanced"]
        assert (checker.begun_streams, checker.open_streams) == (1, 1)
    await checker.until_unfollowed()
    async with events_of(browser, "/events") as events:
        await latest_of(events, "workers", "processes")
        assert (checker.begun_streams, checker.open_streams) == (2, 1)


async def test_who_leaves_takes_nothing_from_those_who_stay(
    browser: httpx.AsyncClient, checker: LiveStatusChecker
) -> None:
    tell_everything(checker)
    async with events_of(browser, "/events") as stays:
        async with events_of(browser, "/events") as leaves:
            await latest_of(leaves, "workers")
        await latest_of(stays, "workers")
        checker.overviews.append(imbalance())
        assert not (await stays.next("reconciliation")).data["balanced"]
        assert checker.begun_streams == 1


async def test_a_pause_is_filled_with_comments(browser: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "HEARTBEAT_SECONDS", 0.05)
    async with events_of(browser, "/events") as events, asyncio.timeout(SOON_SECONDS):
        async for line in events.response.aiter_lines():
            if line == ": heartbeat":
                return


async def test_an_unknown_parameter_is_a_problem(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/events?since=1")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
