"""The clients: their operations follow from the seed, and what gets no answer is repeated until it has one."""

import asyncio
import itertools
from collections import Counter
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

import httpx
import pytest
from chaos import load, patient_client
from chaos.answers import NO_DEFECT
from chaos.batch_load import BatchLoad
from chaos.findings import Findings
from chaos.journal import UNKNOWN
from chaos.load import Load
from chaos.operations import (
    CURRENCIES,
    HOT_ACCOUNTS,
    LARGEST_BATCH,
    MIX,
    SMALLEST_BATCH,
    Body,
    Kind,
    Operation,
    item_key,
    kind_of_item,
    operations,
)
from chaos.patient_client import AS_PROMISED, PatientClient
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from live_server import live_server
from transfer_contract.batches import transfer_id_in

SEED: Final = 7


def some(client: int, number: int) -> list[Operation]:
    return list(itertools.islice(operations(SEED, client), number))


def test_a_clients_operations_are_the_same_in_every_run_and_others_for_another_client() -> None:
    assert some(1, 200) == some(1, 200)
    assert some(1, 200) != some(2, 200)


def test_seven_of_ten_pay_or_lack_the_money_and_each_of_the_others_is_one() -> None:
    groups = [
        {Kind.VALID, Kind.CONTENDED, Kind.CLOSED, Kind.INSUFFICIENT, Kind.BATCH},
        {Kind.REFUSED},
        {Kind.REPEATED, Kind.OTHER_BODY},
        {Kind.READ, Kind.CANCELLED},
    ]
    assert [sum(MIX[kind] for kind in group) for group in groups] == [70, 10, 10, 10]


def test_the_kinds_come_as_often_as_the_mix_says() -> None:
    kinds = Counter(operation.kind for client in range(20) for operation in some(client, 500))
    assert {kind: round(100 * kinds[kind] / kinds.total()) for kind in MIX} == pytest.approx(MIX, abs=2)


def test_a_key_again_says_the_same_or_another_body_of_an_earlier_operation() -> None:
    bodies: dict[str, Body] = {}
    for operation in some(3, 500):
        if operation.is_new_transfer:
            assert operation.key not in bodies
            bodies[operation.key] = operation.body
        else:
            same = operation.body == bodies[operation.key]
            assert same is (operation.kind is not Kind.OTHER_BODY)


def opening_of(account: dict[str, str]) -> dict[str, Any]:
    currency = account["currency"]
    return {
        "id": f"to {account['id']}", "source_account": f"treasury-{currency.lower()}", "reference": None,
        "destination_account": account["id"], "amount": account["opening_balance"], "currency": currency,
    }  # fmt: skip


