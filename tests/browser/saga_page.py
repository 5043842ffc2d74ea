"""The web page as somebody uses it, and what must never happen while they do."""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import Any, Final, Literal

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect
from system.public_api import FINAL, Json

PATIENCE_SECONDS: Final = 60
"""The machine may be busy. What is waited for comes sooner, and every wait ends with it."""

_LONGEST_TRANSFER_SECONDS: Final = 150
LAPTOP: Final = (1280, 800)
CONNECTION_ERRORS: Final = r"Failed to load resource: net::ERR_"
"""What the browser says of a server that is gone, whatever a page does about it."""

_REPEAT_LATER: Final = "Failed to load resource: the server responded with a status of 503"
"""What an overloaded machine's answers say. The page repeats the request, as a client is told to do."""

_LABELS: Final = {
    "source_account": "From",
    "destination_account": "To",
    "amount": "Amount",
    "currency": "Currency",
    "reference": "Reference",
}
MOST_SHIFT: Final = 0.02
"""For words that grow and numbers that appear beside them: a hundredth in all. What counts as good is a tenth."""

_RECORDER: Final = Path(__file__).with_name("recorder.js")
_CALM: Final = """
    Promise.all(
        document.getAnimations()
            .filter(({effect}) => effect.getComputedTiming().endTime !== Infinity)
            .map(({finished}) => finished.catch(() => {}))
    ).then(() => {})
"""
_AXE: Final = resources.files("axe_playwright_python").joinpath("axe.min.js")


class Unwanted:
    """Errors in the console, exceptions that nobody caught, and requests to another host."""

    def __init__(self, context: BrowserContext, gateway_url: str, *, expected_errors: Sequence[str]) -> None:
        self._gateway_url = gateway_url
        self._expected_errors = (_REPEAT_LATER, *expected_errors)
        self._seen: list[str] = []
        context.on("console", self._on_console)
        context.on("weberror", lambda error: self._note(f"exception: {error.error}"))
        context.on("request", lambda request: self._on_request(request.url))

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._note(f"console: {message.text} ({message.location.get('url')})")

    def _on_request(self, url: str) -> None:
        if not url.startswith(f"{self._gateway_url}/"):
            self._note(f"request to another host: {url}")

    def _note(self, text: str) -> None:
        if not any(re.search(expected, text) for expected in self._expected_errors):
            self._seen.append(text)

    def check(self) -> None:
        assert not self._seen, "\n".join(self._seen)


@asynccontextmanager
async def opened_page(
    browser: Browser, gateway_url: str, *, expected_errors: Sequence[str] = (), **options: Any
) -> AsyncIterator["SagaPage"]:
    """In a context of its own, not loaded yet. `expected_errors`: patterns of what is wanted for once."""
    width, height = LAPTOP
    context = await browser.new_context(**{"viewport": {"width": width, "height": height}} | options)
    try:
        context.set_default_timeout(PATIENCE_SECONDS * 1000)
        unwanted = Unwanted(context, gateway_url, expected_errors=expected_errors)
        await context.add_init_script(path=_RECORDER)
        yield SagaPage(await context.new_page(), gateway_url)
        unwanted.check()
    finally:
        await context.close()


class SagaPage:
    def __init__(self, page: Page, gateway_url: str) -> None:
        self.page = page
        self._gateway_url = gateway_url
        self.send_button = page.get_by_role("button", name="Send", exact=True)
        self.cancel_button = page.get_by_role("button", name="Cancel transfer")
        self.retry_button = page.get_by_role("button", name="Retry now")
        self.badge = page.locator("#follow .badge")
        self.meaning = page.locator("#follow .meaning")
        self.notice = page.locator("#follow .notice")
        self.banner = page.get_by_role("alert").locator(".banner")
        self.rows = page.locator("#transfers tbody tr")

    async def load(self, transfer_id: str | None = None) -> None:
        """Returns when it shows the accounts, live."""
        await self.page.goto(self.address(transfer_id))
        await self.until_live()
        await expect(self.page.locator("tr[data-account]").first).to_be_visible()

    def address(self, transfer_id: str | None = None) -> str:
        return f"{self._gateway_url}/" + (f"#transfer={transfer_id}" if transfer_id else "")

    async def until_live(self) -> None:
        await expect(self.page.locator("#connection")).to_have_text("Live")
        await expect(self.banner).to_have_count(0)

    def field(self, name: str) -> Locator:
        """By the name that the API has for it."""
        return self.page.locator("#send").get_by_label(_LABELS[name], exact=True)

    def error_of(self, name: str) -> Locator:
        return self.page.locator(f"#{name}-error")

    def scenario(self, name: str) -> Locator:
        return self.page.locator(f"#send input[name=scenario][value='{name}']")

    async def fill(self, **fields: str) -> None:
        for name, value in fields.items():
            await self.field(name).fill(value)

    async def send(self, scenario: str = "", **fields: str) -> str:
        """Returns the transfer's id as soon as the page follows it."""
        await self.fill(**fields)
        await self.scenario(scenario).check()
        before = self.page.url
        await self.send_button.click()
        await expect(self.page).not_to_have_url(before)
        await expect(self.badge).to_be_visible()
        return self.followed_id

    @property
    def followed_id(self) -> str:
        return self.page.url.partition("#transfer=")[2]

    async def until_status(self, *statuses: str) -> None:
        wanted = re.compile("|".join(statuses))
        await expect(self.badge).to_have_attribute("data-status", wanted, timeout=_LONGEST_TRANSFER_SECONDS * 1000)

    async def until_final(self) -> None:
        await self.until_status(*FINAL)

    def step(self, name: str) -> Locator:
        return self.page.locator(f".cell[data-step={name}]")

    async def until_step(self, name: str, state: str) -> None:
        await expect(self.step(name)).to_have_attribute("data-state", state)

    def worker(self, process: str) -> Locator:
        return self.page.locator(f".worker[data-process={process}]")

    def crash_button(self, process: str) -> Locator:
        return self.page.get_by_role("button", name=f"Crash {process}")

    def balance(self, account: str) -> Locator:
        return self.page.locator(f"tr[data-account='{account}'] .balance")

    async def in_theme(self, theme: Literal["light", "dark"]) -> None:
        """When its colours have changed."""
        await self.page.emulate_media(color_scheme=theme)
        await self.until_calm()

    async def until_calm(self) -> None:
        """Nothing lights up or fades any more; what turns as long as something runs goes on turning."""
        await self.page.evaluate(_CALM)

    async def seen(self) -> Json:
        """What the page has shown since it was loaded: see recorder.js."""
        seen: Json = await self.page.evaluate("window.seen")
        return seen

    async def layout_shift(self) -> float:
        """How much of the page has jumped, and how far, as the browser adds it up; see recorder.js."""
        return float(sum(shift["value"] for shift in (await self.seen())["shifts"]))

    async def violations_of_accessibility(self) -> list[str]:
        """By axe-core, with all the rules that it has on. Its script comes in past the policy, as a debugger's does."""
        await self.page.evaluate(_AXE.read_text(encoding="utf-8"))
        found: list[Json] = await self.page.evaluate("axe.run().then(({violations}) => violations)")
        return [
            f"{violation['id']}: {violation['help']} at {node['target']}: {node['failureSummary']}"
            for violation in found
            for node in violation["nodes"]
        ]
