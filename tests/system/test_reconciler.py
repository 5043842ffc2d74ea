"""Workflows that are gone: each of their transfers is final within a minute, and stays the same ever after."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pytest
from system.figures import Figures
from system.lost_workflows import Lost, delete, is_known, terminated_in
from system.public_api import Json, PublicApi
from system.running_system import RunningSystem
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from transfer_contract.names import RECONCILIATION_SCHEDULE, finisher_id, workflow_id

pytestmark = pytest.mark.system

FINISHED_WITHIN_SECONDS: Final = 60
UNTOUCHED: Final = [("100.00", "0.00"), ("0.00", "0.00")]

SCENARIOS: Final = {
    "withdraw": "slow",
    "deposit": "slow",
    "record": "slow",
    "deposit_compensation": "slow_compensation",
    "withdraw_compensation": "slow_compensation",
}


@pytest.fixture(scope="module")
async def temporal(system: RunningSystem) -> Client:
    return await Client.connect(system.temporal_address, data_converter=pydantic_data_converter)


@dataclass
class End:
    lost: Lost
    transfer: Json
    after_seconds: float


@pytest.fixture(scope="module")
async def ends(api: PublicApi, temporal: Client) -> Mapping[str, End]:
    """By the step in which the workflow was terminated."""

    async def end(step: str, scenario: str) -> End:
        lost = await terminated_in(step, scenario=scenario, api=api, temporal=temporal)
        return End(lost, *await lost.final(api))

    ended = await asyncio.gather(*(end(step, scenario) for step, scenario in SCENARIOS.items()))
    return dict(zip(SCENARIOS, ended, strict=True))


@pytest.mark.parametrize("step", ["withdraw", "deposit", "record"])
async def test_a_transfer_whose_workflow_is_terminated_in_a_step_is_undone_by_the_reconciler(
    api: PublicApi, figures: Figures, ends: Mapping[str, End], step: str
) -> None:
    end = ends[step]
    figures.seconds(f"workflow terminated in {step}, until its transfer is final", end.after_seconds)
    assert end.after_seconds < FINISHED_WITHIN_SECONDS
    assert (end.transfer["status"], end.transfer["failure"]["code"]) == ("compensated", "interrupted")
    assert [await api.money(account) for account in end.lost.accounts] == UNTOUCHED


@pytest.mark.parametrize("step", ["deposit_compensation", "withdraw_compensation"])
async def test_a_transfer_whose_workflow_is_terminated_while_it_is_undone_keeps_its_failure(
    api: PublicApi, ends: Mapping[str, End], step: str
) -> None:
    end = ends[step]
    assert end.after_seconds < FINISHED_WITHIN_SECONDS
    assert (end.transfer["status"], end.transfer["failure"]["code"]) == ("compensated", "ledger_rejected")
    assert [await api.money(account) for account in end.lost.accounts] == UNTOUCHED


@dataclass
class Forgotten:
    while_nobody_cared: Json
    end: End


@pytest.fixture(scope="module")
async def forgotten(api: PublicApi, temporal: Client, ends: Mapping[str, End]) -> Forgotten:
    """Also the workflows of the transfer that was terminated in its deposit, and is final."""
    schedule = temporal.get_schedule_handle(RECONCILIATION_SCHEDULE)
    await schedule.pause(note="by the test")
    try:
        lost = await terminated_in("record", scenario="slow", api=api, temporal=temporal)
        final = ends["deposit"].lost.transfer_id
        workflows = [workflow_id(final), finisher_id(final), workflow_id(lost.transfer_id)]
        await asyncio.gather(*(delete(temporal, workflow) for workflow in workflows))
        while_nobody_cared = await api.transfer(lost.transfer_id)
    finally:
        await schedule.unpause()
    return Forgotten(while_nobody_cared, End(lost, *await lost.final(api)))


async def test_what_temporal_has_forgotten_in_the_middle_of_a_step_is_finished_from_its_rows(
    api: PublicApi, forgotten: Forgotten
) -> None:
    assert forgotten.while_nobody_cared["status"] == "running"
    assert forgotten.end.after_seconds < FINISHED_WITHIN_SECONDS
    transfer = forgotten.end.transfer
    assert (transfer["status"], transfer["failure"]["code"]) == ("compensated", "interrupted")
    assert [await api.money(account) for account in forgotten.end.lost.accounts] == UNTOUCHED


async def test_a_final_transfer_is_the_same_when_temporal_has_forgotten_it(
    api: PublicApi, temporal: Client, ends: Mapping[str, End], forgotten: Forgotten
) -> None:
    lost = ends["deposit"].lost
    assert not await is_known(temporal, workflow_id(lost.transfer_id))
    assert await api.transfer(lost.transfer_id) == ends["deposit"].transfer
    listed = await api.get("/transfers", account=lost.accounts[0])
    assert lost.transfer_id in {each["id"] for each in listed["items"]}
    replayed = await api.post_transfer(lost.body, key=lost.key)
    assert (replayed.headers["Idempotent-Replayed"], replayed.json()) == ("true", ends["deposit"].transfer)
    other = await api.post_transfer(lost.body | {"amount": "2.00"}, key=lost.key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert not await is_known(temporal, workflow_id(lost.transfer_id))
    assert [await api.money(account) for account in lost.accounts] == UNTOUCHED
