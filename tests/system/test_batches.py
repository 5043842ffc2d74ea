"""Batches on the running system: each transfer ends by itself, whatever is refused, fails, is killed or is lost."""

import asyncio
import csv
import io
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Final
from uuid import uuid4

import httpx
import pytest
from system.event_streams import EventStreams
from system.lost_workflows import delete
from system.public_api import Json, PublicApi, new_transfer, step_is
from system.running_system import RunningSystem
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from transfer_contract.names import batch_workflow_id

pytestmark = pytest.mark.system

ENDS_WITHIN_SECONDS: Final = 100
_LOOK_SECONDS: Final = 0.3


@pytest.fixture(scope="module")
async def temporal(system: RunningSystem) -> Client:
    return await Client.connect(system.temporal_address, data_converter=pydantic_data_converter)


async def send(api: PublicApi, *transfers: Json, key: str | None = None) -> httpx.Response:
    """Repeated with its key, as a client is told to."""
    headers = {"Idempotency-Key": key or str(uuid4())}
    for _ in range(10):
        answer = await api.http.post("/transfer-batches", json={"transfers": transfers}, headers=headers)
        if answer.status_code != 503:
            break
        await asyncio.sleep(1)
    return answer


async def start(api: PublicApi, *transfers: Json) -> str:
    answer = await send(api, *transfers)
    assert answer.status_code == 202, answer.text
    batch_id: str = answer.json()["id"]
    return batch_id


async def until(api: PublicApi, batch_id: str, condition: Callable[[Json], bool]) -> Json:
    async with asyncio.timeout(ENDS_WITHIN_SECONDS):
        while not condition(batch := await api.get(f"/transfer-batches/{batch_id}")):  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_SECONDS)
    return batch


async def finished(api: PublicApi, batch_id: str) -> list[Json]:
    """Its transfers, when it has ended."""
    batch = await until(api, batch_id, lambda batch: batch["status"] == "finished")
    transfers = await api.all_items(f"/transfer-batches/{batch_id}/transfers", limit=100)
    assert Counter(transfer["status"] for transfer in transfers) == Counter(
        {k: n for k, n in batch["counts"].items() if n}
    )
    assert batch["finished_at"] == max(transfer["finished_at"] for transfer in transfers)
    return transfers


def statuses(transfers: list[Json]) -> list[str]:
    return [transfer["status"] for transfer in transfers]


def item(batch_id: str, position: int) -> str:
    return f"{batch_id}-{position:05}"


async def test_each_transfer_of_a_batch_has_its_own_outcome(api: PublicApi) -> None:
    alice, bob = await api.open_pair("10.00")
    poor = await api.open_account("1.50")
    pays = new_transfer(alice, bob, amount="0.10")
    wrong = {
        3: pays | {"destination_account": "nobody"},
        4: pays | {"source_account": "nobody"},
        5: pays | {"scenario": "ledger_rejects"},
        6: pays | {"scenario": "deposit_fails"},
        7: pays | {"scenario": "ledger_fails_twice"},
        **{8 + number: new_transfer(poor, bob) for number in range(2)},
        10: new_transfer(poor, bob, amount="0.50"),
    }
    transfers = [wrong.get(position, pays) for position in range(1, 41)]
    batch_id = await start(api, *transfers)
    ended = await finished(api, batch_id)
    compensated = {3: "unknown_account", 5: "ledger_rejected", 6: "step_failed"}
    rejected = {4: "unknown_account", 9: "insufficient_funds"}
    for position, transfer in enumerate(ended, start=1):
        expected = "compensated" if position in compensated else "rejected" if position in rejected else "completed"
        assert (position, transfer["status"]) == (position, expected)
        code = (compensated | rejected).get(position)
        assert (transfer["failure"] or {}).get("code") == code
        assert transfer["id"] == item(batch_id, position)
        assert await api.transfer(transfer["id"]) == transfer
    assert await api.money(poor) == ("0.00", "0.00")
    assert ended[6]["steps"][2]["attempts"] == ended[5]["steps"][1]["attempts"] == 3
    only = await api.all_items(f"/transfer-batches/{batch_id}/transfers", status="rejected")
    assert [transfer["id"] for transfer in only] == [item(batch_id, 4), item(batch_id, 9)]
    listed = await api.all_items("/transfers", account=alice)
    assert {transfer["id"] for transfer in listed} >= {t["id"] for t in ended if t["source_account"] == alice}
    lines = list(csv.DictReader(io.StringIO((await api.http.get(f"/transfer-batches/{batch_id}/outcomes")).text)))
    assert [line["status"] for line in lines] == statuses(ended)
    assert lines[8]["failure_code"] == "insufficient_funds"


