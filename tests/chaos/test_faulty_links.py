"""What a client of the running system sees of a faulty link, while the fault lasts and afterwards."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final
from uuid import uuid4

import httpx
import pytest
from chaos import topology
from chaos.chaos_system import ChaosSystem
from chaos.schedule import FaultKind
from chaos.single_faults import inject
from chaos.traffic import ACCOUNTS, Traffic

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

K: Final = FaultKind
_CLIENTS_LINK: Final = topology.link(topology.CLIENTS, "gateway")
_LASTS_SECONDS: Final = 4.0
_BEGUN_SECONDS: Final = 1.0
"""When the fault is there for certain, and will be for another while."""
_BODY: Final = {
    "source_account": ACCOUNTS[0], "destination_account": ACCOUNTS[1], "amount": "0.01", "currency": "EUR",
}  # fmt: skip


@pytest.fixture(scope="module")
async def client(system: ChaosSystem) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=system.gateway_url, timeout=20, trust_env=False) as http:
        load = Traffic(http)
        await load.open_accounts()
        await load.until_completed()
        yield http


async def during(
    system: ChaosSystem, kind: FaultKind, target: str, ask: Callable[[], Awaitable[httpx.Response]]
) -> tuple[httpx.Response | httpx.TransportError, float]:
    """What is heard of a request that is made in the middle of the fault, and after how long."""
    injecting = asyncio.create_task(inject(system, kind, target, _LASTS_SECONDS))
    await asyncio.sleep(_BEGUN_SECONDS)
    began = time.monotonic()
    try:
        heard: httpx.Response | httpx.TransportError = await ask()
    except httpx.TransportError as error:
        heard = error
    took = time.monotonic() - began
    await injecting
    await system.heal()
    return heard, took


async def test_a_cut_link_refuses(system: ChaosSystem, client: httpx.AsyncClient) -> None:
    heard, _took = await during(system, K.LINK_CUT, _CLIENTS_LINK, lambda: client.get("/accounts"))
    assert isinstance(heard, httpx.ConnectError | httpx.ReadError)
    assert (await client.get("/accounts")).status_code == 200


@pytest.mark.parametrize("kind", [K.LINK_STALL_REQUESTS, K.LINK_STALL_ANSWERS])
async def test_a_stalled_link_answers_when_it_is_healed(
    system: ChaosSystem, client: httpx.AsyncClient, kind: FaultKind
) -> None:
    heard, took = await during(system, kind, _CLIENTS_LINK, lambda: client.get("/accounts"))
    assert isinstance(heard, httpx.Response)
    assert heard.status_code == 200
    assert took >= (_LASTS_SECONDS - _BEGUN_SECONDS) / 2


async def test_a_link_that_loses_answers_has_delivered_the_request(
    system: ChaosSystem, client: httpx.AsyncClient
) -> None:
    """The key that the client repeats afterwards belongs to the transfer that its lost answer told of."""
    key = {"Idempotency-Key": str(uuid4())}

    async def until_one_is_lost() -> httpx.Response:
        while True:
            await client.post("/transfers", json=_BODY, headers=key)

    heard, _took = await during(system, K.LINK_DROP_ANSWERS, _CLIENTS_LINK, until_one_is_lost)
    assert isinstance(heard, httpx.TransportError)
    again = await client.post("/transfers", json=_BODY, headers={**key, "Prefer": "wait=10"})
    assert (again.status_code, again.json()["status"]) == (200, "completed")


@pytest.mark.parametrize("kind", [K.LINK_CUT, K.LINK_STALL_REQUESTS])
async def test_a_service_that_cannot_be_reached_is_503_in_time_for_the_client(
    system: ChaosSystem, client: httpx.AsyncClient, kind: FaultKind
) -> None:
    link = topology.link("gateway", "workflow-handler")
    key = {"Idempotency-Key": str(uuid4())}
    heard, took = await during(system, kind, link, lambda: client.post("/transfers", json=_BODY, headers=key))
    assert isinstance(heard, httpx.Response)
    assert heard.status_code == 503
    assert took < _LASTS_SECONDS
