"""For those who don't see the page or have no mouse: axe-core's rules in both themes, a transfer by keyboard only."""

from typing import Final

import pytest
from browser.saga_page import SagaPage
from playwright.async_api import Locator, expect

pytestmark = pytest.mark.browser

_MOST_TABS: Final = 60
_FOCUS_RING: Final = """
    (() => {
        const {outlineStyle, outlineWidth, boxShadow} = getComputedStyle(document.activeElement);
        const {width, height} = document.activeElement.getBoundingClientRect();
        const isOutlined = outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1;
        return width * height > 0 && (isOutlined || boxShadow !== 'none');
    })()
"""


async def tab_to(page: SagaPage, target: Locator) -> None:
    """By the Tab key alone; whatever has the focus on the way is seen to have it."""
    for _ in range(_MOST_TABS):
        await page.page.keyboard.press("Tab")
        focused = await page.page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
        assert await page.page.evaluate(_FOCUS_RING), f"nothing shows the focus of {focused}"
        if await target.evaluate("(element) => element === document.activeElement"):
            return
    pytest.fail(f"{_MOST_TABS} tabs don't lead to {target}")


async def check_in_both_themes(page: SagaPage) -> None:
    await page.in_theme("dark")
    assert await page.violations_of_accessibility() == []
    await page.in_theme("light")
    assert await page.violations_of_accessibility() == []


async def test_axe_finds_nothing_on_the_page_before_a_transfer(page: SagaPage) -> None:
    await check_in_both_themes(page)


async def test_axe_finds_nothing_in_a_compensated_transfer_with_all_its_details(page: SagaPage) -> None:
    await page.send("ledger_rejects")
    await page.until_status("compensated")
    await page.page.get_by_text("All details of its steps").click()
    await page.page.get_by_text("Five things to try").click()
    await check_in_both_themes(page)


async def test_a_transfer_is_sent_and_cancelled_by_keyboard_only(page: SagaPage) -> None:
    keyboard = page.page.keyboard
    await tab_to(page, page.field("source_account"))
    await keyboard.type("alice")
    await tab_to(page, page.field("amount"))
    await keyboard.type("3.50")
    await tab_to(page, page.scenario(""))
    for _ in range(4):
        await keyboard.press("ArrowDown")
    await expect(page.scenario("slow")).to_be_checked()
    await tab_to(page, page.send_button)
    await keyboard.press("Enter")
    await page.until_step("withdraw", "running")
    await expect(page.page.locator("#follow .amount")).to_contain_text("3.50")
    await tab_to(page, page.cancel_button)
    await keyboard.press("Space")
    await page.until_status("compensated")
    await expect(page.cancel_button).to_be_focused()


async def test_the_first_tab_offers_to_skip_to_the_followed_transfer(page: SagaPage) -> None:
    await page.page.keyboard.press("Tab")
    skip = page.page.get_by_role("link", name="Skip to the followed transfer")
    await expect(skip).to_be_focused()
    await expect(skip).to_be_in_viewport(ratio=1)
    await page.page.keyboard.press("Enter")
    await expect(page.page.locator("#follow")).to_be_focused()
