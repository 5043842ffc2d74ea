"""`make screenshots`: renders the README's pictures into docs/images, from the product that `make up` has started."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "deploy/local"), str(ROOT / "tests")]

from browser.chromium import WHY_NOT, chromium_path, running_chromium  # noqa: E402
from browser.saga_page import CONNECTION_ERRORS, SagaPage, opened_page  # noqa: E402
from errors import StackError  # noqa: E402
from PIL import Image  # noqa: E402
from playwright.async_api import Browser, Error, expect  # noqa: E402
from stack import Stack  # noqa: E402

LAPTOP: Final = {"viewport": {"width": 1280, "height": 800}, "device_scale_factor": 1.5}
PHONE: Final = {"viewport": {"width": 360, "height": 780}, "device_scale_factor": 2, "is_mobile": True}
MOST_BYTES: Final = 200_000
"""Of a picture, for they stay in the repository's history for ever."""

COLOURS: Final = 256
"""As many as one byte names: the page has few, and the edges of its letters need no more."""

_PATIENCE_SECONDS: Final = 60
_FEED_SECONDS: Final = 3
"""Within this the page has been told of every account that has moved."""

_WORKER: Final = "account-worker"


class ScreenshotError(Exception):
    """Ends the program with this one line."""


def main() -> int:
    stack = Stack(Path(os.environ.get("LOCAL_DIR") or ROOT / ".local"))
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        asyncio.run(_take_all(stack, folder))
    except (ScreenshotError, StackError, AssertionError, Error) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


async def _take_all(stack: Stack, folder: Path) -> None:
    path = chromium_path()
    if path is None:
        raise ScreenshotError(WHY_NOT)
    if not await asyncio.to_thread(stack.processes):
        raise ScreenshotError("nothing is running: `make up`, then `make screenshots`")
    expect.set_options(timeout=_PATIENCE_SECONDS * 1000)
    async with running_chromium(path) as browser:
        pictures = Pictures(browser, stack, folder)
        await pictures.compensated()
        await pictures.on_a_phone()
        await pictures.waiting_for_a_worker()


class Pictures:
    def __init__(self, browser: Browser, stack: Stack, folder: Path) -> None:
        self._browser = browser
        self._stack = stack
        self._folder = folder

    async def compensated(self) -> None:
        """In both themes."""
        async with self._page(**LAPTOP) as page:
            await page.send("ledger_rejects", reference="rent")
            await page.until_status("compensated")
            await _until_money_rests(page)
            await self._take(page, "compensated")
            await page.in_theme("dark")
            await self._take(page, "compensated-dark")

    async def on_a_phone(self) -> None:
        async with self._page(**PHONE) as page:
            await page.send("ledger_rejects", reference="rent")
            await page.until_status("compensated")
            await _until_money_rests(page)
            await self._take(page, "phone")

    async def waiting_for_a_worker(self) -> None:
        """Kills it in the middle of a compensation, and starts it again."""
        async with self._page(**LAPTOP) as page:
            await page.send("slow_compensation", reference="rent")
            await page.until_step("deposit_compensation", "running")
            await asyncio.to_thread(self._stack.kill, _WORKER)
            try:
                await page.until_step("deposit_compensation", "waiting")
                await expect(page.worker(_WORKER)).to_contain_text("gone since")
                await expect(page.notice).to_contain_text("none is alive since")
                await _until_sum_says(page, "held", "25.00")
                await self._take(page, "waiting-for-a-worker")
            finally:
                await asyncio.to_thread(self._stack.start, _WORKER)
            await page.until_status("compensated")

    @asynccontextmanager
    async def _page(self, **options: Any) -> AsyncIterator[SagaPage]:
        url = self._stack.gateway_url.replace("127.0.0.1", "localhost")
        async with opened_page(self._browser, url, expected_errors=[CONNECTION_ERRORS], **options) as page:
            await page.load()
            yield page

    async def _take(self, page: SagaPage, name: str) -> None:
        await page.page.mouse.move(0, 0)
        await page.page.evaluate("document.activeElement.blur()")
        await page.until_calm()
        path = self._folder / f"{name}.png"
        picture = Image.open(BytesIO(await page.page.screenshot())).convert("RGB")
        picture.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise ScreenshotError(f"{path} has {size} bytes: more than {MOST_BYTES}")
        sys.stdout.write(f"{path}: {size // 1000} kB\n")


async def _until_money_rests(page: SagaPage) -> None:
    await _until_sum_says(page, "in transit", "0.00")
    await asyncio.sleep(_FEED_SECONDS)


async def _until_sum_says(page: SagaPage, term: str, amount: str) -> None:
    """The sums come a moment after what they sum up."""
    number = page.page.locator("#totals .term").filter(has_text=term).locator(".number")
    await expect(number.first).to_have_text(amount)


if __name__ == "__main__":
    sys.exit(main())
