"""A file of transfers: what is wrong in it is shown before anything is sent, then a bar follows it to its end."""

import csv
import io
from typing import Final

import pytest
from browser.conftest import OpenPage
from browser.saga_page import SagaPage
from playwright.async_api import FilePayload, Locator, expect
from system.public_api import PublicApi

pytestmark = pytest.mark.browser

HEADER: Final = "source_account,destination_account,amount,currency,reference"
REFUSED: Final = "Failed to load resource: the server responded with a status of 422"


def file_of(*lines: str) -> FilePayload:
    return {"name": "salaries.csv", "mimeType": "text/csv", "buffer": "\n".join([HEADER, *lines]).encode()}


def batch_on(page: SagaPage) -> Locator:
    return page.page.get_by_role("region", name="Many at once")


async def test_what_is_wrong_in_a_file_is_shown_by_line_and_nothing_is_sent(
    api: PublicApi, open_page: OpenPage
) -> None:
    page = await open_page(expected_errors=[REFUSED])
    source, destination = await api.open_pair()
    section = batch_on(page)
    await section.get_by_label("A CSV file").set_input_files(
        file_of(f"{source},{destination},1.00,EUR,", f"{source},{source},0,EUR,", f"{source},{destination},1,XXX,")
    )
    wrong = section.get_by_role("region", name="What is wrong, by line").locator("tbody tr")
    await expect(wrong).to_have_count(3)
    await expect(wrong.nth(0)).to_contain_text("line 3.destination_account")
    await expect(wrong.nth(1)).to_contain_text("line 3.amount")
    await expect(wrong.nth(2)).to_contain_text("line 4.currency")
    await expect(section.get_by_role("button", name="Send")).to_have_attribute("aria-disabled", "true")
    assert await api.all_items("/transfers", account=source, status="completed") == await api.all_items(
        "/transfers", account=source
    )


async def test_a_file_is_sent_followed_by_a_bar_and_its_outcomes_downloaded(api: PublicApi, page: SagaPage) -> None:
    source, destination = await api.open_pair("100.00")
    lines = [f"{source},{destination},1.00,EUR,pay {number}" for number in range(1, 41)]
    section = batch_on(page)
    await section.get_by_label("A CSV file").set_input_files(file_of(*lines, f"{source},nobody,2.00,EUR,"))
    await expect(section.get_by_role("status")).to_contain_text("41 transfers of EUR")
    await section.get_by_role("button", name="Send 41").click()
    await expect(section.locator(".batch")).to_have_attribute("data-status", "finished")
    bar = section.get_by_role("progressbar", name="Transfers that have ended")
    assert (await bar.get_attribute("aria-valuenow"), await bar.get_attribute("aria-valuemax")) == ("41", "41")
    await expect(section.locator(".batch-counts")).to_contain_text("40 completed")
    await expect(section.locator(".batch-counts")).to_contain_text("1 compensated")
    async with page.page.expect_download() as downloading:
        await section.get_by_role("link", name="Download the outcomes").click()
    text = (await (await downloading.value).path()).read_text()
    outcomes = list(csv.DictReader(io.StringIO(text)))
    assert [outcome["status"] for outcome in outcomes] == ["completed"] * 40 + ["compensated"]
    assert (await api.money(destination)) == ("40.00", "0.00")
    await page.page.reload()
    await expect(section.locator(".batch")).to_have_attribute("data-status", "finished")
