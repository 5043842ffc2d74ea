"""What needs an operator, at the foot of the page: nothing while all is calm, else what, why, since when, a retry."""

from typing import Final

import pytest
from browser.conftest import OpenPage
from browser.saga_page import LAPTOP, MOST_SHIFT, SagaPage
from playwright.async_api import Locator, expect
from system.public_api import PublicApi

pytestmark = pytest.mark.browser

PHONE: Final = {"width": 360, "height": 740}
OVERFLOW: Final = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
_PARKED_MILLISECONDS: Final = 150_000
"""Five attempts that double their distance, on a busy machine."""


def item_of(page: SagaPage, transfer_id: str) -> Locator:
    return page.page.locator("#attention li").filter(has_text=transfer_id)


async def test_a_parked_transfer_is_told_and_retried_from_the_foot_of_the_page(
    open_page: OpenPage, api: PublicApi
) -> None:
    page = await open_page()
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
    await item.get_by_role("link", name=f"Follow transfer {transfer_id}").click()
    await page.until_status("needs_attention")
    await item.get_by_role("button", name=f"Retry transfer {transfer_id}").click()
    await page.until_status("compensated")
    await expect(attention).to_be_hidden()
    assert await page.layout_shift() < MOST_SHIFT


async def check_looks(page: SagaPage) -> None:
    for theme in ("dark", "light"):
        await page.in_theme(theme)
        assert await page.violations_of_accessibility() == []
    await page.page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    await expect(page.page.locator("#attention li").first).to_be_in_viewport()
    assert await page.page.evaluate(OVERFLOW) == 0
    await page.page.set_viewport_size({"width": LAPTOP[0], "height": LAPTOP[1]})
