"""Other services away, slow or broken: 503 with Retry-After in time, and recovery without a restart."""

import asyncio
import time
from typing import Any

import httpx
import pytest
from gateway.settings import Settings
from gateway_client import GatewayClient
from http_servers import closed_port_url, serving
from internal_api_fakes import FAULTS, HANG_SECONDS, NOW, Fault, World, fake_account_api
from sample_bodies import new_account, new_transfer
from structlog.testing import capture_logs
from transfer_contract.http import Account
from transfer_contract.names import Process

CALLS: list[tuple[str, str, Any]] = [
    ("POST", "/transfers", new_transfer()),
    ("GET", "/transfers", None),
    ("GET", "/transfers/some-id", None),
    ("POST", "/transfers/some-id/cancel", None),
    ("POST", "/transfers/some-id/retry", None),
    ("POST", "/accounts", new_account(opening_balance="1.00")),
    ("GET", "/accounts", None),
    ("GET", "/accounts/alice", None),
    ("GET", "/accounts/alice/entries", None),
    ("POST", "/accounts/alice/close", None),
    ("GET", "/reconciliation", None),
    ("GET", "/workers", None),
    ("POST", "/workers/account-worker/crash", None),
]
PATIENT = {"call_timeout_seconds": 20.0, "answer_timeout_seconds": 30.0}
QUICK = {"call_timeout_seconds": 0.5, "answer_timeout_seconds": 0.7, "reconciliation_seconds": 0}


async def statuses(client: httpx.AsyncClient) -> list[tuple[str, str, int]]:
    answers = await asyncio.gather(*(client.request(method, path, json=body) for method, path, body in CALLS))
    return [(answer.request.method, answer.request.url.path, answer.status_code) for answer in answers]


def all_503() -> list[tuple[str, str, int]]:
    return [(method, path, 503) for method, path, _ in CALLS]


@pytest.mark.parametrize("fault", FAULTS)
async def test_every_call_is_503_in_time_when_the_others_misbehave(
    client_with: GatewayClient, world: World, fault: Fault
) -> None:
    world.faults = dict.fromkeys(Process, fault)
    async with client_with(**QUICK) as client:
        before = time.monotonic()
        assert await statuses(client) == all_503()
        assert time.monotonic() - before < HANG_SECONDS / 2


async def test_every_call_is_503_at_once_when_nobody_listens(client_with: GatewayClient) -> None:
    away = dict.fromkeys(
        ["workflow_handler_url", "status_checker_url", "account_api_url", "ledger_api_url", "account_worker_url"],
        closed_port_url(),
    )
    async with client_with(**away, **PATIENT) as client:
        before = time.monotonic()
        assert await statuses(client) == all_503()
        assert time.monotonic() - before < PATIENT["call_timeout_seconds"]


def test_the_real_deadline_leaves_room_below_three_seconds(settings: Settings) -> None:
    assert settings.call_timeout_seconds < settings.answer_timeout_seconds < 3


async def test_two_slow_services_share_one_deadline(client_with: GatewayClient, world: World) -> None:
    world.seconds_to_answer = {Process.WORKFLOW_HANDLER: 0.4, Process.STATUS_CHECKER: 0.4}
    async with client_with(**QUICK) as client:
        assert (await client.post("/transfers", json=new_transfer())).status_code == 503


async def test_a_wait_that_was_asked_for_is_added_to_the_deadline(client_with: GatewayClient, world: World) -> None:
    world.seconds_to_answer = {Process.STATUS_CHECKER: 1}
    async with client_with(**QUICK) as client:
        answer = await client.post("/transfers", json=new_transfer(), headers={"Prefer": "wait=2"})
        assert answer.status_code == 202


