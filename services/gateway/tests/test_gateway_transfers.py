"""Starting, reading, listing, cancelling and retrying transfers over the fakes of the internal APIs."""

from datetime import timedelta, timezone
from typing import Any

import httpx
import pytest
from internal_api_fakes import NOW, World
from sample_bodies import new_transfer
from transfer_contract.identity import transfer_id_from_key
from transfer_contract.names import Process
from transfer_contract.steps import Compensation, FailureCode, Step, StepError
from transfer_contract.transfers import FailureView, StepStatus, StepView, TransferStatus, TransferView

KEY = {"Idempotency-Key": "rent-may"}
ID = transfer_id_from_key("rent-may")


async def started(client: httpx.AsyncClient, **headers: str) -> httpx.Response:
    return await client.post("/transfers", json=new_transfer(), headers={**KEY, **headers})


def compensated_view() -> TransferView:
    later = NOW.astimezone(timezone(timedelta(hours=2)))
    steps = [
        StepView(
            name=Step.WITHDRAW,
            kind="forward",
            status=StepStatus.DONE,
            attempts=1,
            started_at=later,
            finished_at=later,
            error=None,
        ),
        StepView(
            name=Compensation.WITHDRAW,
            kind="compensation",
            status=StepStatus.RETRYING,
            attempts=2,
            started_at=NOW,
            finished_at=None,
            error=StepError(code="demo_fault", detail="It fails."),
        ),
    ]
    return TransferView(
        id="some-id",
        status=TransferStatus.COMPENSATED,
        source_account="alice",
        destination_account="bob",
        amount_minor=2500,
        currency="EUR",
        reference="rent",
        created_at=NOW,
        finished_at=later,
        steps=steps,
        failure=FailureView(code=FailureCode.LEDGER_REJECTED, step=Step.RECORD, detail="Rejected."),
        waiting_for=Process.ACCOUNT_WORKER,
    )


async def test_a_transfer_is_accepted_with_its_address_and_when_to_look_again(client: httpx.AsyncClient) -> None:
    answer = await started(client)
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/transfers/{ID}"
    assert answer.headers["Retry-After"] == "1"
    assert answer.json()["id"] == ID
    assert answer.json()["status"] == "accepted"
    assert "Idempotent-Replayed" not in answer.headers
    assert "Preference-Applied" not in answer.headers


async def test_the_order_carries_minor_units_and_what_the_client_asked_for(
    client: httpx.AsyncClient, world: World
) -> None:
    await client.post("/transfers", json=new_transfer(amount="25.5", reference="rent"), headers=KEY)
    assert world.orders[ID].model_dump() == {
        "transfer_id": ID,
        "source_account": "alice",
        "destination_account": "bob",
        "amount_minor": 2550,
        "currency": "EUR",
        "reference": "rent",
        "scenario": None,
    }


@pytest.mark.parametrize(
    ("amount", "currency", "normalised"),
    [
        ("1", "EUR", "1.00"),
        ("01.5", "EUR", "1.50"),
        ("7", "JPY", "7"),
        ("0.5", "KWD", "0.500"),
        ("999999999999", "CLF", "999999999999.0000"),
    ],
)
async def test_amounts_come_back_normalised(
    client: httpx.AsyncClient, amount: str, currency: str, normalised: str
) -> None:
    answer = await client.post("/transfers", json=new_transfer(amount=amount, currency=currency))
    assert answer.json()["amount"] == normalised


async def test_the_same_key_and_body_is_the_same_transfer_replayed(client: httpx.AsyncClient, world: World) -> None:
    first, second = await started(client), await started(client)
    assert (second.status_code, second.json()) == (202, first.json())
    assert second.headers["Idempotent-Replayed"] == "true"
    assert len(world.orders) == 1


async def test_the_same_key_with_the_same_amount_written_otherwise_is_a_replay(client: httpx.AsyncClient) -> None:
    await started(client)
    second = await client.post("/transfers", json=new_transfer(amount="25"), headers=KEY)
    assert second.headers["Idempotent-Replayed"] == "true"


