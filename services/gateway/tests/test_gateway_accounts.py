# ruff: noqa: RUF001 - letters and digits of other scripts are the point here
"""Opening, reading, listing and closing accounts over the fakes of the internal APIs."""

import httpx
import pytest
from internal_api_fakes import NOW, World
from sample_bodies import JSON, as_json, new_account
from transfer_contract.http import Account, Entry
from transfer_contract.identity import opening_transfer_id
from transfer_contract.names import Process


def account(balance_minor: int = 0, currency: str = "EUR", held_minor: int = 0) -> Account:
    return Account(
        id="alice",
        owner="Alice",
        currency=currency,
        balance_minor=balance_minor,
        held_minor=held_minor,
        opening_balance_minor=0,
        status="open",
        created_at=NOW,
    )


async def refused(client: httpx.AsyncClient, body: object) -> dict[str, list[str]]:
    """The problem's code with the fields that it names."""
    answer = await client.post("/accounts", content=as_json(body), headers=JSON)
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    return {problem["code"]: [error["field"] for error in problem["errors"]]}


async def test_an_account_without_money_is_created(client: httpx.AsyncClient, world: World) -> None:
    answer = await client.post("/accounts", json=new_account())
    assert answer.status_code == 201
    assert answer.headers["Location"] == "/accounts/alice"
    assert answer.json() == {
        "id": "alice",
        "owner": "Alice",
        "currency": "EUR",
        "balance": "0.00",
        "held": "0.00",
        "status": "open",
        "created_at": "2026-01-31T09:00:00.123456Z",
    }
    assert world.orders == {}


async def test_an_opening_balance_is_a_transfer_from_the_treasury(client: httpx.AsyncClient, world: World) -> None:
    answer = await client.post("/accounts", json=new_account(currency="KWD", opening_balance="10.5"))
    opening_transfer = opening_transfer_id("alice")
    assert (answer.status_code, answer.json()["opening_transfer"]) == (201, opening_transfer)
    order = world.orders[opening_transfer]
    assert (order.source_account, order.destination_account) == ("treasury-kwd", "alice")
    assert (order.amount_minor, order.currency) == (10500, "KWD")


@pytest.mark.parametrize("balance", ["0", "0.00", "000.0", None])
async def test_an_opening_balance_of_nothing_starts_no_transfer(
    client: httpx.AsyncClient, world: World, balance: str | None
) -> None:
    answer = await client.post("/accounts", json=new_account(opening_balance=balance))
    assert (answer.status_code, "opening_transfer" in answer.json()) == (201, False)
    assert world.orders == {}


async def test_a_repeat_with_the_same_data_is_200_and_starts_nothing_twice(
    client: httpx.AsyncClient, world: World
) -> None:
    first = await client.post("/accounts", json=new_account(opening_balance="10.00"))
    second = await client.post("/accounts", json=new_account(opening_balance="10"))
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json() == first.json()
    assert second.headers["Location"] == "/accounts/alice"
    assert len(world.orders) == 1


async def test_a_repeat_starts_the_opening_transfer_that_is_missing(client: httpx.AsyncClient, world: World) -> None:
    world.faults[Process.WORKFLOW_HANDLER] = "is unavailable"
    body = new_account(opening_balance="10.00")
    assert (await client.post("/accounts", json=body)).status_code == 503
    assert (list(world.accounts), list(world.orders)) == (["alice"], [])
    world.faults.clear()
    answer = await client.post("/accounts", json=body)
    assert (answer.status_code, list(world.orders)) == (200, [answer.json()["opening_transfer"]])


@pytest.mark.parametrize("change", [{"owner": "Bob"}, {"currency": "USD"}, {"opening_balance": "1.00"}], ids=repr)
async def test_the_same_id_with_other_data_is_a_conflict(
    client: httpx.AsyncClient, world: World, change: dict[str, str]
) -> None:
    await client.post("/accounts", json=new_account())
    answer = await client.post("/accounts", json=new_account(**change))
    assert (answer.status_code, answer.json()["code"]) == (409, "account_exists")
    assert world.orders == {}


@pytest.mark.parametrize("field", ["id", "owner", "currency"])
async def test_a_missing_field_is_named(client: httpx.AsyncClient, field: str) -> None:
    body = new_account()
    del body[field]
    assert await refused(client, body) == {"invalid_request": [field]}


@pytest.mark.parametrize("field", ["id", "owner", "currency", "opening_balance"])
@pytest.mark.parametrize("value", [5, 1.5, True, [], {}], ids=repr)
async def test_a_value_of_another_type_is_never_converted(client: httpx.AsyncClient, field: str, value: object) -> None:
    assert await refused(client, new_account(**{field: value})) == {"invalid_request": [field]}


@pytest.mark.parametrize("field", ["balance", "status", "held", "opening_transfer", "created_at"])
async def test_an_unknown_field_is_refused(client: httpx.AsyncClient, field: str) -> None:
    assert await refused(client, new_account(**{field: "x"})) == {"invalid_request": [field]}


@pytest.mark.parametrize("account_id", ["", "Alice", "a b", "a" * 65, "a\n", "\x00", "ä", "\ud800"], ids=ascii)
async def test_an_id_of_other_characters_or_length_is_refused(client: httpx.AsyncClient, account_id: str) -> None:
    assert await refused(client, new_account(id=account_id)) == {"invalid_request": ["id"]}


