"""GET /transfers/{id}/events over real connections."""

import asyncio
import time

import httpx
import pytest
from event_client import events_of
from gateway import event_stream
from gateway.downstream import Downstream
from gateway.main import create_gateway
from gateway.settings import Settings
from live_server import live_server
from live_status_checker import LiveStatusChecker
from service_runtime.app import SHUTDOWN_SECONDS
from transfer_contract.transfers import TransferStatus


@pytest.fixture
def path(checker: LiveStatusChecker) -> str:
    """Of the events of a transfer that has been accepted."""
    return f"/transfers/{checker.make_transfer()}/events"


def id_in(path: str) -> str:
    return path.split("/")[2]


async def test_the_first_event_is_the_transfer_as_the_other_call_answers_it(
    browser: httpx.AsyncClient, path: str
) -> None:
    answer = await browser.get(path.removesuffix("/events"))
    async with events_of(browser, path) as events:
        event = await events.next()
    assert (event.name, event.data, f'"{event.id}"') == ("transfer", answer.json(), answer.headers["ETag"])
    assert event.data["amount"] == "25.00"
    assert events.retry_milliseconds == 1000


async def test_a_stream_says_that_nobody_may_hold_it_back(browser: httpx.AsyncClient, path: str) -> None:
    async with events_of(browser, path) as events:
        headers = events.response.headers
    assert headers["Content-Type"].split(";")[0] == "text/event-stream"
    assert (headers["Cache-Control"], headers["X-Accel-Buffering"]) == ("no-store", "no")
    assert {"content-security-policy", "x-content-type-options", "x-request-id"} <= set(headers)


async def test_each_change_is_an_event_and_the_final_one_ends_the_stream(
    browser: httpx.AsyncClient, checker: LiveStatusChecker, path: str
) -> None:
    async with events_of(browser, path) as events:
        told = [await events.next()]
        for status in (TransferStatus.RUNNING, TransferStatus.COMPENSATING):
            checker.change(id_in(path), status)
            told.append(await events.next())
        checker.change(id_in(path), TransferStatus.COMPENSATED)
        told += await events.rest()
    assert [event.data["status"] for event in told] == ["accepted", "running", "compensating", "compensated"]
    assert len({event.id for event in told}) == 4


async def test_what_the_client_has_already_is_not_told_again(
    browser: httpx.AsyncClient, checker: LiveStatusChecker, path: str
) -> None:
    known = checker.views[id_in(path)].version
    async with events_of(browser, path, **{"Last-Event-ID": known}) as events:
        final = checker.change(id_in(path), TransferStatus.COMPLETED)
        assert [event.id for event in await events.rest()] == [final.version]


async def test_what_has_changed_while_the_client_was_away_is_told_at_once(
    browser: httpx.AsyncClient, path: str
) -> None:
    async with events_of(browser, path, **{"Last-Event-ID": "an-older-one"}) as events:
        assert (await events.next()).data["status"] == "accepted"


async def test_a_client_that_knows_the_end_is_told_not_to_come_back(
    browser: httpx.AsyncClient, checker: LiveStatusChecker, path: str
) -> None:
    final = checker.change(id_in(path), TransferStatus.COMPLETED)
    answer = await browser.get(path, headers={"Last-Event-ID": final.version})
    assert (answer.status_code, answer.content) == (204, b"")
    async with events_of(browser, path, **{"Last-Event-ID": "an-older-one"}) as events:
        assert [event.id for event in await events.rest()] == [final.version]


async def test_an_unknown_transfer_is_a_problem(browser: httpx.AsyncClient) -> None:
    for headers in ({}, {"Last-Event-ID": "something"}):
        answer = await browser.get("/transfers/nobody/events", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/transfers/NO-ID/events", {}),
        ("/transfers/x/events?since=1", {}),
        ("/transfers/x/events", {"Last-Event-ID": "x" * 256}),
    ],
)
async def test_an_invalid_request_is_a_problem(browser: httpx.AsyncClient, path: str, headers: dict[str, str]) -> None:
    answer = await browser.get(path, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_without_status_checker_who_comes_first_is_refused(
    browser: httpx.AsyncClient, checker: LiveStatusChecker, path: str
) -> None:
    checker.die()
    answer = await browser.get(path)
    assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (503, "unavailable", "1")


async def test_without_status_checker_who_comes_back_waits_for_it(
    browser: httpx.AsyncClient, checker: LiveStatusChecker, path: str
) -> None:
    known = checker.views[id_in(path)].version
    checker.die()
    async with events_of(browser, path, **{"Last-Event-ID": known}) as events:
        assert events.response.status_code == 200
        final = checker.change(id_in(path), TransferStatus.COMPLETED)
        checker.start()
        assert [event.id for event in await events.rest()] == [final.version]


async def test_a_stream_outlives_status_checker_and_tells_nothing_twice(
    browser: httpx.AsyncClient, checker: LiveStatusChecker, path: str
) -> None:
    async with events_of(browser, path) as events:
        told = [await events.next()]
        checker.die()
        checker.start()
        await checker.until_followed()
        checker.change(id_in(path), TransferStatus.RUNNING)
        told.append(await events.next())
        checker.die()
        checker.change(id_in(path), TransferStatus.COMPLETED)
        await asyncio.sleep(0.2)
        checker.start()
        told += await events.rest()
    assert [event.data["status"] for event in told] == ["accepted", "running", "completed"]


async def test_a_stream_whose_transfer_is_lost_ends(
    browser: httpx.AsyncClient, checker: LiveStatusChecker, path: str
) -> None:
    async with events_of(browser, path) as events:
        await events.next()
        del checker.views[id_in(path)]
        assert await events.rest() == []


async def test_a_pause_is_filled_with_comments(
    browser: httpx.AsyncClient, checker: LiveStatusChecker, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "HEARTBEAT_SECONDS", 0.05)
    async with events_of(browser, path) as events:
        asyncio.get_running_loop().call_later(0.3, checker.change, id_in(path), TransferStatus.COMPLETED)
        assert [event.data["status"] for event in await events.rest()] == ["accepted", "completed"]
    assert set(events.comments) == {"heartbeat"}


async def test_a_client_that_leaves_leaves_nothing_behind(
    browser: httpx.AsyncClient, checker: LiveStatusChecker, path: str
) -> None:
    async with events_of(browser, path) as events:
        await events.next()
        assert checker.open_streams == 1
    await checker.until_unfollowed()


async def test_who_knows_the_end_leaves_nothing_behind(
    browser: httpx.AsyncClient, checker: LiveStatusChecker, path: str
) -> None:
    final = checker.change(id_in(path), TransferStatus.COMPLETED)
    await browser.get(path, headers={"Last-Event-ID": final.version})
    await checker.until_unfollowed()


async def test_a_stopping_gateway_ends_its_streams_and_is_soon_gone(
    settings: Settings, checker: LiveStatusChecker, path: str
) -> None:
    own = settings.model_copy(update={"status_checker_url": checker.url})
    async with (
        Downstream(own) as downstream,
        live_server(create_gateway(downstream, own)) as gateway,
        httpx.AsyncClient(base_url=gateway.url) as http,
        events_of(http, path) as events,
        events_of(http, "/events") as overview,
    ):
        await events.next()
        await overview.next()
        began = time.monotonic()
        stopping = asyncio.create_task(gateway.stop())
        await asyncio.gather(events.rest(), overview.rest())
        await stopping
        assert time.monotonic() - began < SHUTDOWN_SECONDS * 0.6
