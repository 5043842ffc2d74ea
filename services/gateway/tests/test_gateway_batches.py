"""`POST /transfer-batches` and what tells of a batch, against the contract."""

import asyncio
import csv
import io
import json
import tracemalloc
from typing import Any

import httpx
import pytest
from gateway.batch_bodies import LINES_TOLD, judge_batch
from gateway_client import GatewayClient
from held_bodies import HeldBodies
from internal_api_fakes import World
from service_runtime.problems import Problem
from transfer_contract.batches import MAX_TRANSFERS, ORDERS_AT_ONCE, transfer_id_in
from transfer_contract.identity import batch_id_from_key
from transfer_contract.names import Process

KEY = {"Idempotency-Key": "salaries-2026-01"}
CSV = {**KEY, "Content-Type": "text/csv"}
BATCH_ID = batch_id_from_key("salaries-2026-01")
HEADER = "source_account,destination_account,amount,currency,reference"


def transfer(**changes: Any) -> dict[str, Any]:
    return {"source_account": "alice", "destination_account": "bob", "amount": "25", "currency": "EUR"} | changes


async def start(client: httpx.AsyncClient, *transfers: dict[str, Any], **more: Any) -> httpx.Response:
    return await client.post("/transfer-batches", json={"transfers": transfers, **more}, headers=KEY)


def fields(problem: httpx.Response) -> list[str]:
    return [error["field"] for error in problem.json()["errors"]]


# POST


async def test_a_batch_is_accepted_stored_and_run(client: httpx.AsyncClient, world: World) -> None:
    answer = await start(client, transfer(), transfer(currency="USD", amount="0.5"), transfer(), reference="January")
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/transfer-batches/{BATCH_ID}"
    assert answer.headers["Retry-After"] == "1"
    assert answer.json() == {
        "id": BATCH_ID,
        "status": "accepted",
        "reference": "January",
        "total": 3,
        "counts": {"accepted": 3, "running": 0, "compensating": 0, "completed": 0, "rejected": 0, "compensated": 0},
        "totals": [
            {"currency": "EUR", "amount": "50.00", "completed": "0.00", "rejected": "0.00", "compensated": "0.00"},
            {"currency": "USD", "amount": "0.50", "completed": "0.00", "rejected": "0.00", "compensated": "0.00"},
        ],
        "created_at": "2026-01-31T09:00:00.123456Z",
        "finished_at": None,
    }
    assert world.batches.started == [BATCH_ID]
    assert [item.amount_minor for item in world.batches.orders[BATCH_ID].transfers] == [2500, 50, 2500]


async def test_the_same_key_and_body_is_the_same_batch_and_another_body_is_refused(client: httpx.AsyncClient) -> None:
    first = await start(client, transfer())
    again = await start(client, transfer(amount="25.00"))
    assert (first.headers.get("Idempotent-Replayed"), again.headers["Idempotent-Replayed"]) == (None, "true")
    assert again.json()["id"] == first.json()["id"]
    other = await start(client, transfer(), transfer())
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_batch_that_has_finished_is_not_run_again(client: httpx.AsyncClient, world: World) -> None:
    await start(client, transfer())
    world.batches.final = True
    again = await start(client, transfer())
    assert (again.json()["status"], again.json()["counts"]["completed"]) == ("finished", 1)
    assert "Retry-After" not in again.headers
    assert world.batches.started == [BATCH_ID]


async def test_a_batch_comes_as_csv_too_with_columns_in_any_order(client: httpx.AsyncClient, world: World) -> None:
    header = "\ufeffamount,currency,destination_account,source_account,reference"
    body = "\r\n".join([header, '25.00,EUR,bob,alice,"a, b"', "", "1,JPY,bob,alice,", ""])
    answer = await client.post("/transfer-batches", content=body.encode(), headers=CSV)
    assert answer.status_code == 202, answer.text
    first, second = world.batches.orders[BATCH_ID].transfers
    assert (first.source_account, first.amount_minor, first.reference) == ("alice", 2500, "a, b")
    assert (second.amount_minor, second.currency, second.reference) == (1, "JPY", None)


async def test_json_and_csv_of_the_same_batch_are_the_same_order(client: httpx.AsyncClient) -> None:
    await start(client, transfer())
    again = await client.post("/transfer-batches", content=f"{HEADER}\nalice,bob,25.00,EUR,\n", headers=CSV)
    assert again.headers["Idempotent-Replayed"] == "true"


async def test_an_unanswered_batch_can_be_repeated_with_the_key_that_it_tells(
    client: httpx.AsyncClient, world: World
) -> None:
    world.faults[Process.WORKFLOW_HANDLER] = "is unavailable"
    answer = await client.post("/transfer-batches", json={"transfers": [transfer()]})
    assert answer.status_code == 503
    world.faults.clear()
    key = answer.headers["Idempotency-Key"]
    again = await client.post("/transfer-batches", json={"transfers": [transfer()]}, headers={"Idempotency-Key": key})
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (202, "true")


# what is wrong