async def test_the_same_batch_moves_money_once_however_often_and_wherever_it_is_sent(api: PublicApi) -> None:
    alice, bob = await api.open_pair()
    pays, key = [new_transfer(alice, bob)] * 50, str(uuid4())
    answers = await asyncio.gather(*(send(api, *pays, key=key) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {202}
    [batch_id] = {answer.json()["id"] for answer in answers}
    assert statuses(await finished(api, batch_id)) == ["completed"] * 50
    again = await send(api, *pays, key=key)
    assert (again.json()["status"], again.headers["Idempotent-Replayed"]) == ("finished", "true")
    other = await send(api, *pays, new_transfer(alice, bob), key=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert (await api.money(alice), await api.money(bob)) == (("50.00", "0.00"), ("50.00", "0.00"))


async def test_batches_and_single_transfers_race_for_the_same_accounts(api: PublicApi) -> None:
    """More is asked for than there is, so each refusal is one that another one's payment made."""
    alice, bob = await api.open_pair("30.00")
    there, back = new_transfer(alice, bob, amount="0.50"), new_transfer(bob, alice, amount="0.25")
    batches, singles = await asyncio.gather(
        asyncio.gather(start(api, *[there] * 40), start(api, *[back] * 40), start(api, *[there, back] * 20)),
        asyncio.gather(*(api.start_transfer(alice, bob) for _ in range(12))),
    )
    ends = await asyncio.gather(*(finished(api, batch_id) for batch_id in batches))
    await api.final_all(singles)
    assert {status for transfers in ends for status in statuses(transfers)} <= {"completed", "rejected"}
    money = [await api.money(account) for account in (alice, bob)]
    assert [held for _, held in money] == ["0.00", "0.00"]
    assert sum(int(balance.replace(".", "")) for balance, _ in money) == 3000


async def test_a_batch_is_followed_to_its_end(api: PublicApi) -> None:
    alice, bob = await api.open_pair()
    batch_id = await start(api, *[new_transfer(alice, bob)] * 30)
    events = EventStreams(api.url).events(f"/transfer-batches/{batch_id}/events")
    batches = [event.data async for event in events]
    assert batches[-1]["status"] == "finished"
    assert batches[-1] == await api.get(f"/transfer-batches/{batch_id}")


async def a_batch_whose_workflow_is_terminated_is_undone_by_the_reconciler(api: PublicApi, temporal: Client) -> None:
    alice, bob = await api.open_pair()
    batch_id = await start(api, *[new_transfer(alice, bob)] * 5, new_transfer(alice, bob, scenario="slow"))
    await api.until(item(batch_id, 1), step_is("deposit", "running"))
    await temporal.get_workflow_handle(batch_workflow_id(batch_id)).terminate("by the test")
    ended = await finished(api, batch_id)
    assert statuses(ended) == ["compensated"] * 6
    assert {transfer["failure"]["code"] for transfer in ended} == {"interrupted"}
    assert (await api.money(alice), await api.money(bob)) == (("100.00", "0.00"), ("0.00", "0.00"))


async def a_batch_whose_workflow_is_terminated_goes_on_where_its_client_sends_it_again(
    api: PublicApi, temporal: Client
) -> None:
    alice, bob = await api.open_pair()
    transfers, key = [new_transfer(alice, bob)] * 5 + [new_transfer(alice, bob, scenario="slow")], str(uuid4())
    batch_id = (await send(api, *transfers, key=key)).json()["id"]
    await api.until(item(batch_id, 1), step_is("deposit", "running"))
    await temporal.get_workflow_handle(batch_workflow_id(batch_id)).terminate("by the test")
    await send(api, *transfers, key=key)
    assert statuses(await finished(api, batch_id)) == ["completed"] * 6


async def a_parked_transfer_holds_up_no_other_and_ends_when_an_operator_retries_it(
    api: PublicApi,
    temporal: Client,
) -> None:
    alice, bob = await api.open_pair()
    parked = new_transfer(alice, bob, scenario="compensation_fails")
    batch_id = await start(api, new_transfer(alice, bob), parked, new_transfer(alice, bob))
    batch = await until(api, batch_id, lambda batch: batch["status"] == "needs_attention")
    assert (batch["counts"]["completed"], batch["counts"]["compensating"]) == (2, 1)
    await api.until(item(batch_id, 2), lambda transfer: transfer["status"] == "needs_attention")
    retried = await api.http.post(f"/transfers/{item(batch_id, 2)}/retry")
    assert retried.status_code == 202, retried.text
    assert statuses(await finished(api, batch_id)) == ["completed", "compensated", "completed"]


async def one_transfer_of_a_batch_can_be_cancelled(
    api: PublicApi,
    temporal: Client,
) -> None:
    alice, bob = await api.open_pair()
    batch_id = await start(api, new_transfer(alice, bob, scenario="slow"), *[new_transfer(alice, bob)] * 3)
    await api.until(item(batch_id, 3), step_is("deposit", "running"))
    assert (await api.cancel(item(batch_id, 3))).status_code == 202
    assert statuses(await finished(api, batch_id)) == ["completed", "completed", "compensated", "completed"]
    assert await api.money(alice) == ("97.00", "0.00")


async def a_batch_is_the_same_when_temporal_has_forgotten_it(api: PublicApi, temporal: Client) -> None:
    alice, bob = await api.open_pair()
    transfers, key = [new_transfer(alice, bob), new_transfer(alice, "nobody")], str(uuid4())
    batch_id = (await send(api, *transfers, key=key)).json()["id"]
    ended = await finished(api, batch_id)
    batch = await api.get(f"/transfer-batches/{batch_id}")
    await delete(temporal, batch_workflow_id(batch_id))
    assert await api.get(f"/transfer-batches/{batch_id}") == batch
    assert await finished(api, batch_id) == ended
    assert (await send(api, *transfers, key=key)).json() == batch
    assert await api.money(alice) == ("99.00", "0.00")


STORIES: Final = (
    a_batch_whose_workflow_is_terminated_is_undone_by_the_reconciler,
    a_batch_whose_workflow_is_terminated_goes_on_where_its_client_sends_it_again,
    a_parked_transfer_holds_up_no_other_and_ends_when_an_operator_retries_it,
    one_transfer_of_a_batch_can_be_cancelled,
    a_batch_is_the_same_when_temporal_has_forgotten_it,
)
"""Each of them waits for half a minute and more: for slow steps, for the reconciler, for retries, for Temporal."""


@pytest.fixture(scope="module")
async def stories(api: PublicApi, temporal: Client) -> AsyncIterator[dict[str, asyncio.Task[None]]]:
    """All of them on their way side by side, as soon as the first one is asked for."""
    telling = {story.__name__: asyncio.create_task(story(api, temporal)) for story in STORIES}
    yield telling
    for task in telling.values():
        task.cancel()
    await asyncio.gather(*telling.values(), return_exceptions=True)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_a_long_story(story: Callable[..., object], stories: dict[str, asyncio.Task[None]]) -> None:
    await stories[story.__name__]


async def test_a_batch_survives_the_death_of_each_worker_in_the_middle_of_a_step(
    api: PublicApi, system: RunningSystem
) -> None:
    alice, bob = await api.open_pair()
    batch_id = await start(api, *[new_transfer(alice, bob)] * 20, new_transfer(alice, bob, scenario="slow"))
    for step, worker in (("withdraw", "account-worker"), ("deposit", "workflow-worker"), ("record", "ledger-worker")):
        await api.until(item(batch_id, 1), step_is(step, "running"))
        await system.kill(worker)
        waiting = await api.until(item(batch_id, 1), waits_for(worker), within_seconds=20)
        assert waiting["status"] in ("accepted", "running")
        await system.start(worker)
    assert statuses(await finished(api, batch_id)) == ["completed"] * 21
    assert (await api.money(alice), await api.money(bob)) == (("79.00", "0.00"), ("21.00", "0.00"))


def waits_for(worker: str) -> Callable[[Json], bool]:
    return lambda transfer: bool(transfer["waiting_for"] == worker)
