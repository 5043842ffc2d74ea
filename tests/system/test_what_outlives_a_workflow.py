"""Temporal has forgotten every workflow: final transfers answer the same bytes, and their keys move nothing again."""

import asyncio
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

import httpx
import pytest
from system.lost_workflows import delete, is_known
from system.public_api import Json, PublicApi, new_transfer, step_is
from system.running_system import RunningSystem
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from transfer_contract.names import finisher_id, workflow_id

pytestmark = pytest.mark.system

ENDS: Final[dict[str, tuple[str, Json]]] = {
    "completed": ("completed", {}),
    "retried": ("completed", {"scenario": "ledger_fails_twice"}),
    "without money": ("rejected", {"amount": "5000.00"}),
    "unknown source": ("rejected", {"source_account": "nobody"}),
    "refused by the ledger": ("compensated", {"scenario": "ledger_rejects"}),
    "attempts used up": ("compensated", {"scenario": "deposit_fails"}),
    "unknown destination": ("compensated", {"destination_account": "nobody"}),
    "cancelled": ("compensated", {"scenario": "slow"}),
    "interrupted": ("compensated", {"scenario": "slow"}),
}
"""How it ends: the status, and what the request says for it."""


@dataclass
class Remembered:
    """A final transfer as it was told while Temporal knew it."""

    body: Json
    key: str
    accounts: tuple[str, str]
    transfer_id: str
    told: httpx.Response
    listed: list[Json]
    money: list[tuple[str, str]] = field(default_factory=list)


@pytest.fixture(scope="module")
async def temporal(system: RunningSystem) -> Client:
    return await Client.connect(system.temporal_address, data_converter=pydantic_data_converter)


@pytest.fixture(scope="module")
async def remembered(api: PublicApi, temporal: Client) -> dict[str, Remembered]:
    """By how it ended; by now its workflows are forgotten."""
    transfers = dict(zip(ENDS, await asyncio.gather(*(end(api, temporal, how) for how in ENDS)), strict=True))
    workflows = [workflow_id(each.transfer_id) for each in transfers.values()]
    workflows.append(finisher_id(transfers["interrupted"].transfer_id))
    await asyncio.gather(*(delete(temporal, workflow) for workflow in workflows))
    return transfers


async def end(api: PublicApi, temporal: Client, how: str) -> Remembered:
    accounts = await api.open_pair()
    status, fields = ENDS[how]
    body, key = new_transfer(*accounts) | fields, str(uuid4())
    transfer_id: str = (await api.post_transfer(body, key=key)).json()["id"]
    if how in ("cancelled", "interrupted"):
        await api.until(transfer_id, step_is("deposit", "running"))
    if how == "cancelled":
        await api.cancel(transfer_id)
    if how == "interrupted":
        await temporal.get_workflow_handle(workflow_id(transfer_id)).terminate("by the test")
    assert (await api.final(transfer_id))["status"] == status
    told = await api.http.get(f"/transfers/{transfer_id}")
    return Remembered(body, key, accounts, transfer_id, told, await listed(api, accounts), await money(api, accounts))


async def listed(api: PublicApi, accounts: tuple[str, str]) -> list[Json]:
    """Of both, to the lists' ends: a transfer may name an account that doesn't exist, and a page may be a short one."""
    return [item for account in accounts for item in await api.all_items("/transfers", account=account)]


async def money(api: PublicApi, accounts: tuple[str, str]) -> list[tuple[str, str]]:
    return [await api.money(account) for account in accounts]


@pytest.mark.parametrize("how", ENDS)
async def test_a_final_transfer_answers_the_same_bytes_when_its_workflow_is_forgotten(
    api: PublicApi, temporal: Client, remembered: dict[str, Remembered], how: str
) -> None:
    before = remembered[how]
    assert not await is_known(temporal, workflow_id(before.transfer_id))
    now = await api.http.get(f"/transfers/{before.transfer_id}")
    assert (now.status_code, now.content, now.headers["ETag"]) == (
        200,
        before.told.content,
        before.told.headers["ETag"],
    )
    unchanged = await api.http.get(
        f"/transfers/{before.transfer_id}", headers={"If-None-Match": before.told.headers["ETag"]}
    )
    assert unchanged.status_code == 304
    assert (await api.http.get(f"/transfers/{before.transfer_id}", params={"wait": 5})).content == before.told.content


@pytest.mark.parametrize("how", ENDS)
async def test_lists_hold_it_as_before(api: PublicApi, remembered: dict[str, Remembered], how: str) -> None:
    before = remembered[how]
    assert await listed(api, before.accounts) == before.listed
    transfer = before.told.json()
    for account in {transfer["source_account"], transfer["destination_account"]}:
        items = await api.all_items("/transfers", account=account, status=transfer["status"])
        assert transfer in items


@pytest.mark.parametrize("how", ENDS)
async def test_its_key_replays_it_and_moves_nothing(
    api: PublicApi, temporal: Client, remembered: dict[str, Remembered], how: str
) -> None:
    before = remembered[how]
    replayed = await api.post_transfer(before.body, key=before.key)
    assert (replayed.headers["Idempotent-Replayed"], replayed.json()) == ("true", before.told.json())
    other = await api.post_transfer(before.body | {"amount": "2.00"}, key=before.key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    refused = await api.cancel(before.transfer_id)
    assert (refused.status_code, refused.json()["code"]) == (409, "not_cancellable")
    assert not await is_known(temporal, workflow_id(before.transfer_id))
    assert await money(api, before.accounts) == before.money