@pytest.mark.parametrize(
    "owner", ["", " ", "\u00a0\u2003", "x" * 101, "a\x00", "a\nb", "\x9f", "\ud800"], ids=lambda owner: ascii(owner)[:9]
)
async def test_an_owner_that_is_blank_too_long_or_has_control_characters_is_refused(
    client: httpx.AsyncClient, owner: str
) -> None:
    assert await refused(client, new_account(owner=owner)) == {"invalid_request": ["owner"]}


@pytest.mark.parametrize("currency", ["eur", "XXX", "XAU", "", "EURO"])
async def test_an_unknown_currency_is_refused(client: httpx.AsyncClient, currency: str) -> None:
    assert await refused(client, new_account(currency=currency)) == {"invalid_request": ["currency"]}


@pytest.mark.parametrize("balance", ["-1", "+1", "", "1.001", "1e3", "１", "1234567890123", " 1", "NaN"])
async def test_an_opening_balance_that_is_no_plain_number_is_refused(client: httpx.AsyncClient, balance: str) -> None:
    assert await refused(client, new_account(opening_balance=balance)) == {"invalid_request": ["opening_balance"]}


async def test_a_treasury_can_not_be_opened_or_closed(client: httpx.AsyncClient, world: World) -> None:
    assert await refused(client, new_account(id="treasury-eur")) == {"treasury_not_allowed": ["id"]}
    answer = await client.post("/accounts/treasury-eur/close")
    assert (answer.status_code, answer.json()["code"]) == (422, "treasury_not_allowed")
    assert world.seen == []


@pytest.mark.parametrize(
    ("balance_minor", "currency", "balance"),
    [(2500, "EUR", "25.00"), (-2505, "EUR", "-25.05"), (7, "JPY", "7"), (-1, "KWD", "-0.001"), (0, "CLF", "0.0000")],
)
async def test_an_account_reads_with_the_digits_of_its_currency(
    client: httpx.AsyncClient, world: World, balance_minor: int, currency: str, balance: str
) -> None:
    world.accounts["alice"] = account(balance_minor, currency)
    answer = await client.get("/accounts/alice")
    assert (answer.status_code, answer.json()["balance"]) == (200, balance)


async def test_held_money_is_shown_apart(client: httpx.AsyncClient, world: World) -> None:
    world.accounts["alice"] = account(100, held_minor=2500)
    answer = await client.get("/accounts/alice")
    assert (answer.json()["balance"], answer.json()["held"]) == ("1.00", "25.00")


async def test_accounts_are_listed_in_pages(client: httpx.AsyncClient, world: World) -> None:
    world.accounts["alice"] = account()
    world.next_cursor = "alice"
    page = (await client.get("/accounts?limit=1&cursor=a")).json()
    assert ([item["id"] for item in page["items"]], page["next_cursor"]) == (["alice"], "alice")
    assert world.calls(Process.ACCOUNT_API)[0].query == {"limit": "1", "cursor": "a"}


async def test_entries_are_signed_and_in_pages(client: httpx.AsyncClient, world: World) -> None:
    world.accounts["alice"] = account()
    world.entries["alice"] = [
        Entry(transfer_id="t2", amount_minor=-2500, balance_after_minor=7500, currency="EUR", created_at=NOW),
        Entry(transfer_id="t1", amount_minor=10000, balance_after_minor=10000, currency="EUR", created_at=NOW),
    ]
    moment = "2026-01-31T09:00:00.123456Z"
    answer = await client.get("/accounts/alice/entries?limit=2&cursor=9")
    assert answer.json() == {
        "items": [
            {"transfer_id": "t2", "amount": "-25.00", "balance_after": "75.00", "created_at": moment},
            {"transfer_id": "t1", "amount": "100.00", "balance_after": "100.00", "created_at": moment},
        ],
        "next_cursor": None,
    }
    assert world.calls(Process.LEDGER_API)[0].query == {"limit": "2", "cursor": "9"}


async def test_an_unknown_account_is_404(client: httpx.AsyncClient) -> None:
    for call in ("GET /accounts/nobody", "GET /accounts/nobody/entries", "POST /accounts/nobody/close"):
        answer = await client.request(*call.split())
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_an_empty_account_is_closed(client: httpx.AsyncClient, world: World) -> None:
    world.accounts["alice"] = account()
    answer = await client.post("/accounts/alice/close")
    assert (answer.status_code, answer.json()["status"]) == (200, "closed")


async def test_an_account_with_money_is_not_closed(client: httpx.AsyncClient, world: World) -> None:
    world.accounts["alice"] = account(1)
    answer = await client.post("/accounts/alice/close")
    assert (answer.status_code, answer.json()["code"]) == (409, "account_not_empty")


@pytest.mark.parametrize("call", ["GET /accounts/{}", "GET /accounts/{}/entries", "POST /accounts/{}/close"])
@pytest.mark.parametrize("bad_id", ["Alice", "a_b", "a" * 65, "%C3%A4", "%FF", "a%20b", "treasury_eur"])
async def test_an_id_of_other_characters_in_the_address_is_refused(
    client: httpx.AsyncClient, call: str, bad_id: str
) -> None:
    answer = await client.request(*call.format(bad_id).split())
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["id"]