async def test_a_wrong_batch_is_refused_whole_with_each_wrong_field_of_each_line(
    client: httpx.AsyncClient, world: World
) -> None:
    answer = await start(
        client,
        transfer(),
        transfer(amount="0"),
        transfer(source_account="Alice", amount="1.234"),
        transfer(extra=1),
        "not a transfer",  # type: ignore[arg-type]
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert fields(answer) == [
        "transfers.1.amount",
        "transfers.2.source_account",
        "transfers.2.amount",
        "transfers.3.extra",
        "transfers.4",
    ]
    assert world.batches.orders == {}


async def test_wrong_lines_of_a_file_are_told_by_their_numbers_in_it(client: httpx.AsyncClient) -> None:
    body = f"{HEADER}\nalice,bob,1.00,EUR,\n\nalice,alice,1.00,EUR,\nalice,bob,1.00,XXX,\nalice,bob,-1,EUR,\n"
    answer = await client.post("/transfer-batches", content=body, headers=CSV)
    assert fields(answer) == ["line 4.destination_account", "line 5.currency", "line 6.amount"]


async def test_the_first_hundred_wrong_lines_are_told_each_with_all_its_errors(client: httpx.AsyncClient) -> None:
    answer = await start(client, transfer(), *[transfer(source_account="Alice", amount="0")] * 250)
    wrong = [f"transfers.{index}.{name}" for index in range(1, 101) for name in ("source_account", "amount")]
    assert fields(answer) == wrong
    assert "250 of its transfers are wrong. These are the first 100" in answer.json()["detail"]


async def test_whatever_is_wrong_with_the_lines_of_a_file_all_of_them_are_told_at_once(
    client: httpx.AsyncClient,
) -> None:
    lines = [
        "alice,bob,1.00",
        "alice,bob,0,EUR,",
        "alice,treasury-eur,1.00,EUR,",
        "alice,bob,1.00,EUR,",
        "a,b,1,EUR,,,",
    ]
    answer = await client.post("/transfer-batches", content="\n".join([HEADER, *lines]), headers=CSV)
    assert fields(answer) == ["line 2", "line 3.amount", "line 4.destination_account", "line 6"]
    assert answer.json()["code"] == "invalid_request"


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ("", ["body"]),
        ("source_account,amount,iban\nalice,1,x\n", ["iban", "destination_account", "currency"]),
        (f"{HEADER},amount\n", ["amount"]),
        (f"{HEADER}\nalice,bob,1.00\n", ["line 2"]),
        (f"{HEADER}\n", ["transfers"]),
        (f'{HEADER}\nalice,bob,"1.00,EUR,\n', ["body"]),
        (b"\xff\xfe", ["body"]),
        (f"{HEADER}\nalice,bob,1.00,EUR,a\tb\n", ["line 2.reference"]),
    ],
)
async def test_files_that_are_no_batch_are_refused_with_a_reason(
    client: httpx.AsyncClient, body: str | bytes, wrong: list[str]
) -> None:
    answer = await client.post("/transfer-batches", content=body, headers=CSV)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert fields(answer) == wrong


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "invalid_json"),
        (b'{"transfers": [], "transfers": []}', 400, "invalid_json"),
        (b"[]", 422, "invalid_request"),
        (b'{"transfers": []}', 422, "invalid_request"),
        (b'{"transfers": {}}', 422, "invalid_request"),
        (b'{"transfers": [], "note": 1}', 422, "invalid_request"),
        (b" " * (8 * 1024 * 1024 + 1), 413, "body_too_large"),
    ],
)
async def test_bodies_that_are_no_batch(client: httpx.AsyncClient, body: bytes, status: int, code: str) -> None:
    answer = await client.post("/transfer-batches", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_other_media_types_are_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/transfer-batches", content="x", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415


HOSTILE = {
    "CSV of short lines": (f"{HEADER}\n" + "a\n" * 60_000, "text/csv"),
    "CSV of many columns": ("," * 200_000, "text/csv"),
    "JSON of empty lists": ('{"transfers": [' + "[]," * 60_000 + "[]]}", "application/json"),
    "JSON of unknown fields": (
        json.dumps({"transfers": [{f"f{number}": 1 for number in range(40)}] * 1_000}),
        "application/json",
    ),
    "JSON of many fields": (json.dumps({"transfers": [{f"f{n}": 1 for n in range(20_000)}]}), "application/json"),
    "JSON without transfers": (json.dumps({f"f{number}": 1 for number in range(20_000)}), "application/json"),
}


@pytest.mark.parametrize(("body", "media_type"), HOSTILE.values(), ids=HOSTILE)
def test_judging_a_hostile_body_takes_no_more_than_forty_times_its_size(body: str, media_type: str) -> None:
    """What an empty list takes in Python for its three bytes, and a bit."""
    given = body.encode()
    tracemalloc.start()
    try:
        with pytest.raises(Problem) as refused:
            judge_batch(given, is_csv=media_type == "text/csv", demo_faults=False)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(refused.value.errors) <= LINES_TOLD * 50
    assert most < 40 * len(given)


async def test_no_more_orders_are_read_than_are_taken_in_side_by_side(client: httpx.AsyncClient) -> None:
    bodies = HeldBodies(json.dumps({"transfers": [transfer()]}).encode())

    async def post() -> int:
        headers = {"Content-Type": "application/json"}
        return (await client.post("/transfer-batches", content=bodies.body(), headers=headers)).status_code

    posts = [asyncio.create_task(post()) for _ in range(ORDERS_AT_ONCE + 2)]
    await bodies.settle()
    assert bodies.begun == ORDERS_AT_ONCE
    bodies.let_go()
    assert await asyncio.gather(*posts) == [202] * len(posts)


async def test_ten_thousand_transfers_are_one_batch_and_one_more_is_not(client: httpx.AsyncClient) -> None:
    most = [transfer(reference="r" * 140)] * MAX_TRANSFERS
    assert (await start(client, *most)).status_code == 202
    assert fields(await start(client, *most, transfer())) == ["transfers"]


async def test_treasuries_and_scenarios_are_refused_as_for_one_transfer(
    client: httpx.AsyncClient, client_with: GatewayClient
) -> None:
    answer = await start(client, transfer(), transfer(source_account="treasury-eur"))
    assert (answer.json()["code"], fields(answer)) == ("treasury_not_allowed", ["transfers.1.source_account"])
    assert (await start(client, transfer(scenario="deposit_fails"))).status_code == 202
    async with client_with(demo_faults=False) as strict:
        answer = await start(strict, transfer(scenario="slow"))
    assert (answer.json()["code"], fields(answer)) == ("scenario_not_allowed", ["transfers.0.scenario"])


async def test_a_check_says_what_a_batch_adds_up_to_and_sends_nothing(client: httpx.AsyncClient, world: World) -> None:
    body = {"transfers": [transfer(), transfer(amount="0.01"), transfer(currency="JPY")]}
    answer = await client.post("/transfer-batches/check", json=body)
    assert answer.json() == {
        "total": 3,
        "totals": [
            {"currency": "EUR", "transfers": 2, "amount": "25.01"},
            {"currency": "JPY", "transfers": 1, "amount": "25"},
        ],
    }
    wrong = await client.post("/transfer-batches/check", json={"transfers": [transfer(amount="0")]})
    assert fields(wrong) == ["transfers.0.amount"]
    assert world.batches.orders == {}


# GET


async def test_a_batch_and_its_transfers_are_told(client: httpx.AsyncClient, world: World) -> None:
    await start(client, *[transfer()] * 3)
    assert (await client.get(f"/transfer-batches/{BATCH_ID}")).json()["total"] == 3
    page = (await client.get(f"/transfer-batches/{BATCH_ID}/transfers", params={"limit": 2})).json()
    assert [item["id"] for item in page["items"]] == [transfer_id_in(BATCH_ID, 1), transfer_id_in(BATCH_ID, 2)]
    rest = {"cursor": page["next_cursor"]}
    page = (await client.get(f"/transfer-batches/{BATCH_ID}/transfers", params=rest)).json()
    assert [item["id"] for item in page["items"]] == [transfer_id_in(BATCH_ID, 3)]
    for path in ("", "/transfers", "/outcomes", "/events"):
        assert (await client.get(f"/transfer-batches/{batch_id_from_key('another')}{path}")).status_code == 404


async def test_the_outcomes_are_a_file_with_a_line_for_each_transfer(client: httpx.AsyncClient) -> None:
    await start(client, *[transfer(reference='say "hi"')] * 1234)
    answer = await client.get(f"/transfer-batches/{BATCH_ID}/outcomes")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert f"batch-{BATCH_ID}.csv" in answer.headers["Content-Disposition"]
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    assert [int(line["position"]) for line in lines] == list(range(1, 1235))
    assert lines[-1]["id"] == transfer_id_in(BATCH_ID, 1234)
    assert (lines[0]["amount"], lines[0]["reference"], lines[0]["status"]) == ("25.00", 'say "hi"', "accepted")


async def test_no_reference_is_a_formula_and_each_can_be_had_back(client: httpx.AsyncClient) -> None:
    written = ["=1+1", "+49 30", "-1", "@SUM(A1)", "\uff1d1", "'=1", "'quoted'", "rent", "a=b"]
    await start(client, *[transfer(reference=reference) for reference in written])
    answer = await client.get(f"/transfer-batches/{BATCH_ID}/outcomes")
    told = [line["reference"] for line in csv.DictReader(io.StringIO(answer.text))]
    assert not any(reference[0] in "=+-@\uff1d" for reference in told)
    assert [reference.removeprefix("'") for reference in told] == written
    assert told[-2:] == written[-2:]


async def test_a_batch_is_followed_to_its_end_and_not_beyond(client: httpx.AsyncClient) -> None:
    await start(client, transfer())
    answer = await client.get(f"/transfer-batches/{BATCH_ID}/events")
    blocks = [block for block in answer.text.split("\n\n") if "event: batch" in block]
    told = [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks]
    assert [json.loads(each["data"])["status"] for each in told] == ["accepted", "finished"]
    again = {"Last-Event-ID": told[-1]["id"]}
    assert (await client.get(f"/transfer-batches/{BATCH_ID}/events", headers=again)).status_code == 204
