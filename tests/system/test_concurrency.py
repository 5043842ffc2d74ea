"""Many clients at once on the running system: one key is one transfer, and an account pays what it has and no more."""

import asyncio
import time
from collections import Counter
from statistics import median
from typing import Final
from uuid import uuid4

import pytest
from system.figures import Figures
from system.public_api import PublicApi, new_transfer

pytestmark = pytest.mark.system

ONE_AT_A_TIME: Final = 30


async def test_fifty_posts_with_one_key_are_one_transfer(api: PublicApi) -> None:
    source, destination = await api.open_pair()
    body, key = new_transfer(source, destination), str(uuid4())
    answers = await asyncio.gather(*(api.post_transfer(body, key=key) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {202}
    [transfer_id] = {answer.json()["id"] for answer in answers}
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) <= 1
    assert (await api.final(transfer_id))["status"] == "completed"
    assert len(await api.all_items("/transfers", account=destination)) == 1
    assert (await api.money(source), await api.money(destination)) == (("99.00", "0.00"), ("1.00", "0.00"))


async def test_of_a_hundred_transfers_an_account_pays_the_ten_that_it_can(api: PublicApi) -> None:
    source, destination = await api.open_pair("10.00")
    transfer_ids = await asyncio.gather(*(api.start_transfer(source, destination) for _ in range(100)))
    transfers = await api.final_all(transfer_ids)
    outcomes = Counter((transfer["status"], (transfer["failure"] or {}).get("code")) for transfer in transfers)
    assert outcomes == {("completed", None): 10, ("rejected", "insufficient_funds"): 90}
    assert (await api.money(source), await api.money(destination)) == (("0.00", "0.00"), ("10.00", "0.00"))


async def test_transfers_in_opposite_directions_do_not_block_each_other(api: PublicApi) -> None:
    one, other = await asyncio.gather(api.open_account("20.00"), api.open_account("20.00"))
    there_and_back = [(one, other), (other, one)] * 20
    transfers = await api.final_all(await asyncio.gather(*(api.start_transfer(*pair) for pair in there_and_back)))
    assert {transfer["status"] for transfer in transfers} == {"completed"}
    errors = [step["error"]["code"] for transfer in transfers for step in transfer["steps"] if step["error"]]
    assert not any(code.startswith("database") for code in errors)  # a deadlock would have been one
    assert (await api.money(one), await api.money(other)) == (("20.00", "0.00"), ("20.00", "0.00"))


async def test_an_account_opened_by_many_at_once_gets_its_money_once(api: PublicApi) -> None:
    body = {"id": f"account-{uuid4().hex[:12]}", "owner": "Many", "currency": "EUR", "opening_balance": "5.00"}
    answers = await asyncio.gather(*(api.http.post("/accounts", json=body) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    await api.final(answers[0].json()["opening_transfer"])
    assert await api.money(body["id"]) == ("5.00", "0.00")


async def test_cancels_racing_the_transfer_leave_the_money_in_one_place(api: PublicApi) -> None:
    """Each cancel comes at another moment; whoever wins, the transfer ends whole or not at all."""
    source, destination = await api.open_pair("10.00")
    transfer_ids = await asyncio.gather(*(api.start_transfer(source, destination) for _ in range(10)))

    async def cancel_after(seconds: float, transfer_id: str) -> int:
        await asyncio.sleep(seconds)
        return (await api.cancel(transfer_id)).status_code

    answers = await asyncio.gather(*(cancel_after(0.02 * n, one) for n, one in enumerate(transfer_ids)))
    assert {*answers} <= {202, 409}
    transfers = await api.final_all(transfer_ids)
    assert {transfer["status"] for transfer in transfers} <= {"completed", "compensated"}
    assert {transfer["failure"]["code"] for transfer in transfers if transfer["failure"]} <= {"cancelled"}
    completed = sum(transfer["status"] == "completed" for transfer in transfers)
    assert await api.money(source) == (f"{10 - completed}.00", "0.00")
    assert await api.money(destination) == (f"{completed}.00", "0.00")


async def test_how_long_a_client_waits_for_one_transfer_at_a_time(api: PublicApi, figures: Figures) -> None:
    source, destination = await api.open_pair()
    seconds = []
    for _ in range(ONE_AT_A_TIME):
        started = time.perf_counter()
        response = await api.post_transfer(new_transfer(source, destination), wait_seconds=10)
        seconds.append(time.perf_counter() - started)
        assert (response.status_code, response.json()["status"]) == (200, "completed")
    figures.milliseconds(f"POST + Prefer wait, {ONE_AT_A_TIME} one at a time, p50", median(seconds))
    figures.milliseconds(f"POST + Prefer wait, {ONE_AT_A_TIME} one at a time, slowest", max(seconds))
