"""Listing, cancelling and retrying transfers, and addresses that name none."""

from typing import Any

import httpx
import pytest
from internal_api_fakes import World
from started_transfer import ID, started
from transfer_contract.names import Process
from transfer_contract.transfers import TransferStatus


async def test_an_unknown_transfer_is_404(client: httpx.AsyncClient) -> None:
    for call in ("GET /transfers/unknown", "POST /transfers/unknown/cancel", "POST /transfers/unknown/retry"):
        answer = await client.request(*call.split())
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_list_passes_its_filters_on_and_answers_a_page(client: httpx.AsyncClient, world: World) -> None:
    await started(client)
    world.next_cursor = "abc_-~9"
    answer = await client.get("/transfers?status=needs_attention&account=treasury-eur&limit=100&cursor=xyz")
    assert answer.json()["next_cursor"] == "abc_-~9"
    assert [item["id"] for item in answer.json()["items"]] == [ID]
    assert answer.json()["items"][0]["amount"] == "25.00"
    assert world.calls(Process.STATUS_CHECKER)[-1].query == {
        "status": "needs_attention",
        "account": "treasury-eur",
        "limit": "100",
        "cursor": "xyz",
    }


async def test_a_list_has_20_items_by_default(client: httpx.AsyncClient, world: World) -> None:
    assert (await client.get("/transfers")).json() == {"items": [], "next_cursor": None}
    assert world.calls(Process.STATUS_CHECKER)[-1].query == {"limit": "20"}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=done", "status"),
        ("status=", "status"),
        ("status=COMPLETED", "status"),
        ("account=Alice", "account"),
        ("account=", "account"),
        ("account=a%00b", "account"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("limit=", "limit"),
        ("limit=%EF%BC%91", "limit"),
        ("cursor=", "cursor"),
        ("cursor=a%00", "cursor"),
        ("cursor=a%0A", "cursor"),
        ("cursor=%C3%A4", "cursor"),
        ("cursor=" + "a" * 256, "cursor"),
        ("acount=alice", "acount"),
        ("limit=1&limit=2", "limit"),
        ("limit=1&limit=1", "limit"),
        ("account=%FF", "query"),
        ("%FF=1", "query"),
        ("account=%zz", "account"),
        ("account=%", "account"),
    ],
)
async def test_an_odd_query_is_refused(client: httpx.AsyncClient, query: str, field: str) -> None:
    answer = await client.get(f"/transfers?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_a_cancel_is_a_request_and_answers_the_transfer(client: httpx.AsyncClient, world: World) -> None:
    await started(client)
    answer = await client.post(f"/transfers/{ID}/cancel")
    assert (answer.status_code, answer.json()["id"]) == (202, ID)
    assert answer.headers["Location"] == f"/transfers/{ID}"
    assert world.calls(Process.WORKFLOW_HANDLER)[-1].path == f"/transfers/{ID}/cancel"


async def test_a_final_transfer_is_not_cancellable(client: httpx.AsyncClient, world: World) -> None:
    world.status_of_new = TransferStatus.COMPLETED
    await started(client)
    answer = await client.post(f"/transfers/{ID}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_cancellable")


async def test_only_a_parked_transfer_is_retried(client: httpx.AsyncClient, world: World) -> None:
    await started(client)
    answer = await client.post(f"/transfers/{ID}/retry")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_parked")
    world.parked.add(ID)
    assert (await client.post(f"/transfers/{ID}/retry")).status_code == 202


@pytest.mark.parametrize("call", ["GET /transfers/{}", "POST /transfers/{}/cancel", "POST /transfers/{}/retry"])
@pytest.mark.parametrize("bad_id", ["A", "a_b", "a.b", "a" * 65, "%C3%A4", "%FF", "a%20b", "%25", "%2e%2e", "a%C2%85"])
async def test_an_id_of_other_characters_is_refused(client: httpx.AsyncClient, call: str, bad_id: str) -> None:
    answer = await client.request(*call.format(bad_id).split())
    problem: dict[str, Any] = answer.json()
    assert answer.status_code in (404, 422)
    if answer.status_code == 422:
        assert [error["field"] for error in problem["errors"]] == ["id"]
