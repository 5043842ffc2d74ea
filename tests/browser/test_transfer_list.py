"""The list of transfers: live, filtered, page by page."""

import asyncio
from typing import Final

import pytest
from browser.saga_page import SagaPage
from playwright.async_api import Locator, expect
from system.public_api import PublicApi

pytestmark = pytest.mark.browser

PAGE_SIZE: Final = 20
COMPLETED: Final = 22
REJECTED: Final = 2
OPENING: Final = 1
"""The transfer that brought the source its first money."""


@pytest.fixture(scope="module")
async def busy_account(api: PublicApi) -> str:
    """More than a page of transfers, of two outcomes."""
    source, destination = await api.open_pair("100.00")
    sent = [api.start_transfer(source, destination) for _ in range(COMPLETED)]
    refused = [api.start_transfer(source, destination, amount="1000.00") for _ in range(REJECTED)]
    await api.final_all(await asyncio.gather(*sent, *refused))
    return source


def status_filter(page: SagaPage) -> Locator:
    return page.page.get_by_role("search").get_by_label("Status")


def account_filter(page: SagaPage) -> Locator:
    return page.page.get_by_role("search").get_by_label("Account")


def page_button(page: SagaPage, name: str) -> Locator:
    return page.page.get_by_role("navigation", name="Pages of transfers").get_by_role("button", name=name)


async def test_a_filter_by_status_shows_only_those_and_those_that_become_so(page: SagaPage) -> None:
    await page.send(source_account="nobody")
    await page.until_status("rejected")
    await status_filter(page).select_option("Rejected")
    await expect(page.page.locator("#transfers tbody tr:not([data-status=rejected])")).to_have_count(0)
    await expect(page.rows).not_to_have_count(0)
    transfer_id = await page.send(source_account="nobody", reference="one more")
    await expect(page.page.locator(f"tr[data-transfer='{transfer_id}'][data-status=rejected]")).to_be_visible()


async def test_an_account_has_its_pages_and_each_leads_back(page: SagaPage, busy_account: str) -> None:
    await account_filter(page).fill(busy_account)
    await account_filter(page).press("Enter")
    await expect(page.page.locator("#transfers")).to_contain_text("filtered")
    await expect(page.rows).to_have_count(PAGE_SIZE)
    first = await page.rows.first.get_attribute("data-transfer")
    await page_button(page, "Older").click()
    await expect(page.rows).to_have_count(COMPLETED + REJECTED + OPENING - PAGE_SIZE)
    await expect(page_button(page, "Older")).to_be_disabled()
    await page_button(page, "Newer").click()
    await expect(page.rows.first).to_have_attribute("data-transfer", str(first))
    await status_filter(page).select_option("Rejected")
    await expect(page.rows).to_have_count(REJECTED)
    await page.rows.first.get_by_role("link").click()
    await page.until_status("rejected")
    await expect(page.rows.first).to_have_attribute("data-open", "true")


async def test_without_a_filter_an_older_page_leads_back_to_the_newest(page: SagaPage, busy_account: str) -> None:
    await expect(page.rows).to_have_count(PAGE_SIZE)
    first = await page.rows.first.get_attribute("data-transfer")
    await page_button(page, "Older").click()
    await expect(page.rows.first).not_to_have_attribute("data-transfer", str(first))
    await page_button(page, "Newest").click()
    await expect(page.rows).to_have_count(PAGE_SIZE)
    await expect(page_button(page, "Newest")).to_be_disabled()


async def test_a_filter_that_nothing_matches_says_so(page: SagaPage) -> None:
    await account_filter(page).fill("nobody-ever")
    await account_filter(page).press("Enter")
    await expect(page.page.locator("#transfers")).to_contain_text("No transfer matches this filter.")


async def test_a_row_appears_and_changes_by_itself(page: SagaPage, api: PublicApi) -> None:
    transfer_id = await api.start_transfer("alice", "carol", scenario="ledger_rejects")
    row = page.page.locator(f"tr[data-transfer='{transfer_id}']")
    await expect(row).to_have_attribute("data-status", "compensated")
    await expect(row).to_contain_text("the ledger refused it")
