"""`POST /workers/{process}/crash`: a worker crashes on request, only where demo faults are switched on."""

import httpx
import pytest
from gateway_client import GatewayClient
from http_servers import closed_port_url
from internal_api_fakes import World
from transfer_contract.names import Process


@pytest.mark.parametrize("process", ["workflow-worker", "account-worker", "ledger-worker"])
async def test_the_worker_that_is_named_is_told_to_crash(client: httpx.AsyncClient, world: World, process: str) -> None:
    answer = await client.post(f"/workers/{process}/crash")
    assert (answer.status_code, answer.json()) == (202, {"process": process})
    assert [(seen.process, seen.method, seen.path) for seen in world.seen] == [(process, "POST", "/crash")]


@pytest.mark.parametrize("process", ["gateway", "account-api", "nobody", "account-worker%0A", "%F0%9F%92%A5"])
async def test_what_is_no_worker_is_not_found(client: httpx.AsyncClient, world: World, process: str) -> None:
    answer = await client.post(f"/workers/{process}/crash")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert world.seen == []


async def test_a_worker_that_is_dead_already_is_unavailable(client_with: GatewayClient) -> None:
    async with client_with(ledger_worker_url=closed_port_url()) as client:
        answer = await client.post("/workers/ledger-worker/crash")
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert "ledger-worker" in answer.json()["detail"]


async def test_a_worker_whose_address_nobody_has_configured_is_not_found(client_with: GatewayClient) -> None:
    async with client_with(ledger_worker_url=None) as client:
        assert (await client.post("/workers/ledger-worker/crash")).status_code == 404
        assert (await client.post("/workers/account-worker/crash")).status_code == 202


async def test_without_demo_faults_there_is_no_such_call(client_with: GatewayClient, world: World) -> None:
    async with client_with(demo_faults=False) as client:
        answer = await client.post(f"/workers/{Process.ACCOUNT_WORKER}/crash")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert "/workers/{process}/crash" not in (await client.get("/openapi.json")).json()["paths"]
    assert world.seen == []
