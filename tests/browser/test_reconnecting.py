"""Processes that are killed and started again behind the open page."""

import pytest
from browser.conftest import OpenPage
from browser.saga_page import CONNECTION_ERRORS, MOST_SHIFT, SagaPage
from playwright.async_api import Request, expect
from system.public_api import PublicApi
from system.running_system import RunningSystem

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("all_alive_afterwards")]


async def test_a_lost_gateway_is_said_and_the_page_comes_back_by_itself_with_what_happened_meanwhile(
    system: RunningSystem, api: PublicApi, open_page: OpenPage
) -> None:
    page = await open_page(expected_errors=[CONNECTION_ERRORS])
    transfer_id = await page.send("ledger_fails_twice")
    await page.until_step("record", "retrying")
    await system.kill("gateway")
    await expect(page.banner).to_contain_text("Connection lost")
    await expect(page.page.locator("#connection")).to_have_text("Disconnected")
    await page.send_button.click()
    await expect(page.page.locator("#send .problem")).to_contain_text("the gateway can't be reached")
    await system.start("gateway")
    await page.until_live()
    await page.until_status("completed")
    assert page.followed_id == transfer_id
    await expect(page.page.locator(f"tr[data-transfer='{transfer_id}']")).to_have_attribute("data-status", "completed")
    assert await page.layout_shift() < MOST_SHIFT


async def test_whoever_does_not_want_to_wait_connects_again_now(system: RunningSystem, open_page: OpenPage) -> None:
    page = await open_page(expected_errors=[CONNECTION_ERRORS])
    await system.kill("gateway")
    await expect(page.banner).to_contain_text("Connection lost")
    await system.start("gateway")
    try_now = page.page.get_by_role("button", name="Try now")
    if await try_now.count():
        await try_now.click()
    await page.until_live()


async def test_while_status_checker_is_away_the_page_says_what_is_old_and_then_catches_up(
    system: RunningSystem, open_page: OpenPage
) -> None:
    page = await open_page(expected_errors=[CONNECTION_ERRORS])
    await page.send("slow_compensation")
    await page.until_step("deposit_compensation", "running")
    await system.kill("status-checker")
    await expect(page.banner).to_contain_text("Part of this page is out of date")
    await expect(page.page.locator(".processes [data-process=status-checker]")).to_have_attribute("data-ready", "false")
    await page.page.get_by_role("search").get_by_label("Status").select_option("Completed")
    await expect(page.page.locator("#transfers")).to_contain_text("The list can't be read")
    await system.start("status-checker")
    await page.until_live()
    await expect(page.page.locator(".processes [data-process=status-checker]")).to_have_attribute("data-ready", "true")
    await page.until_status("compensated")


async def test_an_order_without_an_answer_is_repeated_with_its_key_and_becomes_one_transfer(
    system: RunningSystem, api: PublicApi, open_page: OpenPage
) -> None:
    page = await open_page()
    keys = _keys_of_posts(page)
    await system.kill("workflow-handler")
    await page.fill(reference="said twice")
    await page.send_button.click()
    problem = page.page.locator("#send .problem")
    await expect(problem).to_contain_text("the same order with the same key is the same transfer")
    await expect(page.send_button).to_be_enabled()
    await system.start("workflow-handler")
    await page.send(reference="said twice")
    await page.until_status("completed")
    await expect(problem).to_be_empty()
    assert len(keys) >= 2
    assert len(set(keys)) == 1
    listed = await api.all_items("/transfers", limit=100)
    assert [transfer["reference"] for transfer in listed].count("said twice") == 1


def _keys_of_posts(page: SagaPage) -> list[str]:
    keys: list[str] = []

    def note(request: Request) -> None:
        if request.method == "POST":
            keys.append(request.headers["idempotency-key"])

    page.page.on("request", note)
    return keys
