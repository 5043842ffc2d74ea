"""A transfer is cancelled on the page. Its retry, by an operator, is a part of the timeline that needs attention."""

import pytest
from browser.saga_page import SagaPage
from playwright.async_api import expect

pytestmark = pytest.mark.browser


async def test_a_cancel_before_the_point_of_no_return_undoes_what_was_done(page: SagaPage) -> None:
    await page.send("slow")
    await page.until_step("withdraw", "running")
    await expect(page.retry_button).to_be_disabled()
    await page.cancel_button.click()
    await expect(page.cancel_button).to_be_disabled()
    await page.until_status("compensated")
    await expect(page.notice).to_contain_text("somebody cancelled it")
    await expect(page.step("withdraw_compensation")).to_have_attribute("data-state", "done")
