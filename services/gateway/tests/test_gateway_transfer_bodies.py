# ruff: noqa: RUF001 - letters and digits of other scripts are the point here
"""Every rule for the fields of `POST /transfers`: the answer names the field."""

import httpx
import pytest
from gateway_client import GatewayClient
from internal_api_fakes import World
from sample_bodies import JSON, as_json, new_transfer


async def refused(client: httpx.AsyncClient, body: object) -> dict[str, list[str]]:
    """The problem's code with the fields that it names."""
    answer = await client.post("/transfers", content=as_json(body), headers=JSON)
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    return {problem["code"]: [error["field"] for error in problem["errors"]]}


@pytest.mark.parametrize("field", ["source_account", "destination_account", "amount", "currency"])
async def test_a_missing_field_is_named(client: httpx.AsyncClient, field: str) -> None:
    body = new_transfer()
    del body[field]
    assert await refused(client, body) == {"invalid_request": [field]}


@pytest.mark.parametrize(
    "field", ["source_account", "destination_account", "amount", "currency", "reference", "scenario"]
)
@pytest.mark.parametrize("value", [5, 25.0, True, [], {}, ["alice"]], ids=repr)
async def test_a_value_of_another_type_is_never_converted(client: httpx.AsyncClient, field: str, value: object) -> None:
    assert await refused(client, new_transfer(**{field: value})) == {"invalid_request": [field]}


@pytest.mark.parametrize("field", ["source_account", "destination_account", "amount", "currency"])
async def test_null_is_no_value(client: httpx.AsyncClient, field: str) -> None:
    assert await refused(client, new_transfer(**{field: None})) == {"invalid_request": [field]}


@pytest.mark.parametrize("field", ["id", "Amount", "amount ", "source", "created_at", "transfer_id", ""])
async def test_an_unknown_field_is_refused(client: httpx.AsyncClient, field: str) -> None:
    assert list(await refused(client, new_transfer(**{field: "x"}))) == ["invalid_request"]


@pytest.mark.parametrize("field", ["source_account", "destination_account"])
@pytest.mark.parametrize(
    "account",
    [
        "",
        " ",
        "Alice",
        "ALICE",
        "a_b",
        "a.b",
        "a b",
        "alice\n",
        "\nalice",
        "ali\x00ce",
        "älice",
        "a" * 65,
        "../x",
        "a/b",
        "аlice",
        "alice\u200b",
        "１",
        "\ud800",
    ],
    ids=ascii,
)
async def test_an_account_id_of_other_characters_or_length_is_refused(
    client: httpx.AsyncClient, field: str, account: str
) -> None:
    assert await refused(client, new_transfer(**{field: account})) == {"invalid_request": [field]}


@pytest.mark.parametrize("account", ["a", "-", "0", "a-1", "a" * 64])
async def test_every_id_of_small_letters_digits_and_hyphens_is_accepted(
    client: httpx.AsyncClient, account: str
) -> None:
    assert (await client.post("/transfers", json=new_transfer(source_account=account))).status_code == 202


@pytest.mark.parametrize(
    "amount",
    [
        "0",
        "0.00",
        "000",
        "-1",
        "-1.00",
        "+1",
        "25.001",
        "1e3",
        "1E3",
        "",
        " ",
        " 1",
        "1 ",
        "1\n",
        ".5",
        "5.",
        "1,00",
        "1_0",
        "٢٥",
        "２５",
        "NaN",
        "Infinity",
        "0x1",
        "1234567890123",
        "1" * 5000,
        "25\x00",
        "\udfff",
    ],
    ids=lambda amount: ascii(amount)[:20],
)
async def test_an_amount_that_is_no_plain_positive_number_is_refused(client: httpx.AsyncClient, amount: str) -> None:
    assert await refused(client, new_transfer(amount=amount)) == {"invalid_request": ["amount"]}


@pytest.mark.parametrize(("currency", "amount"), [("JPY", "1.0"), ("KWD", "1.0001"), ("CLF", "0.00001"), ("JPY", "0")])
async def test_an_amount_is_judged_by_the_digits_of_its_currency(
    client: httpx.AsyncClient, currency: str, amount: str
) -> None:
    assert await refused(client, new_transfer(currency=currency, amount=amount)) == {"invalid_request": ["amount"]}


