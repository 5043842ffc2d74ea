# ruff: noqa: RUF001 - letters and digits of other scripts are the point here
"""Bad transfers of every kind to the running system: a 4xx problem that names the field, and nothing is started."""

import json
from collections.abc import AsyncIterator
from typing import Final
from uuid import uuid4

import pytest
from system.answer_forms import refused
from system.public_api import PublicApi, new_transfer

pytestmark = pytest.mark.system

SURROGATE: Final = "\ud800"

BAD_ACCOUNTS: Final[tuple[object, ...]] = (
    "", " ", "Alice", "a_b", "a/b", "../alice", "alice\n", "ali\x00ce", "älice", "аlice", "１", "a" * 65,
    SURROGATE, 5, 1.5, True, None, [], {}, ["alice"],
)  # fmt: skip
BAD_AMOUNTS: Final[tuple[object, ...]] = (
    "0", "0.00", "-1.00", "+1", "1e3", "1E3", "25.001", ".5", "5.", "1,00", "1_0", " 1", "1\n", "٢٥", "２５", "NaN",
    "Infinity", "0x1", "1234567890123", "9" * 5000, "1\x00", SURROGATE, "", 25, 25.0, 1e300, -1, True, None, [], {},
)  # fmt: skip
BAD_CURRENCIES: Final[tuple[object, ...]] = (
    "", "eur", "EURO", "EU", "XXX", "XAU", "DEM", "ЕUR", "EUR\n", "E\x00R", SURROGATE, 978, None, [], {},
)  # fmt: skip
BAD_FIELDS: Final[dict[str, tuple[object, ...]]] = {
    "source_account": BAD_ACCOUNTS,
    "destination_account": BAD_ACCOUNTS,
    "amount": BAD_AMOUNTS,
    "currency": BAD_CURRENCIES,
    "reference": ("a\x00b", "a\nb", "a\x7fb", "a\u2028b", SURROGATE, "x" * 141, 5, 1.5, True, [], {}),
    "scenario": ("", "Slow", "slow ", "unknown", SURROGATE, 1, True, [], {}),
    "created_at": ("2026-01-01T00:00:00Z", None),
    "transfer_id": (str(uuid4()),),
}
BAD_KEYS: Final = (b"", b"a b", b"a" * 256, "schlüssel".encode(), b"\x80", b"a\tb")


@pytest.fixture(scope="module")
async def accounts(api: PublicApi) -> AsyncIterator[tuple[str, str]]:
    """Accounts that could pay: in the end none of it has moved, and nothing was even tried."""
    source, destination = await api.open_pair("1000.00")
    before = await api.all_items("/transfers", account=source)
    yield source, destination
    assert await api.all_items("/transfers", account=source) == before
    assert await api.all_items("/transfers", account=destination) == []
    assert await api.money(source) == ("1000.00", "0.00")


async def post(api: PublicApi, body: object, **headers: str) -> tuple[str, list[str]]:
    """With escapes where a character can't be encoded: so a client can send lone surrogates."""
    content = json.dumps(body).encode()
    return refused(
        await api.http.post("/transfers", content=content, headers={"Content-Type": "application/json", **headers})
    )


@pytest.mark.parametrize("field", BAD_FIELDS)
async def test_a_field_with_a_bad_value_is_named(api: PublicApi, accounts: tuple[str, str], field: str) -> None:
    for value in BAD_FIELDS[field]:
        body = {**new_transfer(*accounts), field: value}
        assert await post(api, body) == ("invalid_request", [field]), ascii(value)


@pytest.mark.parametrize("field", ["source_account", "destination_account", "amount", "currency"])
async def test_a_missing_field_is_named(api: PublicApi, accounts: tuple[str, str], field: str) -> None:
    body = {name: value for name, value in new_transfer(*accounts).items() if name != field}
    assert await post(api, body) == ("invalid_request", [field])


async def test_an_account_can_not_pay_itself(api: PublicApi, accounts: tuple[str, str]) -> None:
    body = new_transfer(accounts[0], accounts[0])
    assert await post(api, body) == ("invalid_request", ["destination_account"])


