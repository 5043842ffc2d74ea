"""Temporal or PostgreSQL away: 503 in time, nothing lost, and everything goes on without anybody's help."""

import asyncio
import time
from dataclasses import dataclass
from uuid import uuid4

import httpx
import pytest
from system.figures import Figures
from system.outages import (
    ANSWER_WITHIN_SECONDS,
    POSTGRES,
    TEMPORAL,
    Answers,
    frozen,
    killed,
    pids_of_the_eight,
    restart,
    until_recovered,
)
from system.public_api import FINAL, Json, PublicApi, new_transfer
from system.row_locks import account_locked
from system.running_system import EIGHT, WORKERS, RunningSystem

pytestmark = pytest.mark.system

STARTED_MEANWHILE = ("ledger-worker", "workflow-worker", "workflow-handler", "status-checker")


@dataclass(frozen=True)
class Client:
    """One who has a final transfer, and wants another one."""

    api: PublicApi
    accounts: tuple[str, str]
    final: Json
    key: str

    @property
    def body(self) -> Json:
        return new_transfer(*self.accounts)

    async def post(self) -> httpx.Response:
        return await self.api.http.post("/transfers", json=self.body, headers={"Idempotency-Key": self.key})

    async def get(self) -> httpx.Response:
        return await self.api.http.get(f"/transfers/{self.final['id']}")

    async def ends_once(self) -> None:
        """The request that wasn't answered, repeated: one transfer, whatever happened to the first one."""
        transfer_id = (await self.api.post_transfer(self.body, key=self.key)).json()["id"]
        assert (await self.api.final(transfer_id))["status"] == "completed"
        assert await self.api.transfer(self.final["id"]) == self.final


@pytest.fixture
async def client(api: PublicApi) -> Client:
    accounts = await api.open_pair()
    final = await api.post_transfer(new_transfer(*accounts), wait_seconds=20)
    return Client(api, accounts, final.json(), str(uuid4()))


async def test_with_temporal_away_clients_hear_it_in_time_and_transfers_go_on_when_it_is_back(
    system: RunningSystem, client: Client, figures: Figures
) -> None:
    api, answers = system.api, Answers()
    in_flight_accounts = await api.open_pair()
    before = await pids_of_the_eight(system)
    async with account_locked(system.accounts_url, in_flight_accounts[0]) as account:
        in_flight = await api.start_transfer(*in_flight_accounts)
        await account.until_a_transaction_waits()
        async with killed(system, TEMPORAL):
            await account.release()
            for _ in range(3):
                await answers.unavailable(client.post)
                assert (await answers.of(client.get)).json() == client.final
            await answers.unavailable(lambda: api.http.get(f"/transfers/{in_flight}"))
            await answers.unavailable(lambda: api.http.post(f"/transfers/{in_flight}/cancel"))
            await system.until_readiness(*WORKERS, "gateway", ready=False)
            restarted = await restart(system, STARTED_MEANWHILE)
            assert await api.transfer(client.final["id"]) == client.final
        back_at = time.monotonic()
    await restarted.until_ready()
    await until_recovered(system, client.body)
    figures.seconds("Temporal back, until all are ready and a transfer completes", time.monotonic() - back_at)
    figures.seconds("Temporal away, slowest answer", answers.slowest_seconds)
    assert await pids_of_the_eight(system) == before | restarted.pids
    assert answers.slowest_seconds <= ANSWER_WITHIN_SECONDS
    assert (await api.final(in_flight))["status"] == "completed"
    await client.ends_once()


async def test_with_postgresql_hanging_clients_hear_it_in_time_and_nothing_is_lost(
    system: RunningSystem, client: Client, figures: Figures
) -> None:
    api, answers = system.api, Answers()
    in_flight_accounts = await api.open_pair()
    before = await pids_of_the_eight(system)
    async with account_locked(system.accounts_url, in_flight_accounts[0]) as account:
        in_flight = await api.start_transfer(*in_flight_accounts)
        await account.until_a_transaction_waits()
        async with frozen(system):
            await answers.unavailable(client.post)
            assert (await answers.of(client.get)).json() == client.final
            await asyncio.gather(
                answers.unavailable(lambda: api.http.get(f"/accounts/{client.accounts[0]}")),
                answers.unavailable(lambda: api.http.get(f"/transfers/{in_flight}")),
                answers.unavailable(lambda: api.http.get("/transfers")),
                answers.unavailable(lambda: api.http.post(f"/accounts/{client.accounts[0]}/close")),
            )
    await until_recovered(system, client.body)
    figures.seconds("PostgreSQL hanging, slowest answer", answers.slowest_seconds)
    assert await pids_of_the_eight(system) == before
    assert answers.slowest_seconds <= ANSWER_WITHIN_SECONDS
    assert (await api.final(in_flight))["status"] == "completed"
    await client.ends_once()


async def test_with_postgresql_dead_clients_hear_it_in_time_and_transfers_end_when_it_is_back(
    system: RunningSystem, client: Client, figures: Figures
) -> None:
    """Attempts may be used up meanwhile: then the transfer is undone, as rule 5 says."""
    api, answers = system.api, Answers()
    in_flight = [await api.start_transfer(*await api.open_pair(), scenario="ledger_fails_twice") for _ in range(3)]
    before = await pids_of_the_eight(system)
    async with killed(system, POSTGRES):
        for _ in range(3):
            await answers.unavailable(client.post)
            assert (await answers.of(client.get)).json() == client.final
        await answers.unavailable(lambda: api.http.get("/accounts"))
        await system.until_readiness("account-api", "ledger-api", "gateway", ready=False)
        back_at = time.monotonic()
    await until_recovered(system, client.body)
    figures.seconds("PostgreSQL started, until all are ready and a transfer completes", time.monotonic() - back_at)
    figures.seconds("PostgreSQL dead, slowest answer", answers.slowest_seconds)
    assert await pids_of_the_eight(system) == before
    assert {*before} == {*EIGHT}
    assert answers.slowest_seconds <= ANSWER_WITHIN_SECONDS
    assert {transfer["status"] for transfer in await api.final_all(in_flight)} <= FINAL - {"rejected"}
    await client.ends_once()