async def test_the_same_key_with_another_body_is_refused(client: httpx.AsyncClient) -> None:
    await started(client)
    answer = await client.post("/transfers", json=new_transfer(amount="26.00"), headers=KEY)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


async def test_without_a_key_every_call_is_a_new_transfer(client: httpx.AsyncClient, world: World) -> None:
    ids = {(await client.post("/transfers", json=new_transfer())).json()["id"] for _ in range(3)}
    assert len(ids) == len(world.orders) == 3


async def test_a_preferred_wait_answers_200_once_the_transfer_is_final(client: httpx.AsyncClient, world: World) -> None:
    world.completes_while_waited_for = True
    answer = await started(client, Prefer="respond-async, WAIT=5")
    assert (answer.status_code, answer.json()["status"]) == (200, "completed")
    assert answer.headers["Preference-Applied"] == "wait=5"
    assert answer.headers["Location"] == f"/transfers/{ID}"
    assert "Retry-After" not in answer.headers
    assert world.calls(Process.STATUS_CHECKER)[0].query == {"wait": "5", "until": "final"}


async def test_a_preferred_wait_that_passes_answers_202(client: httpx.AsyncClient) -> None:
    answer = await started(client, Prefer="wait=1")
    assert (answer.status_code, answer.headers["Preference-Applied"]) == (202, "wait=1")


async def test_a_preferred_wait_of_more_than_30_seconds_is_cut(client: httpx.AsyncClient, world: World) -> None:
    answer = await started(client, Prefer="wait=86400")
    assert answer.headers["Preference-Applied"] == "wait=30"
    assert world.calls(Process.STATUS_CHECKER)[0].query["wait"] == "30"


async def test_a_malformed_preference_is_ignored(client: httpx.AsyncClient, world: World) -> None:
    answer = await started(client, Prefer="wait=soon")
    assert (answer.status_code, "Preference-Applied" in answer.headers) == (202, False)
    assert world.calls(Process.STATUS_CHECKER)[0].query["wait"] == "0"


async def test_without_a_preference_a_final_transfer_is_still_202(client: httpx.AsyncClient, world: World) -> None:
    world.status_of_new = TransferStatus.COMPLETED
    answer = await started(client)
    assert (answer.status_code, "Retry-After" in answer.headers) == (202, False)


async def test_a_started_transfer_that_can_not_be_seen_yet_is_503_and_never_404(
    client: httpx.AsyncClient, world: World
) -> None:
    world.forgets_new = True
    answer = await started(client)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert len(world.orders) == 1


async def test_a_transfer_reads_as_documented(client: httpx.AsyncClient, world: World) -> None:
    world.views["some-id"] = compensated_view()
    answer = await client.get("/transfers/some-id")
    moment = "2026-01-31T09:00:00.123456Z"
    assert answer.status_code == 200
    assert list(answer.json().items()) == [
        ("id", "some-id"),
        ("status", "compensated"),
        ("source_account", "alice"),
        ("destination_account", "bob"),
        ("amount", "25.00"),
        ("currency", "EUR"),
        ("reference", "rent"),
        ("created_at", moment),
        ("finished_at", moment),
        (
            "steps",
            [
                {
                    "name": "withdraw",
                    "kind": "forward",
                    "status": "done",
                    "attempts": 1,
                    "started_at": moment,
                    "finished_at": moment,
                    "error": None,
                },
                {
                    "name": "withdraw_compensation",
                    "kind": "compensation",
                    "status": "retrying",
                    "attempts": 2,
                    "started_at": moment,
                    "finished_at": None,
                    "error": {"code": "demo_fault", "detail": "It fails."},
                },
            ],
        ),
        ("failure", {"code": "ledger_rejected", "step": "record", "detail": "Rejected."}),
        ("waiting_for", "account-worker"),
    ]


async def test_a_final_transfer_has_an_entity_tag_and_no_retry_after(client: httpx.AsyncClient, world: World) -> None:
    world.views["some-id"] = view = compensated_view()
    answer = await client.get("/transfers/some-id")
    assert answer.headers["ETag"] == f'"{view.version}"'
    assert answer.headers["Cache-Control"] == "no-cache"
    assert "Retry-After" not in answer.headers


