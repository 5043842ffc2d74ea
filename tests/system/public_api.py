"""The public HTTP API as a client of the running system calls it; the form of every answer is judged on its way in."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, Final, Self
from uuid import uuid4

import httpx
from system.answer_forms import judge

Json = dict[str, Any]

FINAL: Final = frozenset({"completed", "rejected", "compensated"})
_LOOK_SECONDS: Final = 5
"""How long one long poll waits: a test that gives up does so this much too late at most."""
_PATIENCE: Final = 20
_WATCHED_AT_ONCE: Final = 4
"""Each change of a watched transfer is read anew: hundreds of them would keep the machine from moving money."""


class PublicApi:
    def __init__(self, gateway_url: str) -> None:
        self.url = gateway_url
        self.http = httpx.AsyncClient(
            base_url=gateway_url,
            timeout=45,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=50),
            event_hooks={"response": [judge]},
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.http.aclose()

    async def post_transfer(self, body: Json, *, key: str | None = None, wait_seconds: int = -1) -> httpx.Response:
        """Repeated with its key as long as the answer is that it should be."""
        headers = {"Idempotency-Key": key or str(uuid4())}
        if wait_seconds >= 0:
            headers["Prefer"] = f"wait={wait_seconds}"
        return await self._answer(lambda: self.http.post("/transfers", json=body, headers=headers))

    async def start_transfer(self, source: str, destination: str, **fields: str) -> str:
        """The id of a transfer that was accepted."""
        response = await self.post_transfer(new_transfer(source, destination, **fields))
        assert response.status_code == 202, response.text
        transfer_id: str = response.json()["id"]
        return transfer_id

    async def cancel(self, transfer_id: str) -> httpx.Response:
        return await self._answer(lambda: self.http.post(f"/transfers/{transfer_id}/cancel"))

    async def get(self, path: str, **query: str | int) -> Json:
        response = await self._answer(lambda: self.http.get(path, params=query))
        assert response.status_code == 200, response.text
        answer: Json = response.json()
        return answer

    async def transfer(self, transfer_id: str) -> Json:
        return await self.get(f"/transfers/{transfer_id}")

    async def until(self, transfer_id: str, condition: Callable[[Json], bool], *, within_seconds: float = 100) -> Json:
        """The transfer as soon as it fulfils the condition."""
        deadline = time.monotonic() + within_seconds
        known: Json = {}
        headers: dict[str, str] = {}
        while not known or not condition(known):
            assert time.monotonic() < deadline, f"not within {within_seconds} s: {known}"
            wait = {"wait": _LOOK_SECONDS} if known else {}
            response = await self._answer(
                partial(self.http.get, f"/transfers/{transfer_id}", params=wait, headers=headers)
            )
            assert response.status_code in (200, 304), response.text
            if response.status_code == 200:
                known, headers = response.json(), {"If-None-Match": response.headers["ETag"]}
        return known

    async def final(self, transfer_id: str, *, within_seconds: float = 100) -> Json:
        return await self.until(transfer_id, is_final, within_seconds=within_seconds)

    async def final_all(self, transfer_ids: Iterable[str]) -> list[Json]:
        at_once = asyncio.Semaphore(_WATCHED_AT_ONCE)

        async def watched(transfer_id: str) -> Json:
            async with at_once:
                return await self.final(transfer_id)

        return list(await asyncio.gather(*map(watched, transfer_ids)))

    async def open_account(
        self, balance: str | None = None, *, currency: str = "EUR", account_id: str | None = None
    ) -> str:
        """The id of a new account that has its opening balance."""
        account_id = account_id or f"account-{uuid4().hex[:12]}"
        body = {"id": account_id, "owner": "Somebody", "currency": currency, "opening_balance": balance}
        response = await self._answer(lambda: self.http.post("/accounts", json=body))
        assert response.is_success, response.text
        if (opening_transfer := response.json().get("opening_transfer")) is not None:
            assert (await self.final(opening_transfer))["status"] == "completed"
        return account_id

    async def open_pair(self, source_balance: str = "100.00") -> tuple[str, str]:
        """A source with money and a destination without."""
        source, destination = await asyncio.gather(self.open_account(source_balance), self.open_account())
        return source, destination

    async def money(self, account_id: str) -> tuple[str, str]:
        """Balance and held credit."""
        account = await self.get(f"/accounts/{account_id}")
        return account["balance"], account["held"]

    async def all_items(self, path: str, **query: str | int) -> list[Json]:
        """A list, page after page to its end."""
        items: list[Json] = []
        while True:
            page = await self.get(path, **query)
            items += page["items"]
            if page["next_cursor"] is None:
                return items
            query["cursor"] = page["next_cursor"]

    async def _answer(self, send: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
        """As a client is told to do: after a 503 it repeats the request, which is idempotent."""
        for _ in range(_PATIENCE):
            response = await send()
            if response.status_code != 503:
                break
            await asyncio.sleep(int(response.headers["Retry-After"]))
        return response


def new_transfer(source: str, destination: str, **fields: str) -> Json:
    return {"source_account": source, "destination_account": destination, "amount": "1.00", "currency": "EUR"} | fields


def is_final(transfer: Json) -> bool:
    return transfer["status"] in FINAL


def step(transfer: Json, name: str) -> Json:
    """The step of this name; an empty one where the transfer doesn't show it."""
    return next((step for step in transfer["steps"] if step["name"] == name), {})


def step_is(name: str, status: str) -> Callable[[Json], bool]:
    return lambda transfer: step(transfer, name).get("status") == status
