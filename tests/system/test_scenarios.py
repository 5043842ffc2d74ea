"""The six scenarios on the running system, as a client saw them from POST to end."""

from itertools import pairwise

import pytest
from system.public_api import Json, PublicApi, step
from system.scenario_journeys import PLANS, Journey, Journeys

pytestmark = pytest.mark.system

ONE_EACH = [("done", 1)] * 4
FULL_ABORT = ["record_compensation", "deposit_compensation", "withdraw_compensation"]


def forward(transfer: Json) -> list[tuple[str, int]]:
    return [(step["status"], step["attempts"]) for step in transfer["steps"][:4]]


def compensations(transfer: Json) -> list[str]:
    """In the order in which they started; each has to have ended before the next one started."""
    undone = transfer["steps"][4:]
    assert all(step["status"] == "done" for step in undone)
    assert all(one["finished_at"] <= next_one["started_at"] for one, next_one in pairwise(undone))
    return [step["name"] for step in undone]


def statuses(journey: Journey) -> list[str]:
    """Each once, in the order in which they were seen; `accepted` is too short to be seen every time."""
    seen = dict.fromkeys(view["status"] for view in journey.views)
    return [status for status in seen if status != "accepted"]


async def test_what_the_ledger_rejects_is_undone_last_in_first_out(journeys: Journeys) -> None:
    transfer = (await journeys.of("ledger_rejects")).final
    assert transfer["status"] == "compensated"
    assert forward(transfer) == [("done", 1), ("done", 1), ("failed", 1), ("pending", 0)]
    assert compensations(transfer) == ["deposit_compensation", "withdraw_compensation"]
    assert (transfer["failure"]["code"], transfer["failure"]["step"]) == ("ledger_rejected", "record")
    assert step(transfer, "record")["error"]["code"] == "ledger_rejected"


async def test_a_ledger_that_fails_twice_is_tried_a_third_time_and_the_transfer_completes(journeys: Journeys) -> None:
    transfer = (await journeys.of("ledger_fails_twice")).final
    assert transfer["status"] == "completed"
    assert forward(transfer) == [("done", 1), ("done", 1), ("done", 3), ("done", 1)]
    assert step(transfer, "record")["error"]["code"] == "demo_fault"


async def test_a_deposit_that_fails_three_times_is_undone_in_full(journeys: Journeys) -> None:
    transfer = (await journeys.of("deposit_fails")).final
    assert transfer["status"] == "compensated"
    assert forward(transfer) == [("done", 1), ("failed", 3), ("pending", 0), ("pending", 0)]
    assert compensations(transfer) == FULL_ABORT
    assert (transfer["failure"]["code"], transfer["failure"]["step"]) == ("step_failed", "deposit")


async def test_a_slow_transfer_shows_each_step_at_work_before_it_completes(journeys: Journeys) -> None:
    journey = await journeys.of("slow")
    seen = [[step["status"] for step in view["steps"]] for view in journey.views]
    for number in range(4):
        assert ["done"] * number + ["running"] + ["pending"] * (3 - number) in seen
    assert statuses(journey) == ["running", "completed"]
    assert forward(journey.final) == ONE_EACH


async def test_a_held_credit_is_seen_but_not_spendable(journeys: Journeys) -> None:
    journey = await journeys.of("slow")
    assert journey.money_on_the_way == ("0.00", "10.00")
    assert journey.spent_held_credit is not None
    assert journey.spent_held_credit["status"] == "rejected"
    assert journey.spent_held_credit["failure"]["code"] == "insufficient_funds"


async def test_past_the_point_of_no_return_a_cancel_is_refused(journeys: Journeys) -> None:
    journey = await journeys.of("slow")
    assert journey.answers["cancel"].status_code == 409
    assert journey.answers["cancel"].json()["code"] == "not_cancellable"
    assert journey.final["status"] == "completed"


@pytest.mark.parametrize("at", ["withdraw", "deposit"])
async def test_a_cancel_in_the_middle_undoes_everything(journeys: Journeys, at: str) -> None:
    journey = await journeys.of(f"slow, cancelled during {at}")
    assert journey.answers["cancel"].status_code == 202
    assert journey.answers["cancel"].headers["Location"] == f"/transfers/{journey.transfer_id}"
    assert journey.final["status"] == "compensated"
    assert compensations(journey.final) == FULL_ABORT
    assert (journey.final["failure"]["code"], journey.final["failure"]["step"]) == ("cancelled", at)


async def test_a_slow_compensation_shows_that_it_is_undoing(journeys: Journeys) -> None:
    journey = await journeys.of("slow_compensation")
    assert statuses(journey) in (["running", "compensating", "compensated"], ["compensating", "compensated"])
    assert compensations(journey.final) == ["deposit_compensation", "withdraw_compensation"]
    while_undoing = [view["failure"]["code"] for view in journey.views if view["status"] == "compensating"]
    assert set(while_undoing) == {"ledger_rejected"}


async def test_a_compensation_that_keeps_failing_needs_attention_until_an_operators_retry(journeys: Journeys) -> None:
    journey = await journeys.of("compensation_fails")
    assert statuses(journey)[-3:] == ["compensating", "needs_attention", "compensated"]
    parked = next(view for view in journey.views if view["status"] == "needs_attention")
    assert step(parked, "withdraw_compensation")["attempts"] > 5
    assert step(parked, "withdraw_compensation")["error"]["code"] == "demo_fault"
    assert journey.answers["retry"].status_code == 202
    assert compensations(journey.final) == ["deposit_compensation", "withdraw_compensation"]
    assert (journey.final["failure"]["code"], journey.final["failure"]["step"]) == ("ledger_rejected", "record")


async def test_only_what_is_parked_can_be_retried(journeys: Journeys) -> None:
    too_early = (await journeys.of("compensation_fails")).answers["retry too early"]
    running = (await journeys.of("slow")).answers["retry"]
    assert [(answer.status_code, answer.json()["code"]) for answer in (too_early, running)] == [(409, "not_parked")] * 2


@pytest.mark.parametrize("name", PLANS)
async def test_a_final_transfer_can_neither_be_cancelled_nor_retried(journeys: Journeys, name: str) -> None:
    answers = (await journeys.of(name)).answers
    assert answers["cancel at the end"].json()["code"] == "not_cancellable"
    assert answers["retry at the end"].json()["code"] == "not_parked"


@pytest.mark.parametrize("name", PLANS)
async def test_the_money_is_where_the_status_says(api: PublicApi, journeys: Journeys, name: str) -> None:
    journey = await journeys.of(name)
    completed = journey.final["status"] == "completed"
    assert await api.money(journey.source) == ("90.00" if completed else "100.00", "0.00")
    assert await api.money(journey.destination) == ("10.00" if completed else "0.00", "0.00")


@pytest.mark.parametrize("name", PLANS)
async def test_a_final_transfer_never_changes_in_any_field(api: PublicApi, journeys: Journeys, name: str) -> None:
    journey = await journeys.of(name)
    assert await api.transfer(journey.transfer_id) == journey.final
    assert journey.final in await api.all_items("/transfers", account=journey.source)
