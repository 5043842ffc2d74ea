"""The browser of this machine: Debian's Chromium, or one of its family on the PATH; never one of Playwright's own."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from playwright.async_api import Browser, async_playwright

WHY_NOT: Final = "no browser is installed (apt-get install chromium)"
_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")


def chromium_path() -> str | None:
    return next(filter(None, map(shutil.which, _NAMES)), None)


@asynccontextmanager
async def running_chromium(path: str) -> AsyncIterator[Browser]:
    """Headless, and without its sandbox, which root can't have: it opens no pages but ours."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path)
        try:
            yield browser
        finally:
            await browser.close()
