"""Workers that die while somebody looks: by the page's own button, and for longer by `make kill`."""

import re
from typing import Final

import pytest
from browser.saga_page import MOST_SHIFT, SagaPage
from playwright.async_api import expect
from system.running_system import RunningSystem

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("all_alive_afterwards")]

BUSY_IN: Final = {"withdraw": "workflow-worker", "deposit": "account-worker", "record": "ledger-worker"}
"""The worker that is crashed in each step of a slow transfer."""


async def test_a_slow_transfer_outlives_a_crash_of_each_worker_and_the_gaps_stay_on_the_page(page: SagaPage) -> None:
    await page.send("slow")
    for step, process in BUSY_IN.items():
        await page.until_step(step, "running")
        await _crash(page, process)
    await page.until_status("completed")
    for step, process in (("deposit", "account-worker"), ("record", "ledger-worker")):
        attempts = page.step(step).locator(".attempts")
        await expect(attempts).to_have_text(re.compile(rf"attempt 2 of 3, {process} \d+"))
    for process in BUSY_IN.values():
        await expect(page.worker(process).locator(".gap-text")).to_have_text(re.compile(r"^was gone .+ \(.+\)$"))
        await expect(page.worker(process).locator(".strip .gap")).not_to_have_count(0)
    await expect(page.page.locator(".chart .gap")).to_have_count(len(BUSY_IN))
    assert await page.layout_shift() < MOST_SHIFT


async def _crash(page: SagaPage, process: str) -> None:
    """By the page's button, and until the page shows another process alive in its place."""
    life = page.worker(process).locator(".life")
    before = re.sub(r"\s+", " ", await life.inner_text())
    await page.crash_button(process).click()
    await expect(life).not_to_have_text(before)
    await expect(life).to_have_text(re.compile(r"alive process \d+"))
    await expect(life).not_to_have_text(before)


async def test_a_transfer_waits_for_a_worker_that_stays_away_and_goes_on_when_it_is_back(
    system: RunningSystem, page: SagaPage
) -> None:
    await page.send("slow_compensation")
    await page.until_step("deposit_compensation", "running")
    await system.kill("account-worker")
    await expect(page.worker("account-worker")).to_have_attribute("data-alive", "false")
    await expect(page.worker("account-worker")).to_contain_text("gone since")
    await expect(page.crash_button("account-worker")).to_be_disabled()
    await expect(page.notice).to_contain_text("Waits for account-worker: none is alive since")
    await expect(page.notice).to_contain_text("make start SERVICE=account-worker")
    await page.until_step("deposit_compensation", "waiting")
    assert await page.violations_of_accessibility() == []
    await system.start("account-worker")
    await expect(page.worker("account-worker")).to_have_attribute("data-alive", "true")
    await expect(page.notice).not_to_contain_text("Waits for")
    await page.until_status("compensated")
    await expect(page.worker("account-worker").locator(".gap-text")).to_contain_text("was gone")
    await expect(page.page.locator(".chart .gap")).not_to_have_count(0)
    await expect(page.page.locator("#totals .verdict")).to_have_text("Adds up")
    assert await page.layout_shift() < MOST_SHIFT
