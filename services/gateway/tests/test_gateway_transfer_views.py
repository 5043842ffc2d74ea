"""Reading one transfer: its JSON, entity tags and waits."""

from datetime import timedelta, timezone

import httpx
import pytest
from internal_api_fakes import NOW, World
from started_transfer import ID, started
from transfer_contract.names import Process
from transfer_contract.steps import Compensation, FailureCode, Step, StepError
from transfer_contract.transfers import FailureView, StepStatus, StepView, TransferStatus, TransferView


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
            worker="account-worker@host:1",
        ),
        StepView(
            name=Compensation.WITHDRAW,
            kind="compensation",
            status=StepStatus.RETRYING,
            attempts=2,
            started_at=NOW,
            finished_at=None,
            error=StepError(code="demo_fault", detail="It fails."),
            worker="account-worker@host:2",
            next_attempt_at=later,
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
                    "worker": "account-worker@host:1",
                    "next_attempt_at": None,
                },
                {
                    "name": "withdraw_compensation",
                    "kind": "compensation",
                    "status": "retrying",
                    "attempts": 2,
                    "started_at": moment,
                    "finished_at": None,
                    "error": {"code": "demo_fault", "detail": "It fails."},
                    "worker": "account-worker@host:2",
                    "next_attempt_at": moment,
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
