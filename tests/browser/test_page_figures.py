"""What the page costs and how late it is, measured in the browser on the machine of the system."""

import re
from datetime import datetime
from statistics import median, quantiles
from typing import Final

import pytest
from browser.saga_page import SagaPage, opened_page
from playwright.async_api import Browser
from system.figures import Figures
from system.public_api import Json, PublicApi

pytestmark = pytest.mark.browser

VISITS: Final = 5
TRANSFERS: Final = 20
_FIRST_PAINT: Final = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
_LOADED: Final = """
    ['navigation', 'resource']
        .flatMap((type) => performance.getEntriesByType(type))
        .map(({name, transferSize}) => ({name, bytes: transferSize}))
"""
_MOST_BYTES: Final = 300_000
_STREAM: Final = re.compile(r"/events$")


async def test_the_page_is_small_and_soon_useful(browser: Browser, api: PublicApi, figures: Figures) -> None:
    painted, useful = [], []
    for _ in range(VISITS):
        async with opened_page(browser, api.url) as page:
            await page.load()
            painted.append(await page.page.evaluate(_FIRST_PAINT) / 1000)
            useful.append((await page.seen())["usefulAfter"] / 1000)
            loaded = [entry for entry in await page.page.evaluate(_LOADED) if not _STREAM.search(entry["name"])]
    files = [entry for entry in loaded if re.search(r"/$|/page/", entry["name"])]
    weight = sum(entry["bytes"] for entry in files)
    assert weight < _MOST_BYTES
    figures.number("page, bytes transferred on the first visit", weight)
    figures.number("page, requests for its files", len(files))
    figures.number("page, requests for its data, besides the stream", len(loaded) - len(files))
    figures.milliseconds("page, first contentful paint (median of 5 first visits)", median(painted))
    figures.milliseconds("page, form, accounts and live data on show (median of 5 first visits)", median(useful))


async def test_how_long_after_its_end_a_step_is_in_the_browser(page: SagaPage, figures: Figures) -> None:
    for _ in range(TRANSFERS):
        await page.send()
        await page.until_status("completed")
    delays = list(_delays((await page.seen())["events"]).values())
    assert len(delays) == TRANSFERS * 4
    figures.milliseconds("page, from a step's end to its event in the browser, p50", median(delays))
    figures.milliseconds("page, from a step's end to its event in the browser, p95", quantiles(delays, n=20)[-1])


def _delays(events: list[Json]) -> dict[tuple[str, str], float]:
    """Seconds from each step's end to the first event that tells of it, by transfer and step."""
    delays: dict[tuple[str, str], float] = {}
    for event in events:
        for step in event["data"]["steps"]:
            if step["finished_at"] is not None:
                finished_at = datetime.fromisoformat(step["finished_at"]).timestamp()
                delays.setdefault((event["data"]["id"], step["name"]), event["at"] / 1000 - finished_at)
    return delays
