"""The lists of the public API on the running system: pages, filters, and nothing lost or shown twice meanwhile."""

import asyncio
from itertools import pairwise

import pytest
from system.public_api import FINAL, PublicApi

pytestmark = pytest.mark.system


async def start_some(api: PublicApi, source: str, destination: str, count: int) -> list[str]:
    return list(await asyncio.gather(*(api.start_transfer(source, destination) for _ in range(count))))


async def test_pages_have_no_gaps_and_no_duplicates_while_transfers_are_started_and_end(api: PublicApi) -> None:
    source, destination = await api.open_pair()
    first = await start_some(api, source, destination, 12)
    more = asyncio.create_task(start_some(api, source, destination, 8))
    listed = await asyncio.gather(*(api.all_items("/transfers", account=source, limit=limit) for limit in (1, 3, 100)))
    later = await more
    for items in listed:
        ids = [item["id"] for item in items if item["source_account"] == source]
        assert len(ids) == len(set(ids))
        assert set(first) <= set(ids) <= set(first + later)
        for newer, older in pairwise(items):
            assert (newer["created_at"], newer["id"]) > (older["created_at"], older["id"])
    await api.final_all(first + later)
    ended = await api.all_items("/transfers", account=destination, limit=7)
    assert {item["id"] for item in ended} == {*first, *later}
    assert {item["status"] for item in ended} == {"completed"}
    page = await api.get("/transfers", account=source)  # as long as it is where nobody says otherwise
    rest = await api.get("/transfers", account=source, cursor=page["next_cursor"])
    assert (len(page["items"]), len(rest["items"]), rest["next_cursor"]) == (20, 1, None)


async def test_a_list_shows_each_transfer_as_it_shows_itself(api: PublicApi) -> None:
    source, destination = await api.open_pair()
    transfers = await api.final_all(await start_some(api, source, destination, 3))
    newest_first = sorted(transfers, key=lambda transfer: (transfer["created_at"], transfer["id"]), reverse=True)
    assert await api.all_items("/transfers", account=destination) == newest_first


async def test_transfers_are_listed_by_status(api: PublicApi) -> None:
    source, destination = await api.open_pair("1.00")
    [completed, rejected, compensated, running] = await asyncio.gather(
        api.start_transfer(source, destination),
        api.start_transfer("nobody", source),
        api.start_transfer(await api.open_account("1.00"), "nobody", reference="to nobody"),
        api.start_transfer(await api.open_account("1.00"), source, scenario="slow"),
    )
    await api.final_all([completed, rejected, compensated])
    for transfer_id, status in (
        (completed, "completed"), (rejected, "rejected"), (compensated, "compensated"), (running, "running"),
    ):  # fmt: skip
        items = await api.all_items("/transfers", status=status, limit=50)
        assert transfer_id in {item["id"] for item in items}
        assert {item["status"] for item in items} <= ({status} if status in FINAL else {status, *FINAL})
    by_both = await api.all_items("/transfers", status="completed", account=source)
    assert {item["id"] for item in by_both} > {completed}
    assert {item["status"] for item in by_both} == {"completed"}
    assert (await api.http.post(f"/transfers/{running}/cancel")).status_code == 202


async def test_an_account_without_transfers_has_an_empty_list(api: PublicApi) -> None:
    assert await api.get("/transfers", account="nobody-at-all") == {"items": [], "next_cursor": None}


async def test_accounts_are_listed_by_id_page_by_page(api: PublicApi) -> None:
    opened = await asyncio.gather(*(api.open_account() for _ in range(5)))
    paged = await api.all_items("/accounts", limit=3)
    whole = await api.all_items("/accounts", limit=100)
    ids = [account["id"] for account in paged]
    assert ids == sorted(set(ids))
    assert {*opened} <= {*ids}
    assert {*ids} == {account["id"] for account in whole}
    assert opened[0] in ids
    assert await api.get(f"/accounts/{opened[0]}") == next(account for account in whole if account["id"] == opened[0])
