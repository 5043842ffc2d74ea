"""`/transfers` of the public API on the running system: POST, GET, cancel, retry."""

import asyncio
import time
from uuid import uuid4

import httpx
import pytest
from system.public_api import Json, PublicApi, new_transfer

pytestmark = pytest.mark.system

UNKNOWN = f"/transfers/{uuid4()}"
SUMMARY = ["status", "source_account", "destination_account", "amount", "currency", "reference"]


@pytest.fixture(scope="module")
async def accounts(api: PublicApi) -> tuple[str, str]:
    return await api.open_pair("1000.00")


@pytest.fixture(scope="module")
def rent(accounts: tuple[str, str]) -> Json:
    return new_transfer(*accounts, amount="25.0", reference="Miete für März 🙂")


@pytest.fixture(scope="module")
async def completed(api: PublicApi, rent: Json) -> httpx.Response:
    return await api.post_transfer(rent, key="rent", wait_seconds=10)


async def test_a_transfer_is_accepted_before_it_is_done(api: PublicApi, accounts: tuple[str, str]) -> None:
    response = await api.post_transfer(new_transfer(*accounts, scenario="ledger_fails_twice"))
    assert response.status_code == 202
    assert response.headers["Location"] == f"/transfers/{response.json()['id']}"
    assert response.headers["Retry-After"] == "1"
    assert "Idempotent-Replayed" not in response.headers
    assert "Preference-Applied" not in response.headers
    assert response.json()["status"] in ("accepted", "running")
    assert (await api.final(response.json()["id"]))["status"] == "completed"


async def test_a_client_that_prefers_to_wait_gets_the_final_transfer(
    accounts: tuple[str, str], completed: httpx.Response
) -> None:
    transfer = completed.json()
    assert completed.status_code == 200
    assert completed.headers["Preference-Applied"] == "wait=10"
    assert completed.headers["Location"] == f"/transfers/{transfer['id']}"
    assert "Retry-After" not in completed.headers
    assert [transfer[name] for name in SUMMARY] == ["completed", *accounts, "25.00", "EUR", "Miete für März 🙂"]
    assert [(step["status"], step["attempts"], step["error"]) for step in transfer["steps"]] == [("done", 1, None)] * 4
    moments = [moment for step in transfer["steps"] for moment in (step["started_at"], step["finished_at"])]
    assert [transfer["created_at"], *moments] == sorted([transfer["created_at"], *moments])
    assert transfer["finished_at"] == moments[-1]
    assert transfer["waiting_for"] is None


async def test_a_wait_that_ends_too_early_answers_the_transfer_as_it_is(
    api: PublicApi, accounts: tuple[str, str]
) -> None:
    response = await api.post_transfer(new_transfer(*accounts, scenario="ledger_fails_twice"), wait_seconds=1)
    assert response.status_code == 202
    assert response.headers["Preference-Applied"] == "wait=1"
    assert response.json()["status"] == "running"


async def test_the_same_request_again_is_the_same_transfer(
    api: PublicApi, rent: Json, completed: httpx.Response
) -> None:
    again = await api.post_transfer(rent | {"amount": "25"}, key="rent")
    assert again.status_code == 202
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json() == completed.json()
    waited = await api.post_transfer(rent, key="rent", wait_seconds=0)
    assert (waited.status_code, waited.json()) == (200, completed.json())