async def test_a_transfer_that_is_not_final_says_when_to_look_again(client: httpx.AsyncClient) -> None:
    await started(client)
    assert (await client.get(f"/transfers/{ID}")).headers["Retry-After"] == "1"


@pytest.mark.parametrize("form", ['"{}"', 'W/"{}"', '"x", "{}"', "*"])
async def test_an_unchanged_transfer_is_304(client: httpx.AsyncClient, form: str) -> None:
    await started(client)
    tag = (await client.get(f"/transfers/{ID}")).headers["ETag"]
    answer = await client.get(f"/transfers/{ID}", headers={"If-None-Match": form.format(tag.strip('"'))})
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["ETag"] == tag
    assert answer.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("header", ['"0123456789abcdef0123456789abcdef"', '"x"', "garbage", "", '"'])
async def test_a_changed_transfer_is_200_whatever_the_tag_looks_like(client: httpx.AsyncClient, header: str) -> None:
    await started(client)
    assert (await client.get(f"/transfers/{ID}", headers={"If-None-Match": header})).status_code == 200


async def test_a_wait_passes_the_clients_version_on_and_304_says_that_nothing_happened(
    client: httpx.AsyncClient, world: World
) -> None:
    await started(client)
    tag = (await client.get(f"/transfers/{ID}")).headers["ETag"]
    answer = await client.get(f"/transfers/{ID}?wait=9", headers={"If-None-Match": tag})
    assert answer.status_code == 304
    assert world.calls(Process.STATUS_CHECKER)[-1].query == {"wait": "9", "until": "change", "known": tag.strip('"')}


async def test_a_wait_answers_the_change(client: httpx.AsyncClient, world: World) -> None:
    await started(client)
    tag = (await client.get(f"/transfers/{ID}")).headers["ETag"]
    world.completes_while_waited_for = True
    answer = await client.get(f"/transfers/{ID}?wait=9", headers={"If-None-Match": tag})
    assert (answer.status_code, answer.json()["status"]) == (200, "completed")
    assert answer.headers["ETag"] != tag


async def test_a_wait_without_a_version_waits_for_the_next_change(client: httpx.AsyncClient, world: World) -> None:
    await started(client)
    assert (await client.get(f"/transfers/{ID}?wait=9")).status_code == 200
    assert world.calls(Process.STATUS_CHECKER)[-1].query == {"wait": "9", "until": "change"}


async def test_a_wait_with_a_tag_of_another_make_answers_at_once(client: httpx.AsyncClient, world: World) -> None:
    await started(client)
    assert (await client.get(f"/transfers/{ID}?wait=9", headers={"If-None-Match": '"v1"'})).status_code == 200
    assert world.calls(Process.STATUS_CHECKER)[-1].query["wait"] == "0"


@pytest.mark.parametrize(
    "wait", ["31", "-1", "1.5", "+1", "1_0", "%201", "%D9%A1", "x", "", "1e1", "99999999999999999999"]
)
async def test_a_wait_that_is_no_number_from_0_to_30_is_refused(client: httpx.AsyncClient, wait: str) -> None:
    answer = await client.get(f"/transfers/{ID}?wait={wait}")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "wait")


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
    world.views["some-id"] = compensated_view()
    answer = await client.post("/transfers/some-id/cancel")
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


async def test_a_request_id_is_passed_on_and_answered(client: httpx.AsyncClient, world: World) -> None:
    answer = await started(client, **{"X-Request-Id": "from-the-client.1"})
    assert answer.headers["X-Request-Id"] == "from-the-client.1"
    assert {seen.request_id for seen in world.seen} == {"from-the-client.1"}


async def test_a_request_without_an_id_gets_one_that_every_service_sees(
    client: httpx.AsyncClient, world: World
) -> None:
    answer = await started(client, **{"X-Request-Id": "spaces are no id"})
    assert {seen.request_id for seen in world.seen} == {answer.headers["X-Request-Id"]} != {"spaces are no id"}
