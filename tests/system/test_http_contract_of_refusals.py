"""What participants refuse, and whose digits an amount has, as the running system's clients see it."""

import asyncio

import pytest
from system.public_api import PublicApi, new_transfer

pytestmark = pytest.mark.system


async def outcome(api: PublicApi, source: str, destination: str, **fields: str) -> tuple[str, str, str]:
    transfer = await api.final(await api.start_transfer(source, destination, **fields))
    return transfer["status"], transfer["failure"]["code"], transfer["failure"]["step"]


async def closed_account(api: PublicApi) -> str:
    account = await api.open_account()
    assert (await api.http.post(f"/accounts/{account}/close")).status_code == 200
    return account


async def test_what_is_refused_before_money_moves_ends_rejected(api: PublicApi) -> None:
    source, destination = await api.open_pair()
    closed = await closed_account(api)
    outcomes = await asyncio.gather(
        outcome(api, "nobody", destination),
        outcome(api, closed, destination),
        outcome(api, source, destination, currency="USD"),
        outcome(api, destination, source, amount="999999999999.99"),
    )
    assert [*outcomes] == [
        ("rejected", "unknown_account", "withdraw"),
        ("rejected", "account_closed", "withdraw"),
        ("rejected", "currency_mismatch", "withdraw"),
        ("rejected", "insufficient_funds", "withdraw"),
    ]


async def test_what_the_destination_refuses_is_put_back(api: PublicApi) -> None:
    source, closed, dollars = await asyncio.gather(
        api.open_account("10.00"), closed_account(api), api.open_account(currency="USD")
    )
    assert await asyncio.gather(*(outcome(api, source, account) for account in ("nobody", closed, dollars))) == [
        ("compensated", "unknown_account", "deposit"),
        ("compensated", "account_closed", "deposit"),
        ("compensated", "currency_mismatch", "deposit"),
    ]
    assert await api.money(source) == ("10.00", "0.00")


async def test_currencies_keep_their_own_digits(api: PublicApi) -> None:
    yen, dinars = await asyncio.gather(
        *(
            asyncio.gather(api.open_account(balance, currency=currency), api.open_account(currency=currency))
            for balance, currency in (("500", "JPY"), ("5.125", "BHD"))
        )
    )
    paid = await asyncio.gather(
        api.post_transfer(new_transfer(*yen, amount="499", currency="JPY"), wait_seconds=10),
        api.post_transfer(new_transfer(*dinars, amount="0.1", currency="BHD"), wait_seconds=10),
    )
    assert [response.json()["amount"] for response in paid] == ["499", "0.100"]
    assert [await api.money(account) for account in (*yen, *dinars)] == [
        ("1", "0"), ("499", "0"), ("5.025", "0.000"), ("0.100", "0.000"),
    ]  # fmt: skip