@pytest.mark.parametrize("other", [{"amount": "25.01"}, {"reference": "Rent"}, {"scenario": "slow"}])
async def test_the_key_of_another_request_is_refused(
    api: PublicApi, rent: Json, completed: httpx.Response, other: Json
) -> None:
    response = await api.post_transfer(rent | other, key="rent")
    assert (response.status_code, response.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_key_belongs_to_its_request_from_the_first_moment_on(api: PublicApi, accounts: tuple[str, str]) -> None:
    key = str(uuid4())
    bodies = [new_transfer(*accounts, amount=amount) for amount in ("1.00", "2.00")] * 5
    answers = await asyncio.gather(*(api.post_transfer(body, key=key) for body in bodies))
    won = {answer.json()["amount"] for answer in answers if answer.status_code == 202}
    lost = {answer.json()["code"] for answer in answers if answer.status_code != 202}
    assert len(won) == 1
    assert lost == {"idempotency_key_reused"}


async def test_a_final_transfer_is_the_same_in_every_field_wherever_it_is_read(
    api: PublicApi, accounts: tuple[str, str], completed: httpx.Response
) -> None:
    transfer = completed.json()
    assert await api.transfer(transfer["id"]) == transfer
    assert transfer in await api.all_items("/transfers", account=accounts[0])
    assert transfer in await api.all_items("/transfers", status="completed")


async def test_a_transfer_has_a_version_that_a_client_can_ask_by(api: PublicApi, completed: httpx.Response) -> None:
    address = completed.headers["Location"]
    first = await api.http.get(address)
    assert first.headers["Cache-Control"] == "no-cache"
    assert "Retry-After" not in first.headers
    unchanged = await api.http.get(address, headers={"If-None-Match": first.headers["ETag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["ETag"] == first.headers["ETag"]
    changed = await api.http.get(address, headers={"If-None-Match": '"another"'})
    assert (changed.status_code, changed.json()) == (200, first.json())


async def test_a_final_transfer_is_not_waited_for(api: PublicApi, completed: httpx.Response) -> None:
    etag = (await api.http.get(completed.headers["Location"])).headers["ETag"]
    started = time.monotonic()
    for headers, status in (({}, 200), ({"If-None-Match": etag}, 304)):
        answer = await api.http.get(completed.headers["Location"], params={"wait": 30}, headers=headers)
        assert answer.status_code == status
    assert time.monotonic() - started < 10


async def test_a_wait_ends_with_the_change_and_not_before(api: PublicApi, accounts: tuple[str, str]) -> None:
    address = f"/transfers/{await api.start_transfer(*accounts, scenario='slow')}"
    await api.until(address.rsplit("/", 1)[1], lambda transfer: bool(transfer["status"] == "running"))
    first = await api.http.get(address)
    assert first.headers["Retry-After"] == "1"
    known = {"If-None-Match": first.headers["ETag"]}
    started = time.monotonic()
    unchanged = await api.http.get(address, params={"wait": 2}, headers=known)
    assert unchanged.status_code == 304
    assert time.monotonic() - started >= 2
    waiting = asyncio.create_task(api.http.get(address, params={"wait": 30}, headers=known))
    assert (await api.http.post(f"{address}/cancel")).status_code == 202
    changed = await waiting
    assert changed.status_code == 200
    assert changed.json() != first.json()
    assert time.monotonic() - started < 2 + 30 / 2


async def test_a_transfer_that_does_not_exist_is_not_found_by_any_call(api: PublicApi) -> None:
    answers = [
        await api.http.get(UNKNOWN),
        await api.http.post(f"{UNKNOWN}/cancel"),
        await api.http.post(f"{UNKNOWN}/retry"),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(404, "not_found")] * 3


async def test_a_final_transfer_can_not_be_cancelled_or_retried(api: PublicApi, completed: httpx.Response) -> None:
    address = completed.headers["Location"]
    answers = [await api.http.post(f"{address}/{command}") for command in ("cancel", "retry")]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
        (409, "not_cancellable"),
        (409, "not_parked"),
    ]


async def test_without_a_key_every_request_is_a_transfer_of_its_own(api: PublicApi, accounts: tuple[str, str]) -> None:
    answers = await asyncio.gather(*(api.http.post("/transfers", json=new_transfer(*accounts)) for _ in range(2)))
    assert len({answer.json()["id"] for answer in answers}) == 2
    assert not any("Idempotent-Replayed" in answer.headers for answer in answers)