class FlakyGateway:
    """Starts a transfer at the first request, and answers only every third one; all are final at once."""

    def __init__(self) -> None:
        self.app = FastAPI()
        self.app.state.stopping = asyncio.Event()
        self.transfers: dict[str, dict[str, Any]] = {}
        self.requests = itertools.count()
        self.forgets_keys = False
        self.no_answer = (503, {"Retry-After": "1"})
        self.tells: dict[str, str] = {}
        """What it says that it was asked for, whatever that was."""
        self.app.post("/transfers")(self.start)
        self.app.get("/transfers/{transfer_id}")(self.get)
        self.app.post("/transfer-batches")(self.start_batch)
        self.app.get("/transfer-batches/{batch_id}")(self.get_batch)
        self.app.get("/transfer-batches/{batch_id}/transfers")(self.list_batch)
        self.app.post("/transfers/{transfer_id}/cancel")(self.cancel)
        self.app.get("/accounts/{account_id}")(self.account)
        self.app.post("/accounts")(self.open)
        self.app.post("/accounts/{account_id}/close")(self.close)
        self.unpaid = ""
        """The account whose opening is undone."""

    async def start(self, request: Request) -> Response:
        body, key = await request.json(), request.headers["Idempotency-Key"]
        if self.forgets_keys:
            key = f"{key}/{next(self.requests)}"
        replayed = key in self.transfers
        transfer = self.transfers.setdefault(key, body | {"id": f"of {key}", "status": "completed"} | self.tells)
        if next(self.requests) % 3:
            status, headers = self.no_answer
            return JSONResponse({}, status, headers)
        if transfer["reference"] != body["reference"] and not self.tells:
            return JSONResponse({"code": "idempotency_key_reused"}, 422)
        return JSONResponse(transfer, 202, {"Idempotent-Replayed": "true"} if replayed else None)

    async def start_batch(self, request: Request) -> Response:
        items, key = (await request.json())["transfers"], request.headers["Idempotency-Key"]
        given = f"{key}/{next(self.requests)}" if self.forgets_keys else key
        batch_id = str(uuid5(NAMESPACE_URL, given))
        replayed = transfer_id_in(batch_id, 1) in {transfer["id"] for transfer in self.transfers.values()}
        for position, item in enumerate(items, start=1):
            transfer = item | {"id": transfer_id_in(batch_id, position), "status": "completed"} | self.tells
            self.transfers[item_key(given, position)] = transfer
        if next(self.requests) % 3:
            return JSONResponse({}, *self.no_answer)
        return JSONResponse({"id": batch_id}, 202, {"Idempotent-Replayed": "true"} if replayed else None)

    async def get_batch(self, batch_id: str) -> Any:
        return {"id": batch_id, "status": "finished"}

    async def list_batch(self, batch_id: str, limit: int, cursor: int = 0) -> Any:
        items = [each for each in self.transfers.values() if each["id"].startswith(f"{batch_id}-")]
        later = items[cursor + limit :]
        return {"items": items[cursor : cursor + limit], "next_cursor": str(cursor + limit) if later else None}

    async def get(self, transfer_id: str) -> Any:
        return next(transfer for transfer in self.transfers.values() if transfer["id"] == transfer_id)

    async def cancel(self, transfer_id: str) -> Response:
        return JSONResponse({"code": "not_cancellable"}, 409)

    async def open(self, request: Request) -> Response:
        account = await request.json()
        account_id = account["id"]
        if "opening_balance" not in account:
            return JSONResponse({}, 201)
        status = "compensated" if account_id == self.unpaid else "completed"
        opening = self.transfers.setdefault(f"open {account_id}", opening_of(account) | {"status": status})
        answer = JSONResponse({"opening_transfer": opening["id"]}, 201)
        return JSONResponse({}, *self.no_answer) if next(self.requests) % 3 else answer

    async def close(self, account_id: str) -> Any:
        return {"id": account_id, "status": "closed"}

    async def account(self, account_id: str) -> Any:
        return {"balance": "1.00", "held": "0.00"}


