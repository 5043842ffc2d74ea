"""Starting transfers over the fakes of the internal APIs."""

import httpx
import pytest
from internal_api_fakes import World
from sample_bodies import new_transfer
from started_transfer import ID, KEY, started
from transfer_contract.names import Process
from transfer_contract.transfers import TransferStatus


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


async def test_a_started_transfer_that_can_not_be_seen_yet_is_accepted_and_never_404(
    client: httpx.AsyncClient, world: World
) -> None:
    world.forgets_new = True
    answer = await started(client)
    assert (answer.status_code, answer.json()["status"]) == (202, "accepted")
    assert len(world.orders) == 1


async def test_a_request_id_is_passed_on_and_answered(client: httpx.AsyncClient, world: World) -> None:
    answer = await started(client, **{"X-Request-Id": "from-the-client.1"})
    assert answer.headers["X-Request-Id"] == "from-the-client.1"
    assert {seen.request_id for seen in world.seen} == {"from-the-client.1"}


async def test_a_request_without_an_id_gets_one_that_every_service_sees(
    client: httpx.AsyncClient, world: World
) -> None:
    answer = await started(client, **{"X-Request-Id": "spaces are no id"})
    assert {seen.request_id for seen in world.seen} == {answer.headers["X-Request-Id"]} != {"spaces are no id"}
