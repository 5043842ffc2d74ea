"""How the page looks: two themes, three widths and a phone, before anything is there and while everything changes."""

import asyncio
from typing import Final

import pytest
from browser.conftest import OpenPage
from browser.saga_page import LAPTOP, MOST_SHIFT, SagaPage, opened_page
from playwright.async_api import Browser, Route, ViewportSize, expect
from system.public_api import PublicApi

pytestmark = pytest.mark.browser

WIDTHS: Final = (360, 768, 1280, 1600)
NOTHING_THERE: Final = """\
event: transfers
data: {"items": []}

event: accounts
data: {"items": [], "next_cursor": null}

event: reconciliation
data: {"balanced": true, "currencies": [], "discrepancies": []}

"""
COLOURS: Final = "const {backgroundColor, color} = getComputedStyle(document.body); [backgroundColor, color]"
OVERFLOW: Final = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def viewport(width: int) -> ViewportSize:
    return {"width": width, "height": LAPTOP[1]}


async def test_until_something_is_known_it_says_that_it_is_looking(browser: Browser, api: PublicApi) -> None:
    async with opened_page(browser, api.url) as page:
        over = asyncio.Event()

        async def never(_route: Route) -> None:
            await over.wait()

        await page.page.route("**/events", never)
        await page.page.goto(page.address())
        for section, text in (
            ("#totals", "Adding up…"),
            ("#connection", "Connecting"),
            ("#money", "Loading accounts…"),
            ("#workers", "Looking for workers…"),
            ("#transfers", "Loading transfers…"),
        ):
            await expect(page.page.locator(section)).to_contain_text(text)
        await expect(page.send_button).to_be_enabled()
        over.set()


async def test_where_nothing_is_there_yet_it_says_what_to_do(browser: Browser, api: PublicApi) -> None:
    async with opened_page(browser, api.url) as page:
        answer = {"content_type": "text/event-stream", "body": NOTHING_THERE}
        await page.page.route("**/events", lambda route: route.fulfill(**answer))
        await page.page.goto(page.address())
        await expect(page.page.locator("#follow")).to_contain_text("Send one and watch its steps here")
        await expect(page.page.locator("#money")).to_contain_text("POST /accounts opens one")
        await expect(page.page.locator("#transfers")).to_contain_text("No transfers yet.")


async def test_each_theme_has_its_colours(page: SagaPage) -> None:
    colours = {}
    for theme in ("light", "dark"):
        await page.in_theme(theme)
        colours[theme] = await page.page.evaluate(COLOURS)
    assert not set(colours["light"]) & set(colours["dark"])


async def test_no_width_makes_it_scroll_sideways(open_page: OpenPage, api: PublicApi) -> None:
    """With names as long as they may be, and with an error on show."""
    source, destination = [await api.open_account("50.00", account_id=f"{name * 21}x") for name in ("abc", "xyz")]
    reference = "A-reference-without-any-place-where-it-could-be-broken-" * 2
    transfer_id = await api.start_transfer(source, destination, scenario="ledger_rejects", reference=reference)
    await api.final(transfer_id)
    page = await open_page(transfer_id)
    for width in WIDTHS:
        await page.page.set_viewport_size(viewport(width))
        await page.until_status("compensated")
        assert (width, await page.page.evaluate(OVERFLOW)) == (width, 0)


async def test_on_a_phone_the_sent_transfer_comes_into_view(open_page: OpenPage) -> None:
    page = await open_page(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    await page.send()
    await expect(page.badge).to_be_in_viewport(ratio=1)
    await page.until_status("completed")
    assert await page.page.evaluate(OVERFLOW) == 0
    await expect(page.badge).to_be_in_viewport(ratio=1)


async def test_on_a_laptop_the_whole_journey_fits_without_scrolling(page: SagaPage) -> None:
    transfer_id = await page.send("ledger_rejects")
    await page.until_status("compensated")
    assert transfer_id
    assert await page.page.evaluate("scrollY") == 0
    parts = [page.send_button, page.badge, page.meaning, page.notice, page.cancel_button]
    parts += [page.page.locator(selector) for selector in ("#totals", "#connection", ".point-of-no-return", ".plot")]
    parts += [page.step(name) for name in ("withdraw", "deposit", "record", "release", "withdraw_compensation")]
    parts += [page.crash_button(process) for process in ("workflow-worker", "account-worker", "ledger-worker")]
    parts += [page.balance(account) for account in ("alice", "bob")]
    for part in parts:
        await expect(part).to_be_in_viewport(ratio=1)


async def test_nothing_on_the_page_jumps_from_its_first_sign_to_a_transfers_end(open_page: OpenPage) -> None:
    async def watch(width: int) -> SagaPage:
        page = await open_page(viewport=viewport(width))
        await page.send("ledger_fails_twice")
        await page.until_status("completed")
        return page

    for page in await asyncio.gather(*map(watch, WIDTHS)):
        assert await page.layout_shift() < MOST_SHIFT, (await page.seen())["shifts"]


async def test_who_wants_no_motion_gets_none(open_page: OpenPage) -> None:
    page = await open_page(reduced_motion="reduce")
    await page.send("ledger_fails_twice")
    await page.until_step("record", "retrying")
    assert await page.page.evaluate("document.getAnimations().length") == 0
    await page.until_final()