@pytest.mark.parametrize(
    "currency",
    ["", "eur", "Eur", "EURO", "EU", "XXX", "XAU", "XTS", "DEM", "ЕUR", "EUR\n", "E\x00R", "\ud800"],
    ids=ascii,
)
async def test_an_unknown_currency_is_refused(client: httpx.AsyncClient, currency: str) -> None:
    assert await refused(client, new_transfer(currency=currency)) == {"invalid_request": ["currency"]}


@pytest.mark.parametrize(
    "reference",
    ["x" * 141, "a\x00b", "a\nb", "\t", "a\rb", "\x1b[31m", "\x7f", "\x85", "\u2028", "\u2029", "\ud800", "a\udc00"],
    ids=lambda reference: ascii(reference)[:20],
)
async def test_a_reference_that_is_too_long_or_has_control_characters_is_refused(
    client: httpx.AsyncClient, reference: str
) -> None:
    assert await refused(client, new_transfer(reference=reference)) == {"invalid_request": ["reference"]}


@pytest.mark.parametrize(
    "reference", [None, "", "rent", "x" * 140, "Miete für März 🏠", "家賃", "<script>", "' OR 1=1 --"]
)
async def test_a_reference_arrives_as_it_was_sent(
    client: httpx.AsyncClient, world: World, reference: str | None
) -> None:
    answer = await client.post("/transfers", json=new_transfer(reference=reference))
    assert answer.status_code == 202
    assert answer.json()["reference"] == reference
    assert world.orders[answer.json()["id"]].reference == reference


async def test_equal_accounts_are_refused(client: httpx.AsyncClient) -> None:
    assert await refused(client, new_transfer(destination_account="alice")) == {
        "invalid_request": ["destination_account"]
    }


@pytest.mark.parametrize("field", ["source_account", "destination_account"])
async def test_a_treasury_can_not_be_named(client: httpx.AsyncClient, world: World, field: str) -> None:
    assert await refused(client, new_transfer(**{field: "treasury-eur"})) == {"treasury_not_allowed": [field]}
    assert world.orders == {}


async def test_an_unknown_scenario_is_refused(client: httpx.AsyncClient) -> None:
    assert await refused(client, new_transfer(scenario="ledger_explodes")) == {"invalid_request": ["scenario"]}


async def test_a_scenario_reaches_the_workflow_where_demo_faults_are_switched_on(
    client: httpx.AsyncClient, world: World
) -> None:
    await client.post("/transfers", json=new_transfer(scenario="ledger_rejects"))
    assert [order.scenario for order in world.orders.values()] == ["ledger_rejects"]


async def test_a_scenario_is_refused_where_demo_faults_are_switched_off(
    client_with: GatewayClient, world: World
) -> None:
    async with client_with(demo_faults=False) as client:
        assert await refused(client, new_transfer(scenario="slow")) == {"scenario_not_allowed": ["scenario"]}
        assert (await client.post("/transfers", json=new_transfer(scenario=None))).status_code == 202
    assert len(world.orders) == 1


async def test_all_wrong_fields_are_named_at_once(client: httpx.AsyncClient) -> None:
    body = new_transfer(source_account="A", amount="x", currency="EUR", reference="\x00", extra=1)
    assert await refused(client, body) == {"invalid_request": ["source_account", "amount", "reference", "extra"]}


@pytest.mark.parametrize(
    ("key", "status"),
    [
        ("k", 202),
        ("!~", 202),
        ('"quoted"', 202),
        ("k" * 255, 202),
        ("k" * 256, 422),
        ("", 422),
        ("a b", 422),
        ("ä", 422),
        ("a\tb", 422),
        ("\x7f", 422),
    ],
    ids=lambda value: ascii(value)[:12],
)
async def test_an_idempotency_key_has_1_to_255_visible_ascii_characters(
    client: httpx.AsyncClient, key: str, status: int
) -> None:
    answer = await client.post("/transfers", json=new_transfer(), headers=[(b"Idempotency-Key", key.encode("latin-1"))])
    assert answer.status_code == status
    if status == 422:
        assert [error["field"] for error in answer.json()["errors"]] == ["Idempotency-Key"]


async def test_two_idempotency_keys_are_refused(client: httpx.AsyncClient) -> None:
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "a")]
    answer = await client.post("/transfers", json=new_transfer(), headers=headers)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"
