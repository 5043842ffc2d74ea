"""Fifty clients that pay, repeat, read and cancel; each repeats what it got no answer to until it has one."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import httpx
from chaos.batch_load import BatchLoad
from chaos.findings import Findings
from chaos.operations import CLIENTS, CURRENCIES, Kind, Operation, opening_balance, operations
from chaos.patient_client import ANSWER_SECONDS, FIRST_RETRY_SECONDS, Answered, PatientClient
from chaos.promises import FINAL, Json, Promise
from transfer_contract.identity import treasury_of

OPERATIONS_PER_SECOND: Final = 10.0
"""What two cores carry with faults going on; Temporal's development server alone carries 15 to 35 transfers."""
OPERATIONS_AT_ONCE: Final = 20
"""Many more than a healthy system has in flight at that pace; what a fault holds up is no more than these."""
_ENDS: Final = ("source_account", "destination_account")
_WAIT_SECONDS: Final = 5
_WATCH_SECONDS: Final = 10
PATIENCE_SECONDS: Final = 60
"""So long a client watches one transfer before it goes on to its next operation."""


@dataclass
class Work:
    """What the clients came to."""

    performed: int = 0
    skipped: int = 0
    """About an account without its money, or about what was never acknowledged."""
    under_way: int = 0
    most_at_once: int = 0
    seconds: float = 0.0

    @contextmanager
    def one(self) -> Iterator[None]:
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        try:
            yield
        finally:
            self.under_way -= 1
        self.performed += 1


class Load:
    def __init__(self, gateway_url: str, seed: int, findings: Findings) -> None:
        self._seed = seed
        self._journal = findings.journal
        self._promises = findings.promises
        self._turn_at = time.monotonic()
        self.work = Work()
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
        """The hot and the poor ones. A cold one is opened by whoever needs it first, through all faults."""
        hot = [(account_id, each.currency) for each in CURRENCIES for account_id in each.hot + each.poor]
        while not all(await asyncio.gather(*(self._has_money(*account) for account in hot))):  # noqa: ASYNC110
            await asyncio.sleep(FIRST_RETRY_SECONDS)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; then each client ends the operation that it is at, and is acknowledged."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as clients:
            for client in range(CLIENTS):
                clients.create_task(self._work(client, stop))
            await stop.wait()
            self.work.seconds = time.monotonic() - began

    async def close(self) -> None:
        await self._http.aclose()

    async def send_again(self, promises: Iterable[Promise]) -> None:
        """What nobody knows any more: with the same key and body it has to come to an end."""
        await asyncio.gather(*(self._send_again(promise) for promise in promises))

    async def _send_again(self, promise: Promise) -> None:
        if promise.kind is Kind.OPENING:
            await self._open_account(promise.body["destination_account"], promise.body["currency"])
            return
        operation = Operation(-1, 0, promise.kind, promise.key, promise.body)
        answer, asked_at = await self._post(operation)
        if answer.is_success:
            await self._watch(operation, promise)
        else:
            self._client.surprised(operation, answer, asked_at)

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
        money = opening_balance(account_id)
        body = {"id": account_id, "owner": "Chaos", "currency": currency}
        body |= {"opening_balance": money} if money else {}
        operation = _opening(account_id, currency, money or "0")
        asked_at = self._journal.now
        answer, last_asked_at = await self._client.answer(
            operation, "POST /accounts", lambda: self._http.post("/accounts", json=body)
        )
        if not answer.is_success:
            self._client.surprised(operation, answer, last_asked_at)
            return False
        if not money:
            return True
        opening = self._promises.acknowledged(operation, answer.json()["opening_transfer"], asked_at)
        await self._watch(operation, opening)
        return opening.status == "completed"

    async def _work(self, client: int, stop: asyncio.Event) -> None:
        for operation in operations(self._seed, client):
            await self._turn()
            async with self._at_once:
                if stop.is_set():
                    return
                if await self._can_be_asked_for(operation):
                    with self.work.one():
                        await self._perform(operation)
                else:
                    self.work.skipped += 1

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
        if operation.kind is Kind.REPEATED and self._promises.of_key(operation.key).body != operation.body:
            self._client.expect(operation, answer, {422}, last_asked_at)  # the key is another request's meanwhile
            return None
        if not answer.is_success:
            self._client.surprised(operation, answer, last_asked_at)
            return None
        transfer = answer.json()
        if operation.kind is Kind.REPEATED and "Idempotent-Replayed" not in answer.headers:
            self._client.surprised(operation, answer, last_asked_at)
        promise = self._promises.acknowledged(operation, transfer["id"], asked_at)
        self._tell(promise, transfer, last_asked_at)
        if operation.kind is Kind.CANCELLED:
            await self._try_to(operation, f"/transfers/{promise.transfer_id}/cancel", {202, 409})
        elif operation.kind is Kind.CLOSED:
            await self._try_to(operation, f"/accounts/{operation.body['destination_account']}/close", {200, 409})
        return promise

    async def _post(self, operation: Operation) -> Answered:
        wait = 0 if operation.kind in (Kind.CANCELLED, Kind.CLOSED) else _WAIT_SECONDS
        headers = {"Idempotency-Key": operation.key, "Prefer": f"wait={wait}"}
        return await self._client.answer(
            operation, "POST /transfers", lambda: self._http.post("/transfers", json=operation.body, headers=headers)
        )

    async def _try_to(self, operation: Operation, path: str, expected: set[int]) -> None:
        answer, asked_at = await self._client.answer(operation, f"POST {path}", lambda: self._http.post(path))
        self._client.expect(operation, answer, expected, asked_at)

    async def _try_another_body(self, operation: Operation) -> None:
        """What nobody knows any more (that is judged at the end) may be asked for with another body."""
        answer, asked_at = await self._post(operation)
        promise = self._promises.of_key(operation.key)
        if promise.body != operation.body:
            self._client.expect(operation, answer, {422}, asked_at)
        if answer.is_success:
            promise.body = operation.body

    async def _read(self, operation: Operation) -> None:
        promise = self._promises.of_key(operation.key)
        await self._look(operation, promise)
        path = f"/accounts/{operation.body['source_account']}"
        account, asked_at = await self._client.answer(operation, f"GET {path}", lambda: self._http.get(path))
        if account.status_code != 200 or any(account.json()[name].startswith("-") for name in ("balance", "held")):
            self._client.surprised(operation, account, asked_at)

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
            self._tell(promise, answer.json(), asked_at)
        else:
            self._client.expect(operation, answer, {304}, asked_at)
        return answer

    def _tell(self, promise: Promise, transfer: Json, asked_at: float) -> None:
        self._promises.judge_request(promise, transfer)
        self._promises.told(transfer, self._journal.now, asked_at=asked_at)


def _opening(account_id: str, currency: str, money: str) -> Operation:
    """The transfer that brings an account its money, as the product is to ask for it."""
    body = {"source_account": treasury_of(currency), "destination_account": account_id}
    return Operation(-1, 0, Kind.OPENING, f"open {account_id}", body | {"currency": currency, "amount": money})
