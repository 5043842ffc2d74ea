"""What needs an operator, at the foot of the page: nothing while all is calm, else what, why, since when, a retry."""

from typing import Final

import pytest
from browser.conftest import OpenPage
from browser.saga_page import CONNECTION_ERRORS, LAPTOP, MOST_SHIFT, SagaPage
from playwright.async_api import Locator, expect
from system.public_api import PublicApi
from system.running_system import RunningSystem

pytestmark = pytest.mark.browser

PHONE: Final = {"width": 360, "height": 740}
OVERFLOW: Final = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
_PARKED_MILLISECONDS: Final = 150_000
"""Five attempts that double their distance, on a busy machine."""


def item_of(page: SagaPage, transfer_id: str) -> Locator:
    return page.page.locator("#attention li").filter(has_text=transfer_id)


@pytest.mark.usefixtures("all_alive_afterwards")
async def test_a_parked_transfer_is_told_and_retried_from_the_foot_of_the_page(
    system: RunningSystem, open_page: OpenPage, api: PublicApi
) -> None:
    page = await open_page(expected_errors=[CONNECTION_ERRORS])
    attention = page.page.locator("#attention")
    await expect(attention).to_be_hidden()
    transfer_id = await api.start_transfer("alice", "bob", scenario="compensation_fails")
    await expect(attention).to_be_visible(timeout=_PARKED_MILLISECONDS)
    await expect(attention.locator("summary")).to_have_text("Needs attention: 1 parked")
    await expect(item_of(page, transfer_id)).to_be_hidden()  # one line, until somebody wants to know
    await attention.locator("summary").click()
    item = item_of(page, transfer_id)
    await expect(item).to_contain_text("withdraw_compensation has failed")
    await expect(item).to_contain_text("since")
    await expect(item).to_contain_text("docs/runbook.md#parked")
    await check_looks(page)
    await check_that_nothing_moves_while_it_is_old(page, system)
    await item.get_by_role("link", name=f"Follow transfer {transfer_id}").click()
    await page.until_status("needs_attention")
    await item.get_by_role("button", name=f"Retry transfer {transfer_id}").click()
    await page.until_status("compensated")
    await expect(attention).to_be_hidden()
    assert await page.layout_shift() < MOST_SHIFT


async def check_that_nothing_moves_while_it_is_old(page: SagaPage, system: RunningSystem) -> None:
    shift = await page.layout_shift()
    await system.kill("status-checker")
    await expect(page.banner).to_contain_text("Part of this page is out of date")
    await system.start("status-checker")
    await page.until_live()
    assert await page.layout_shift() - shift < MOST_SHIFT / 4, (await page.seen())["shifts"]


async def check_looks(page: SagaPage) -> None:
    for theme in ("dark", "light"):
        await page.in_theme(theme)
        assert await page.violations_of_accessibility() == []
    await page.page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    await expect(page.page.locator("#attention li").first).to_be_in_viewport()
    assert await page.page.evaluate(OVERFLOW) == 0
    await page.page.set_viewport_size({"width": LAPTOP[0], "height": LAPTOP[1]})
