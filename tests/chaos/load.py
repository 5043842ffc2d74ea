"""Fifty clients that pay, repeat, read and cancel; each repeats what it got no answer to until it has one."""

import asyncio
import time
from collections import defaultdict
from typing import Final

import httpx
from chaos.batch_load import BatchLoad
from chaos.findings import Findings
from chaos.operations import CLIENTS, CURRENCIES, OPENING_BALANCE, Kind, Operation, operations
from chaos.patient_client import ANSWER_SECONDS, FIRST_RETRY_SECONDS, Answered, PatientClient
from chaos.promises import FINAL, Json, Promise

OPERATIONS_PER_SECOND: Final = 10.0
"""What two cores carry with faults going on; Temporal's development server alone carries 15 to 35 transfers."""
OPERATIONS_AT_ONCE: Final = 20
"""Many more than a healthy system has in flight at that pace; what a fault holds up is no more than these."""
_ENDS: Final = ("source_account", "destination_account")
_WAIT_SECONDS: Final = 5
_WATCH_SECONDS: Final = 10
PATIENCE_SECONDS: Final = 60
"""So long a client watches one transfer before it goes on to its next operation."""


class Load:
    def __init__(self, gateway_url: str, seed: int, findings: Findings) -> None:
        self._seed = seed
        self._journal = findings.journal
        self._promises = findings.promises
        self._turn_at = time.monotonic()
        self._openings: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._with_money: set[str] = set()
        self._at_once = asyncio.Semaphore(OPERATIONS_AT_ONCE)
        self._http = httpx.AsyncClient(
            base_url=gateway_url,
            timeout=ANSWER_SECONDS,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=CLIENTS),
            trust_env=False,
        )

        self._client = PatientClient(findings)
        self._batches = BatchLoad(self._http, self._client, findings)

    async def open_accounts(self) -> None:
        """The hot ones, side by side. A cold one is opened by whoever needs it first, through all faults."""
        hot = [(account_id, each.currency) for each in CURRENCIES for account_id in each.hot]
        while not all(await asyncio.gather(*(self._has_money(*account) for account in hot))):  # noqa: ASYNC110
            await asyncio.sleep(FIRST_RETRY_SECONDS)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; then each client ends the operation that it is at, and is acknowledged."""
        try:
            async with asyncio.TaskGroup() as clients:
                for client in range(CLIENTS):
                    clients.create_task(self._work(client, stop))
        finally:
            await self._http.aclose()

    async def _can_be_asked_for(self, operation: Operation) -> bool:
        """Not where an account has got no money: its opening may have been undone. Nor what wasn't asked for before."""
        if not operation.is_new_transfer:
            return self._promises.knows(operation.key)
        ends = {(item[end], item["currency"]) for item in operation.items for end in _ENDS}
        return all([await self._has_money(*account) for account in sorted(ends)])

    async def _has_money(self, account_id: str, currency: str) -> bool:
        async with self._openings[account_id]:
            if account_id not in self._with_money and await self._open_account(account_id, currency):
                self._with_money.add(account_id)
        return account_id in self._with_money

    async def _open_account(self, account_id: str, currency: str) -> bool:
        """Whether its opening transfer has completed. Asked again, the API starts one that has been forgotten."""
        body = {"id": account_id, "owner": "Chaos", "currency": currency, "opening_balance": OPENING_BALANCE}
        operation = Operation(-1, 0, Kind.VALID, f"open {account_id}", body)
        asked_at = self._journal.now
        answer, _ = await self._client.answer(
            operation, "POST /accounts", lambda: self._http.post("/accounts", json=body)
        )
        if not answer.is_success:
            self._client.surprised(operation, answer)
            return False
        opening = self._promises.acknowledged(operation.key, None, answer.json()["opening_transfer"], asked_at)
        await self._watch(operation, opening)
        return opening.status == "completed"

    async def _work(self, client: int, stop: asyncio.Event) -> None:
        for operation in operations(self._seed, client):
            await self._turn()
            async with self._at_once:
                if stop.is_set():
                    return
                if await self._can_be_asked_for(operation):
                    await self._perform(operation)

    async def _turn(self) -> None:
        """One operation after the other, by all clients together; time in which nobody came is not made up for."""
        self._turn_at = max(self._turn_at + 1 / OPERATIONS_PER_SECOND, time.monotonic())
        await asyncio.sleep(self._turn_at - time.monotonic())

    async def _perform(self, operation: Operation) -> None:
        match operation.kind:
            case Kind.READ:
                await self._read(operation)
            case Kind.OTHER_BODY:
                await self._try_another_body(operation)
            case Kind.BATCH:
                await self._batches.pay(operation)
            case _:
                promise = await self._pay(operation)
                if promise is not None:
                    await self._watch(operation, promise)

    async def _pay(self, operation: Operation) -> Promise | None:
        """A new transfer, or one that was asked for before."""
        asked_at = self._journal.now
        answer, last_asked_at = await self._post(operation)
        if not answer.is_success:
            self._client.surprised(operation, answer)
            return None
        transfer = answer.json()
        if operation.kind is Kind.REPEATED and "Idempotent-Replayed" not in answer.headers:
            self._client.surprised(operation, answer)
        promise = self._promises.acknowledged(operation.key, operation.kind, transfer["id"], asked_at)
        self._promises.told(transfer, self._journal.now, asked_at=last_asked_at)
        if operation.kind is Kind.CANCELLED:
            await self._cancel(operation, promise)
        return promise

    async def _post(self, operation: Operation) -> Answered:
        wait = 0 if operation.kind is Kind.CANCELLED else _WAIT_SECONDS
        headers = {"Idempotency-Key": operation.key, "Prefer": f"wait={wait}"}
        return await self._client.answer(
            operation, "POST /transfers", lambda: self._http.post("/transfers", json=operation.body, headers=headers)
        )

    async def _cancel(self, operation: Operation, promise: Promise) -> None:
        path = f"/transfers/{promise.transfer_id}/cancel"
        answer, _ = await self._client.answer(operation, f"POST {path}", lambda: self._http.post(path))
        if answer.status_code not in (202, 409):
            self._client.surprised(operation, answer)

    async def _try_another_body(self, operation: Operation) -> None:
        answer, _ = await self._post(operation)
        if answer.status_code != 422:
            self._client.surprised(operation, answer)

    async def _read(self, operation: Operation) -> None:
        promise = self._promises.of_key(operation.key)
        await self._look(operation, promise)
        path = f"/accounts/{operation.body['source_account']}"
        account, _ = await self._client.answer(operation, f"GET {path}", lambda: self._http.get(path))
        if account.status_code != 200 or any(account.json()[name].startswith("-") for name in ("balance", "held")):
            self._client.surprised(operation, account)

    async def _watch(self, operation: Operation, promise: Promise) -> None:
        """Until it is final, or patience ends."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        seen: Json = {}
        tag = ""
        while not promise.told and seen.get("status") not in FINAL and time.monotonic() < deadline:
            answer = await self._look(operation, promise, tag=tag)
            tag = answer.headers.get("ETag", "")
            seen = answer.json() if answer.status_code == 200 else seen
            if answer.status_code not in (200, 304):
                return

    async def _look(self, operation: Operation, promise: Promise, *, tag: str = "") -> httpx.Response:
        path = f"/transfers/{promise.transfer_id}"
        headers = {"If-None-Match": tag} if tag else {}
        wait = {"wait": _WATCH_SECONDS} if tag else {}
        answer, asked_at = await self._client.answer(
            operation, f"GET {path}", lambda: self._http.get(path, params=wait, headers=headers)
        )
        if answer.status_code == 200:
            self._promises.told(answer.json(), self._journal.now, asked_at=asked_at)
        elif answer.status_code != 304:
            self._client.surprised(operation, answer)
        return answer