@pytest.mark.parametrize("field", ["source_account", "destination_account"])
async def test_no_client_moves_a_treasurys_money(api: PublicApi, accounts: tuple[str, str], field: str) -> None:
    for treasury in ("treasury-eur", "treasury-"):
        body = new_transfer(*accounts) | {field: treasury}
        assert await post(api, body) == ("treasury_not_allowed", [field])


async def test_amounts_are_judged_by_their_currencys_digits(api: PublicApi, accounts: tuple[str, str]) -> None:
    for currency, amount in (("JPY", "1.0"), ("EUR", "1.000"), ("BHD", "1.0001")):
        assert await post(api, new_transfer(*accounts, currency=currency, amount=amount)) == (
            "invalid_request",
            ["amount"],
        )


@pytest.mark.parametrize("body", [None, True, 5, "text", [], [{}], {}], ids=json.dumps)
async def test_a_body_that_is_no_transfer_is_refused(api: PublicApi, body: object) -> None:
    code, fields = await post(api, body)
    assert (code, bool(fields)) == ("invalid_request", True)


def not_json(accounts: tuple[str, str]) -> dict[str, bytes]:
    valid = json.dumps(new_transfer(*accounts)).encode()
    return {
        "nothing": b"",
        "half of it": valid[:40],
        "a duplicate key": valid[:-1] + b', "amount": "2.00"}',
        "an escaped duplicate key": valid[:-1] + rb', "\u0061mount": "2.00"}',
        "a trailing comma": valid[:-1] + b",}",
        "two documents": valid + valid,
        "NaN": b'{"amount": NaN}',
        "UTF-16": valid.decode().encode("utf-16"),
        "a byte order mark": b"\xef\xbb\xbf" + valid,
        "broken UTF-8": valid.replace(b"EUR", b"\xff"),
        "raw NUL": valid.replace(b"EUR", b"\x00"),
        "deep arrays": b"[" * 60_000,
        "deep objects": b'{"a":' * 12_000,
        "a huge number": b'{"amount": ' + b"9" * 60_000 + b"}",
    }


async def test_what_is_not_strict_json_is_refused(api: PublicApi, accounts: tuple[str, str]) -> None:
    for name, content in not_json(accounts).items():
        for path in ("/transfers", "/accounts"):
            response = await api.http.post(path, content=content, headers={"Content-Type": "application/json"})
            assert refused(response) == ("invalid_json", []), (name, path)


@pytest.mark.parametrize(
    "media_type", ["", "text/plain", "text/csv", "application/xml", "application/json; charset=utf-16", "application/"]
)
async def test_another_media_type_is_refused(api: PublicApi, accounts: tuple[str, str], media_type: str) -> None:
    assert await post(api, new_transfer(*accounts), **{"Content-Type": media_type}) == ("unsupported_media_type", [])


async def test_a_compressed_body_is_refused(api: PublicApi, accounts: tuple[str, str]) -> None:
    body = new_transfer(*accounts)
    assert await post(api, body, **{"Content-Encoding": "gzip"}) == ("unsupported_media_type", [])


async def test_a_body_of_more_than_64_kib_is_refused(api: PublicApi, accounts: tuple[str, str]) -> None:
    assert await post(api, new_transfer(*accounts, reference="x" * 65_536)) == ("body_too_large", [])


@pytest.mark.parametrize("key", BAD_KEYS, ids=ascii)
async def test_a_bad_idempotency_key_is_named(api: PublicApi, accounts: tuple[str, str], key: bytes) -> None:
    response = await api.http.post(
        "/transfers", json=new_transfer(*accounts), headers={b"Idempotency-Key": key, b"Prefer": b"wait=1"}
    )
    assert refused(response) == ("invalid_request", ["Idempotency-Key"])


async def test_two_idempotency_keys_are_one_too_many(api: PublicApi, accounts: tuple[str, str]) -> None:
    headers = [("Idempotency-Key", "one"), ("Idempotency-Key", "two")]
    response = await api.http.post("/transfers", json=new_transfer(*accounts), headers=headers)
    assert refused(response) == ("invalid_request", ["Idempotency-Key"])
