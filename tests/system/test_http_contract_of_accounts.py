"""`/accounts` of the public API on the running system: open, get, list, entries, close."""

import asyncio
from uuid import uuid4

import pytest
from system.answer_forms import assert_is_moment
from system.public_api import Json, PublicApi, new_transfer, step_is

pytestmark = pytest.mark.system

ACCOUNT_FIELDS = ["id", "owner", "currency", "balance", "held", "status", "created_at"]


def new_account(**fields: str) -> Json:
    return {"id": f"account-{uuid4().hex[:12]}", "owner": "Zoë Öztürk", "currency": "EUR"} | fields


async def test_an_account_is_opened_with_money_by_a_transfer_that_anybody_can_look_at(api: PublicApi) -> None:
    body = new_account()
    response = await api.http.post("/accounts", json=body | {"opening_balance": "12.5"})
    account = response.json()
    assert response.status_code == 201
    assert response.headers["Location"] == f"/accounts/{body['id']}"
    assert list(account) == [*ACCOUNT_FIELDS, "opening_transfer"]
    opening = await api.final(account["opening_transfer"])
    assert (opening["status"], opening["amount"]) == ("completed", "12.50")
    assert (opening["source_account"], opening["destination_account"]) == ("treasury-eur", body["id"])
    opened = await api.get(f"/accounts/{body['id']}")
    assert list(opened) == ACCOUNT_FIELDS
    assert_is_moment(opened.pop("created_at"))
    assert opened == body | {"balance": "12.50", "held": "0.00", "status": "open"}


@pytest.mark.parametrize("fields", [{}, {"opening_balance": "0"}, {"opening_balance": "0.00"}])
async def test_an_account_without_money_needs_no_opening_transfer(api: PublicApi, fields: Json) -> None:
    response = await api.http.post("/accounts", json=new_account(**fields))
    assert (response.status_code, list(response.json())) == (201, ACCOUNT_FIELDS)


async def test_the_same_account_again_is_no_error_and_moves_no_money(api: PublicApi) -> None:
    body = new_account(opening_balance="7.00")
    answers = await asyncio.gather(*(api.http.post("/accounts", json=body) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 201]
    assert len({answer.json()["opening_transfer"] for answer in answers}) == 1
    await api.final(answers[0].json()["opening_transfer"])
    again = await api.http.post("/accounts", json=body | {"opening_balance": "7"})
    assert (again.status_code, again.json()["balance"]) == (200, "7.00")
    assert again.headers["Location"] == f"/accounts/{body['id']}"


@pytest.mark.parametrize("other", [{"owner": "Another"}, {"currency": "USD"}, {"opening_balance": "7.01"}])
async def test_an_account_with_other_data_exists_already(api: PublicApi, other: Json) -> None:
    body = new_account(opening_balance="7.00")
    assert (await api.http.post("/accounts", json=body)).status_code == 201
    response = await api.http.post("/accounts", json=body | other)
    assert (response.status_code, response.json()["code"]) == (409, "account_exists")


async def test_an_empty_account_is_closed_as_often_as_anybody_likes(api: PublicApi) -> None:
    account = await api.open_account()
    for _ in range(2):
        response = await api.http.post(f"/accounts/{account}/close")
        assert (response.status_code, response.json()["status"]) == (200, "closed")
    assert (await api.get(f"/accounts/{account}"))["status"] == "closed"


async def test_an_account_with_money_is_not_closed(api: PublicApi) -> None:
    account = await api.open_account("0.01")
    response = await api.http.post(f"/accounts/{account}/close")
    assert (response.status_code, response.json()["code"]) == (409, "account_not_empty")


async def test_an_account_that_may_get_money_back_is_not_closed(api: PublicApi) -> None:
    """All that the source had is held by the destination, and will be put back: both have something to wait for."""
    source, destination = await api.open_pair("5.00")
    transfer = await api.start_transfer(source, destination, amount="5.00", scenario="slow_compensation")
    await api.until(transfer, step_is("deposit_compensation", "running"))
    assert await api.money(source) == ("0.00", "0.00")
    assert await api.money(destination) == ("0.00", "5.00")
    for account in (source, destination):
        response = await api.http.post(f"/accounts/{account}/close")
        assert (response.status_code, response.json()["code"]) == (409, "account_not_empty")


@pytest.mark.parametrize("path", ["", "/entries"])
async def test_an_unknown_account_is_not_found(api: PublicApi, path: str) -> None:
    response = await api.http.get(f"/accounts/nobody{path}")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_an_unknown_account_can_not_be_closed(api: PublicApi) -> None:
    response = await api.http.post("/accounts/nobody/close")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_nobody_opens_or_closes_a_treasury(api: PublicApi) -> None:
    answers = [
        await api.http.post("/accounts", json=new_account(id="treasury-eur")),
        await api.http.post("/accounts", json=new_account(id="treasury-my-own")),
        await api.http.post("/accounts/treasury-eur/close"),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(422, "treasury_not_allowed")] * 3


async def test_a_treasury_has_paid_what_the_accounts_of_its_currency_have(api: PublicApi) -> None:
    """Danish crowns, which no other test uses."""
    await api.open_account("3.00", currency="DKK")
    account = await api.open_account("4.50", currency="DKK")
    assert (await api.get("/accounts/treasury-dkk"))["balance"] == "-7.50"
    assert [entry["amount"] for entry in await api.all_items("/accounts/treasury-dkk/entries")] == ["-4.50", "-3.00"]
    assert [entry["amount"] for entry in await api.all_items(f"/accounts/{account}/entries")] == ["4.50"]


async def test_entries_tell_how_a_balance_came_about_newest_first(api: PublicApi) -> None:
    account, other = await asyncio.gather(api.open_account("10.00"), api.open_account("10.00"))
    transfers = []
    for source, destination, amount in ((account, other, "1.00"), (other, account, "0.25"), (account, other, "9.25")):
        response = await api.post_transfer(new_transfer(source, destination, amount=amount), wait_seconds=20)
        assert response.json()["status"] == "completed"
        transfers.append(response.json())
    await api.final(await api.start_transfer(account, other))  # rejected: no entry
    entries = await api.all_items(f"/accounts/{account}/entries", limit=2)
    assert [(entry["amount"], entry["balance_after"]) for entry in entries] == [
        ("-9.25", "0.00"), ("0.25", "9.25"), ("-1.00", "9.00"), ("10.00", "10.00"),
    ]  # fmt: skip
    assert [entry["transfer_id"] for entry in entries[:3]] == [transfer["id"] for transfer in reversed(transfers)]
    assert {tuple(entry) for entry in entries} == {("transfer_id", "amount", "balance_after", "created_at")}
    for entry in entries:
        assert_is_moment(entry["created_at"])


async def test_an_account_that_never_had_money_has_no_entries(api: PublicApi) -> None:
    assert await api.get(f"/accounts/{await api.open_account()}/entries") == {"items": [], "next_cursor": None}
