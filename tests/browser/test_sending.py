"""The form: what is sent, what comes of it, and what is said where it can't be sent."""

import asyncio
import re
import subprocess
from typing import Final

import pytest
from browser.conftest import OpenPage
from browser.saga_page import SagaPage
from playwright.async_api import expect
from system.public_api import PublicApi

pytestmark = pytest.mark.browser

REFUSED: Final = "Failed to load resource: the server responded with a status of 422"
COMPLETED: Final = re.compile("^Completed . Transfer Saga$")
MARKUP: Final = "<img src=x onerror=\"document.title='owned'\"><b>bold</b>"


async def test_a_transfer_is_sent_and_followed_and_seen_in_the_money(api: PublicApi, page: SagaPage) -> None:
    source, destination = await api.open_pair("100.00")
    transfer_id = await page.send(source_account=source, destination_account=destination)
    await page.until_status("completed")
    await expect(page.meaning).to_have_text(re.compile(rf"{destination} has EUR.25\.00 more to spend"))
    await expect(page.page).to_have_title(COMPLETED)
    await expect(page.page.locator("#announcements")).to_contain_text(f"from {source} to {destination}: Completed")
    await expect(page.balance(source)).to_have_text("75.00")
    await expect(page.balance(destination)).to_have_text("25.00")
    await page.page.get_by_role("button", name=f"Entries of {source}").click()
    newest_entry = page.page.get_by_role("region", name=f"Entries of {source}").locator("tbody tr").first
    await expect(newest_entry).to_contain_text("-25.00")
    await expect(newest_entry.get_by_role("link")).to_have_attribute("href", f"#transfer={transfer_id}")


async def test_the_sum_of_all_money_is_zero_again_when_a_transfer_has_ended(page: SagaPage) -> None:
    await page.send()
    await page.until_status("completed")
    totals = page.page.get_by_role("region", name="All money")
    await expect(totals).to_contain_text("Adds up")
    await expect(totals.locator(".result")).to_have_text(re.compile(r"^EUR 0\.00$"))


async def test_its_address_opens_the_same_transfer_again(api: PublicApi, open_page: OpenPage) -> None:
    transfer_id = await api.start_transfer("alice", "carol", reference="by its address")
    await api.final(transfer_id)
    page = await open_page(transfer_id)
    await page.until_status("completed")
    await expect(page.page.locator("#follow")).to_contain_text("by its address")


async def test_each_refused_field_says_why_and_the_first_gets_the_focus(open_page: OpenPage) -> None:
    page = await open_page(expected_errors=[REFUSED])
    await page.fill(destination_account="", amount="much")
    await page.send_button.click()
    await expect(page.error_of("destination_account")).not_to_be_empty()
    await expect(page.error_of("amount")).not_to_be_empty()
    await expect(page.error_of("currency")).to_be_empty()
    await expect(page.field("destination_account")).to_be_focused()
    await expect(page.field("amount")).to_have_attribute("aria-invalid", "true")
    await expect(page.field("source_account")).to_have_attribute("aria-invalid", "false")
    await page.send(destination_account="bob", amount="1.00")
    await expect(page.error_of("amount")).to_be_empty()
    await page.until_status("completed")


async def test_a_transfer_from_nobody_is_rejected_in_plain_words(page: SagaPage) -> None:
    await page.send(source_account="nobody")
    await page.until_status("rejected")
    await expect(page.notice).to_contain_text("there is no such account")
    await expect(page.meaning).to_contain_text("before any money moved")


async def test_a_reference_with_markup_is_text_wherever_it_is_shown(page: SagaPage) -> None:
    transfer_id = await page.send(reference=MARKUP)
    await page.until_status("completed")
    await expect(page.page.locator("#follow q.reference")).to_have_text(MARKUP)
    row = page.page.locator(f"#transfers tr[data-transfer='{transfer_id}']")
    await expect(row.locator(".reference")).to_have_text(MARKUP)
    await expect(page.page.locator("img, b:text-is('bold')")).to_have_count(0)
    await expect(page.page).to_have_title(COMPLETED)


async def test_the_curl_command_on_the_page_sends_what_the_form_says(page: SagaPage) -> None:
    await page.fill(reference='Anna\'s "rent"')
    await page.scenario("ledger_rejects").check()
    command = await page.page.get_by_label("curl command", exact=True).inner_text()
    done = await asyncio.to_thread(
        subprocess.run, ["sh", "-c", f"{command} --silent"], capture_output=True, text=True, check=True
    )
    assert '"reference":"Anna\'s \\"rent\\""' in done.stdout
    row = page.rows.filter(has_text='Anna\'s "rent"')
    await expect(row.locator(".status")).to_have_text("Compensated")


async def test_a_transfer_that_does_not_exist_is_said_to_be_missing(open_page: OpenPage) -> None:
    page = await open_page("00000000-0000-4000-8000-000000000000", expected_errors=["status of 404"])
    await expect(page.page.locator("#follow")).to_contain_text("This transfer can't be shown")
    await expect(page.notice).not_to_be_empty()
    await page.send()
    await page.until_status("completed")
