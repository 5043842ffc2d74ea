"""A little traffic for tests of single faults: transfers between a few hot accounts, as fast as they are answered."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final
from uuid import uuid4

import httpx
from chaos.chaos_system import ChaosSystem
from chaos.waiting import until

Json = dict[str, Any]

ACCOUNTS: Final = tuple(f"hot-{number}" for number in range(4))
_CLIENTS: Final = 4
_PAUSE_SECONDS: Final = 1.0
"""As `Retry-After` asks for: a server that has just come back isn't kept from it."""
_SCENARIOS: Final = (None, None, None, "ledger_rejects")
_SECONDS: Final = 10.0
"""Above what a client that waits for 3 s is promised: an answer, be it 503, within 5.8 s."""
_ONE_CENT: Final[Json] = {
    "source_account": ACCOUNTS[0],
    "destination_account": ACCOUNTS[1],
    "amount": "0.01",
    "currency": "EUR",
}


class Traffic:
    """`answers` by status code; 0 where there was none."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._clients: list[asyncio.Task[None]] = []
        self.answers: list[int] = []

    async def open_accounts(self) -> None:
        for account in ACCOUNTS:
            body = {"id": account, "owner": "Somebody", "currency": "EUR", "opening_balance": "100000.00"}
            answer = await self._http.post("/accounts", json=body)
            assert answer.is_success, answer.text
            opening = answer.json()["opening_transfer"]
            await until(partial(self._is_completed, opening), f"{account} has money", within_seconds=60)

    def start(self) -> None:
        self._clients = [asyncio.create_task(self._run(number)) for number in range(_CLIENTS)]

    async def stop(self) -> None:
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def _run(self, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311
        while True:
            source, destination = chance.sample(ACCOUNTS, 2)
            answer = await self._post(source, destination, scenario=chance.choice(_SCENARIOS))
            self.answers.append(answer)
            if answer in (0, 503):
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _post(self, source: str, destination: str, *, scenario: str | None = None) -> int:
        body = {"source_account": source, "destination_account": destination, "amount": "0.01", "currency": "EUR"}
        body |= {"scenario": scenario} if scenario else {}
        headers = {"Idempotency-Key": str(uuid4()), "Prefer": "wait=2"}
        try:
            return (await self._http.post("/transfers", json=body, headers=headers)).status_code
        except httpx.TransportError:
            return 0

    async def until_completed(self, *, within_seconds: float = 90) -> None:
        """One transfer, its key repeated until it is answered as completed."""
        await self._until("/transfers", _ONE_CENT, "completed", within_seconds)

    async def until_a_batch_is_finished(self, *, within_seconds: float = 90) -> None:
        """The same of a batch."""
        await self._until("/transfer-batches", {"transfers": [_ONE_CENT] * 2}, "finished", within_seconds)

    async def _until(self, path: str, body: Json, wanted: str, within_seconds: float) -> None:
        headers = {"Idempotency-Key": str(uuid4()), "Prefer": "wait=3"}
        status = "never asked"
        try:
            async with asyncio.timeout(within_seconds):
                while status != wanted:
                    status = await self._status(path, body, headers)
        except TimeoutError:
            raise AssertionError(f"after {within_seconds} s {path} answers {status}") from None

    async def _is_completed(self, transfer_id: str) -> bool:
        answer = await self._http.get(f"/transfers/{transfer_id}")
        return answer.is_success and answer.json()["status"] == "completed"

    async def _status(self, path: str, body: Json, headers: dict[str, str]) -> str:
        try:
            answer = await self._http.post(path, json=body, headers=headers)
        except httpx.TransportError as error:
            return type(error).__name__
        if answer.is_success:
            return str(answer.json()["status"])
        await asyncio.sleep(_PAUSE_SECONDS)
        return answer.text


@asynccontextmanager
async def traffic(system: ChaosSystem) -> AsyncIterator[Traffic]:
    async with httpx.AsyncClient(base_url=system.gateway_url, timeout=_SECONDS, trust_env=False) as http:
        running = Traffic(http)
        await running.open_accounts()
        await running.until_completed()
        running.start()
        yield running
        await running.stop()
