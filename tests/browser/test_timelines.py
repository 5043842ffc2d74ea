"""What the page showed of each scenario while it happened, from the click on Send to its end."""

import re
from typing import Final

import pytest
from browser.journeys import Journeys
from browser.saga_page import MOST_SHIFT, SagaPage
from playwright.async_api import expect
from system.public_api import Json

pytestmark = pytest.mark.browser

FORWARD: Final = ("withdraw", "deposit", "record", "release")
ACCOUNT_WORKER: Final = r"account-worker \d+"
LEDGER_WORKER: Final = r"ledger-worker \d+"


def order(seen: Json) -> list[str]:
    """The steps that have begun, by the numbers that the page gives them."""
    places = {cells[-1]["place"]: name for name, cells in seen["steps"].items()}
    return [name for place, name in sorted(places.items()) if place]


def states(seen: Json, step: str) -> list[str]:
    changes: list[str] = []
    for cell in seen["steps"][step]:
        if changes[-1:] != [cell["state"]]:
            changes.append(cell["state"])
    return changes


def words(seen: Json) -> dict[str, str]:
    return {name: cells[-1]["word"] for name, cells in seen["steps"].items()}


def texts(seen: Json, step: str, part: str) -> list[str]:
    return [cell[part] for cell in seen["steps"][step]]


async def test_the_good_path_goes_down_past_the_point_of_no_return(journeys: Journeys) -> None:
    async with journeys.of("") as page:
        seen = await page.seen()
        assert seen["statuses"][-1] == "completed"
        assert order(seen) == list(FORWARD)
        assert [words(seen)[name] for name in FORWARD] == ["Done"] * 4
        assert {word for name, word in words(seen).items() if name not in FORWARD} == {"Not needed"}
        for step, worker in zip(FORWARD, (ACCOUNT_WORKER, ACCOUNT_WORKER, LEDGER_WORKER, ACCOUNT_WORKER), strict=True):
            limit = "" if step == "release" else " of 3"
            await expect(page.step(step).locator(".attempts")).to_have_text(re.compile(f"attempt 1{limit}, {worker}"))
            await expect(page.step(step).locator(".took")).to_have_text(re.compile(r"^[\d.,]+ m?s$"))
        await expect(page.page.locator(".point-of-no-return")).to_contain_text("passed")
        await expect(page.page.locator(".chart .bar")).to_have_count(4)
        assert await page.layout_shift() < MOST_SHIFT


async def test_what_the_ledger_refuses_is_undone_the_last_step_first(journeys: Journeys) -> None:
    async with journeys.of("ledger_rejects") as page:
        seen = await page.seen()
        assert seen["statuses"][-1] == "compensated"
        assert order(seen) == ["withdraw", "deposit", "record", "deposit_compensation", "withdraw_compensation"]
        assert words(seen) == {
            "withdraw": "Done",
            "deposit": "Done",
            "record": "Refused",
            "release": "Not reached",
            "record_compensation": "Not needed",
            "deposit_compensation": "Done",
            "withdraw_compensation": "Done",
        }
        assert "ledger_rejected" in seen["steps"]["record"][-1]["error"]
        await expect(page.notice).to_contain_text("the ledger refused it")
        await expect(page.page.locator(".point-of-no-return")).to_contain_text("never reached")
        await expect(page.page.locator(".chart .bar[data-kind=compensation]")).to_have_count(2)
        assert await page.layout_shift() < MOST_SHIFT


async def test_failed_attempts_are_counted_explained_and_tried_again_in_so_many_seconds(journeys: Journeys) -> None:
    async with journeys.of("ledger_fails_twice") as page:
        seen = await page.seen()
        assert seen["statuses"][-1] == "completed"
        attempts = texts(seen, "record", "attempts")
        assert any(re.search(r"attempt \d of 3 (in \d s|any moment)", text) for text in attempts)
        assert re.search(f"attempt 3 of 3, {LEDGER_WORKER}", attempts[-1])
        assert "retrying" in states(seen, "record")
        assert any(texts(seen, "record", "error"))
        assert (words(seen)["record"], words(seen)["release"]) == ("Done", "Done")
        assert await page.layout_shift() < MOST_SHIFT


async def test_after_three_failed_attempts_the_door_is_shut_before_anything_is_undone(journeys: Journeys) -> None:
    async with journeys.of("deposit_fails") as page:
        seen = await page.seen()
        assert seen["statuses"][-1] == "compensated"
        assert order(seen) == [
            "withdraw",
            "deposit",
            "record_compensation",
            "deposit_compensation",
            "withdraw_compensation",
        ]
        assert words(seen)["deposit"] == "Failed"
        assert texts(seen, "deposit", "attempts")[-1].startswith("attempt 3 of 3")
        assert (words(seen)["record"], words(seen)["release"]) == ("Not reached", "Not reached")
        await expect(page.notice).to_contain_text("deposit")
        assert await page.layout_shift() < MOST_SHIFT


async def test_each_slow_step_is_seen_running_before_the_next_begins(journeys: Journeys) -> None:
    async with journeys.of("slow") as page:
        seen = await page.seen()
        assert seen["statuses"][-1] == "completed"
        assert [states(seen, step)[-2:] for step in FORWARD] == [["running", "done"]] * 4
        notices = [re.search(r"^Now (\w+):", notice) for notice in seen["notices"]]
        assert list(dict.fromkeys(notice[1] for notice in notices if notice)) == list(FORWARD)
        await expect(page.step("deposit").locator(".took")).to_have_text(re.compile(r"^1\d\.\d s$"))
        assert seen["meanings"][-3:-1] == [
            {"text": "On its way: until the point of no return it can still be undone.", "canCancel": True},
            {"text": "Past the point of no return: bob gets the money, whatever happens now.", "canCancel": False},
        ]
        assert await page.layout_shift() < MOST_SHIFT


async def test_each_slow_compensation_is_seen_running_on_the_way_back_up(journeys: Journeys) -> None:
    async with journeys.of("slow_compensation") as page:
        seen = await page.seen()
        assert seen["statuses"][-2:] == ["compensating", "compensated"]
        for step in ("deposit_compensation", "withdraw_compensation"):
            assert states(seen, step)[-2:] == ["running", "done"]
            await expect(page.step(step).locator(".took")).to_have_text(re.compile(r"^1\d\.\d s$"))
        assert order(seen)[-2:] == ["deposit_compensation", "withdraw_compensation"]
        await expect(page.meaning).to_have_text("Undone in full: alice has the money back.")
        assert await page.layout_shift() < MOST_SHIFT


async def test_a_refund_that_keeps_failing_needs_attention_until_somebody_retries_it(journeys: Journeys) -> None:
    async with journeys.of("compensation_fails") as page:
        seen = await page.seen()
        assert seen["statuses"][-2:] == ["compensating", "needs_attention"]
        assert any(re.search(r"in \d+ s", text) for text in texts(seen, "withdraw_compensation", "attempts"))
        await expect(page.meaning).to_contain_text("an undo step keeps failing")
        await expect(page.step("withdraw_compensation").locator(".error")).not_to_be_empty()
        assert await page.layout_shift() < MOST_SHIFT
        await _check_accessibility_in_both_themes(page)
        await page.retry_button.click()
        await page.until_status("compensated")
        await expect(page.retry_button).to_be_disabled()


async def _check_accessibility_in_both_themes(page: SagaPage) -> None:
    await page.in_theme("dark")
    assert await page.violations_of_accessibility() == []
    await page.in_theme("light")
    assert await page.violations_of_accessibility() == []
