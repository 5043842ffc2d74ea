"""The page's content security policy, in force: what somebody smuggles into the page doesn't run."""

import re
from typing import Final

import pytest
from browser.saga_page import opened_page
from playwright.async_api import Browser, Route, expect
from system.public_api import PublicApi

pytestmark = pytest.mark.browser

ELSEWHERE: Final = "https://elsewhere.example/"
SMUGGLED: Final = f"""
    <script>document.title = 'owned'</script>
    <script src="{ELSEWHERE}owned.js"></script>
    <img src="{ELSEWHERE}owned.png" onerror="document.title = 'owned'">
    <a href="javascript:document.title = 'owned'" id="smuggled">smuggled</a>
    <style>body {{ display: none }}</style>
    </body>
"""


async def test_it_trusts_no_inline_script_no_other_host_and_no_text_as_markup(api: PublicApi) -> None:
    answer = await api.http.get("/")
    directives = dict(
        directive.strip().split(" ", 1) for directive in answer.headers["Content-Security-Policy"].split(";")
    )
    assert directives["default-src"] == "'none'"
    assert {directives[f"{kind}-src"] for kind in ("script", "style", "img", "connect")} == {"'self'"}
    assert {directives[name] for name in ("base-uri", "form-action", "frame-ancestors")} == {"'none'"}
    assert directives["require-trusted-types-for"] == "'script'"
    assert not re.search("unsafe|\\*|data:|http", answer.headers["Content-Security-Policy"])


async def test_what_is_smuggled_into_the_page_does_not_run(browser: Browser, api: PublicApi) -> None:
    async def smuggle(route: Route) -> None:
        answer = await route.fetch()
        await route.fulfill(response=answer, body=(await answer.text()).replace("</body>", SMUGGLED))

    async with opened_page(
        browser, api.url, expected_errors=[r"violates the following Content Security Policy", ELSEWHERE]
    ) as page:
        await page.page.route(page.address(), smuggle)
        await page.load()
        await page.page.locator("#smuggled").press("Enter")
        await page.send()
        await page.until_status("completed")
        await expect(page.page).to_have_title(re.compile("^Completed . Transfer Saga$"))
        blocked = [(violation["directive"], violation["blocked"]) for violation in (await page.seen())["violations"]]
        assert sorted(blocked) == [
            ("img-src", f"{ELSEWHERE}owned.png"),
            ("script-src-attr", "inline"),
            ("script-src-elem", f"{ELSEWHERE}owned.js"),
            ("script-src-elem", "inline"),
            ("script-src-elem", "inline"),
            ("style-src-elem", "inline"),
        ]


async def test_a_text_cannot_become_markup_by_another_way_than_the_templates(browser: Browser, api: PublicApi) -> None:
    async with opened_page(browser, api.url, expected_errors=["Trusted", "Content Security Policy"]) as page:
        await page.load()
        error = await page.page.evaluate("""
            () => {
                try { document.body.innerHTML = '<img src=x onerror="document.title = 1">'; }
                catch (error) { return error.name; }
            }
        """)
        assert error == "TypeError"
