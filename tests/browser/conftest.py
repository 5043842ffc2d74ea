"""One running system and one browser for all tests of this folder; each test has pages of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from browser.chromium import WHY_NOT, chromium_path, running_chromium
from browser.journeys import Journeys
from browser.saga_page import PATIENCE_SECONDS, SagaPage, opened_page
from playwright.async_api import Browser, expect
from system.order_of_tests import put_in_order
from system.public_api import PublicApi
from system.running_system import EIGHT, RunningSystem, running_system

OpenPage = Callable[..., Awaitable[SagaPage]]

_ORDER: Final = (
    "test_looks",
    "test_accessibility",
    "test_policy",
    "test_sending",
    "test_transfer_list",
    "test_batch_file",
    "test_timelines",
    "test_attention_list",
    "test_page_figures",
    "test_cancelling",
    "test_screenshots",
    "test_crashing_workers",
    "test_reconnecting",
)
"""First what can run beside the scenarios, then these, then what measures alone, then what kills."""

ACCOUNTS: Final = {"alice": "100000.00", "bob": "500.00", "carol": None}
"""The page's form begins with a transfer from alice to bob."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    put_in_order(items, Path(__file__).parent, _ORDER)


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    path = chromium_path()
    if path is None:
        pytest.skip(WHY_NOT)
    expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    async with running_chromium(path) as browser:
        yield browser


@dataclass
class _Running:
    local_dir: Path
    system: RunningSystem
    journeys: Journeys


@pytest.fixture(scope="session")
async def running(
    request: pytest.FixtureRequest, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[_Running]:
    """With the journeys on their way from the first test on, where a test of this run asks for them."""
    local_dir = tmp_path_factory.mktemp("browser") / "local"
    async with running_system(local_dir) as system:
        for account_id, balance in ACCOUNTS.items():
            await system.api.open_account(balance, account_id=account_id)
        async with Journeys(partial(opened_page, browser, system.api.url)) as journeys:
            if any("journeys" in getattr(item, "fixturenames", ()) for item in request.session.items):
                journeys.start()
            yield _Running(local_dir, system, journeys)


@pytest.fixture(scope="session")
def system(running: _Running) -> RunningSystem:
    return running.system


@pytest.fixture(scope="session")
def local_dir(running: _Running) -> Path:
    """Of the running system, as the commands of `make` take it."""
    return running.local_dir


@pytest.fixture(scope="session")
def api(system: RunningSystem) -> PublicApi:
    return system.api


@pytest.fixture(scope="session")
def journeys(running: _Running) -> Journeys:
    return running.journeys


@pytest.fixture
async def all_alive_afterwards(system: RunningSystem) -> AsyncIterator[None]:
    """Also where a test has failed between its kill and its start."""
    yield
    running = await system.pids()
    for name in EIGHT:
        if name not in running:
            await system.start(name)


@pytest.fixture
async def open_page(browser: Browser, api: PublicApi) -> AsyncIterator[OpenPage]:
    """Takes what a context takes (`viewport`, `color_scheme`, …) and `expected_errors`."""
    async with AsyncExitStack() as pages:

        async def open_one(transfer_id: str | None = None, **options: Any) -> SagaPage:
            page = await pages.enter_async_context(opened_page(browser, api.url, **options))
            await page.load(transfer_id)
            return page

        yield open_one


@pytest.fixture
async def page(open_page: OpenPage) -> SagaPage:
    return await open_page()