async def test_a_503_tells_the_key_that_makes_the_repetition_the_same_transfer(
    client_with: GatewayClient, world: World
) -> None:
    world.seconds_to_answer = {Process.WORKFLOW_HANDLER: 1}  # it starts the transfer, and its answer is too late
    async with client_with(**QUICK) as client:
        lost = await client.post("/transfers", json=new_transfer())
        assert lost.status_code == 503
        world.seconds_to_answer.clear()
        headers = {"Idempotency-Key": lost.headers["Idempotency-Key"]}
        answer = await client.post("/transfers", json=new_transfer(), headers=headers)
    assert answer.headers["Location"] == lost.headers["Location"]
    assert len(world.orders) <= 1


async def test_a_transfer_that_was_started_is_accepted_also_while_nobody_can_say_more(
    client: httpx.AsyncClient, world: World
) -> None:
    world.faults[Process.STATUS_CHECKER] = "answers plain 500"
    headers = {"Idempotency-Key": "k"}
    started = await client.post("/transfers", json=new_transfer(), headers=headers)
    assert (started.status_code, started.json()["status"]) == (202, "accepted")
    assert [step["status"] for step in started.json()["steps"]] == ["pending"] * 4
    replayed = await client.post("/transfers", json=new_transfer(), headers=headers)
    assert replayed.status_code == 503
    world.faults.clear()
    answer = await client.post("/transfers", json=new_transfer(), headers=headers)
    assert (answer.status_code, answer.headers["Idempotent-Replayed"]) == (202, "true")
    assert len(world.orders) == 1


async def test_what_needs_nothing_of_a_service_that_is_away_goes_on(client: httpx.AsyncClient, world: World) -> None:
    world.faults = {Process.LEDGER_API: "answers plain 500", Process.ACCOUNT_API: "answers plain 500"}
    assert (await client.post("/transfers", json=new_transfer())).status_code == 202
    assert (await client.get("/transfers")).status_code == 200


async def test_the_answer_says_who_is_away(client: httpx.AsyncClient, world: World) -> None:
    world.faults[Process.STATUS_CHECKER] = "answers HTML"
    assert "status-checker" in (await client.get("/workers")).json()["detail"]
    world.faults[Process.STATUS_CHECKER] = "is unavailable"
    assert "the accounts database" in (await client.get("/workers")).json()["detail"]


async def test_many_long_polls_do_not_hold_up_other_calls(client: httpx.AsyncClient, world: World) -> None:
    transfer_id = (await client.post("/transfers", json=new_transfer())).json()["id"]
    world.seconds_to_answer[Process.STATUS_CHECKER] = 1
    polls = [asyncio.create_task(client.get(f"/transfers/{transfer_id}?wait=30")) for _ in range(120)]
    await asyncio.sleep(0.5)
    world.seconds_to_answer.clear()
    assert (await client.get("/workers")).status_code == 200
    assert {answer.status_code for answer in await asyncio.gather(*polls)} == {200}


async def test_a_service_that_was_restarted_is_found_again(client_with: GatewayClient, world: World) -> None:
    url = closed_port_url()
    async with client_with(account_api_url=url) as client:
        assert (await client.get("/accounts")).status_code == 503
        for _ in range(2):
            with serving(fake_account_api(world), port=int(url.rsplit(":", 1)[1])):
                assert (await client.get("/accounts")).status_code == 200
            assert (await client.get("/accounts")).status_code == 503


async def test_a_defect_of_ours_is_logged_and_is_a_503_problem_too(client_with: GatewayClient, world: World) -> None:
    world.accounts["alice"] = Account(
        id="alice",
        owner="Alice",
        currency="XXX",
        balance_minor=1,
        held_minor=0,
        opening_balance_minor=0,
        status="open",
        created_at=NOW,
    )
    async with client_with() as client:
        client.event_hooks = {}  # the runtime answers this outside of all middleware
        with capture_logs() as logs:
            answer = await client.get("/accounts/alice")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "Retry-After" in answer.headers
    assert "XXX" not in answer.text
    assert [line["event"] for line in logs] == ["request", "unhandled error"]