async def under_load(
    gateway: FlakyGateway, findings: Findings, monkeypatch: pytest.MonkeyPatch, *, transfers: int = 100
) -> None:
    monkeypatch.setattr(load, "OPERATIONS_PER_SECOND", 500)
    monkeypatch.setattr(load, "OPERATIONS_AT_ONCE", 50)
    monkeypatch.setattr(patient_client, "FIRST_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(patient_client, "_LONGEST_RETRY_SECONDS", 0.02)
    stop = asyncio.Event()
    async with live_server(gateway.app) as server:
        load_of_clients = Load(server.url, SEED, findings)
        clients = asyncio.create_task(load_of_clients.run(stop))
        while len(findings.promises.all) < transfers:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        stop.set()
        await clients
        await load_of_clients.close()
        assert load_of_clients.work.most_at_once > 1


async def test_clients_repeat_with_their_key_until_they_have_an_answer(
    findings: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = FlakyGateway()
    await under_load(gateway, findings, monkeypatch)
    assert findings.violations.all == []
    assert findings.journal.answers[UNKNOWN] > 100
    assert {promise.key for promise in findings.promises.all} == gateway.transfers.keys()


def a_batch() -> Operation:
    return next(each for each in operations(SEED, 1) if each.kind is Kind.BATCH)


def test_a_batch_asks_for_transfers_of_every_kind_of_one_currency_on_few_accounts() -> None:
    batch = a_batch()
    assert SMALLEST_BATCH <= len(batch.items) <= LARGEST_BATCH
    assert {kind_of_item(item) for item in batch.items} == {Kind.VALID, Kind.INSUFFICIENT, Kind.REFUSED}
    assert len({item["currency"] for item in batch.items}) == 1
    assert len({item["reference"] for item in batch.items}) == len(batch.items)
    assert len({item["source_account"] for item in batch.items}) <= HOT_ACCOUNTS


async def send(batch: Operation, gateway: FlakyGateway, findings: Findings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patient_client, "FIRST_RETRY_SECONDS", 0.01)
    async with live_server(gateway.app) as server, httpx.AsyncClient(base_url=server.url, trust_env=False) as http:
        await BatchLoad(http, PatientClient(findings), findings).pay(batch)


async def test_a_batch_is_posted_with_its_key_until_it_is_answered_and_each_of_its_transfers_is_promised(
    findings: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, gateway = a_batch(), FlakyGateway()
    await send(batch, gateway, findings, monkeypatch)
    assert findings.violations.all == []
    assert findings.journal.answers[UNKNOWN] >= 2
    assert {promise.key for promise in findings.promises.all} == gateway.transfers.keys()
    assert findings.promises.statuses == {"completed": len(batch.items)}


async def test_a_gateway_that_starts_a_second_batch_for_a_key_is_found(
    findings: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = FlakyGateway()
    gateway.forgets_keys = True
    await send(a_batch(), gateway, findings, monkeypatch)
    assert {violation.check for violation in findings.violations.all} == {AS_PROMISED}


async def test_a_batch_that_is_told_otherwise_than_it_was_asked_for_is_found(
    findings: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = FlakyGateway()
    gateway.tells = {"amount": "0.01"}
    await send(a_batch(), gateway, findings, monkeypatch)
    assert {violation.check for violation in findings.violations.all} == {"a transfer is told as it was asked for"}


async def test_an_answer_to_a_batch_that_is_a_defect_is_found(
    findings: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = FlakyGateway()
    gateway.no_answer = (503, {})
    await send(a_batch(), gateway, findings, monkeypatch)
    assert {violation.check for violation in findings.violations.all} == {NO_DEFECT}


async def test_an_account_whose_opening_was_undone_is_asked_for_nothing(
    findings: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = FlakyGateway()
    gateway.unpaid = CURRENCIES[0].hot[0]
    await under_load(gateway, findings, monkeypatch)
    assert findings.violations.all == []
    used = [transfer for key, transfer in gateway.transfers.items() if not key.startswith("open ")]
    assert used
    assert not any(gateway.unpaid in transfer.values() for transfer in used)


async def test_a_gateway_that_starts_a_second_transfer_for_a_key_is_found(
    findings: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = FlakyGateway()
    gateway.forgets_keys = True
    await under_load(gateway, findings, monkeypatch)
    found = {violation.check for violation in findings.violations.all}
    assert found == {"a key is one transfer", "every answer is one that the API promises"}


@pytest.mark.parametrize("no_answer", [(500, {"Retry-After": "1"}), (503, {})])
async def test_an_answer_that_is_a_defect_is_found_and_not_taken_for_an_unknown_one(
    findings: Findings, monkeypatch: pytest.MonkeyPatch, no_answer: tuple[int, dict[str, str]]
) -> None:
    gateway = FlakyGateway()
    gateway.no_answer = no_answer
    await under_load(gateway, findings, monkeypatch, transfers=20)
    assert {violation.check for violation in findings.violations.all} == {NO_DEFECT}
    if no_answer[0] == 500:
        assert findings.journal.answers[UNKNOWN] == 0


async def test_a_gateway_that_tells_another_transfer_than_was_asked_for_is_found(
    findings: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = FlakyGateway()
    gateway.tells = {"amount": "0.01"}
    await under_load(gateway, findings, monkeypatch, transfers=30)
    assert "a transfer is told as it was asked for" in {violation.check for violation in findings.violations.all}
