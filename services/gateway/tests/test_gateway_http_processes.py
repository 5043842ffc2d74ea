"""Which of the HTTP processes are there, as the page is told: alive, ready, gone since when."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from gateway.downstream import Downstream
from gateway.http_processes import HttpProcessObserver
from gateway.response_models import HttpProcess
from gateway.settings import Settings
from http_servers import closed_port_url, serving
from internal_api_fakes import HANG_SECONDS, World, fake_account_api
from transfer_contract.names import Process

HTTP_PROCESSES = [Process.WORKFLOW_HANDLER, Process.STATUS_CHECKER, Process.ACCOUNT_API, Process.LEDGER_API]


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second may be short on a busy machine for one that is there."""
    monkeypatch.setattr("gateway.http_processes.OBSERVE_SECONDS", 3)


@pytest.fixture
async def observer(settings: Settings, world: World) -> AsyncIterator[HttpProcessObserver]:
    async with Downstream(settings) as downstream:
        yield HttpProcessObserver(downstream)


async def observed(observer: HttpProcessObserver, process: Process) -> HttpProcess:
    return next(item for item in (await observer.observe()).items if item.process is process)


async def test_processes_that_are_there_are_ready(observer: HttpProcessObserver) -> None:
    assert (await observer.observe()).items == [
        HttpProcess(process=process, ready=True, gone_since=None) for process in HTTP_PROCESSES
    ]


async def test_one_that_lacks_what_it_needs_is_not_ready_and_not_gone(
    observer: HttpProcessObserver, world: World
) -> None:
    world.not_ready = {Process.ACCOUNT_API}
    expected = HttpProcess(process=Process.ACCOUNT_API, ready=False, gone_since=None)
    assert await observed(observer, Process.ACCOUNT_API) == expected
    assert (await observed(observer, Process.LEDGER_API)).ready


async def test_one_that_hangs_is_gone_and_does_not_hold_up_the_others(
    observer: HttpProcessObserver, world: World
) -> None:
    world.faults = dict.fromkeys(HTTP_PROCESSES[1:], "hangs")
    before = time.monotonic()
    seen = await observer.observe()
    assert time.monotonic() - before < HANG_SECONDS / 2
    assert [item.ready for item in seen.items] == [True, False, False, False]
    assert [item.gone_since is None for item in seen.items] == [True, False, False, False]


async def test_one_that_is_gone_tells_when_it_was_last_seen_until_it_is_back(settings: Settings, world: World) -> None:
    url = closed_port_url()
    port = int(url.rsplit(":", 1)[1])
    async with Downstream(settings.model_copy(update={"account_api_url": url})) as downstream:
        observer = HttpProcessObserver(downstream)
        with serving(fake_account_api(world), port=port):
            before = datetime.now(UTC)
            assert (await observed(observer, Process.ACCOUNT_API)).ready
            seen_at = datetime.now(UTC)
        gone = await observed(observer, Process.ACCOUNT_API)
        assert gone.gone_since is not None
        assert before <= gone.gone_since <= seen_at
        assert await observed(observer, Process.ACCOUNT_API) == gone
        with serving(fake_account_api(world), port=port):
            assert (await observed(observer, Process.ACCOUNT_API)).gone_since is None


async def test_one_that_was_never_seen_is_gone_since_the_first_look(settings: Settings, world: World) -> None:
    before = datetime.now(UTC)
    async with Downstream(settings.model_copy(update={"account_api_url": closed_port_url()})) as downstream:
        observer = HttpProcessObserver(downstream)
        first = (await observed(observer, Process.ACCOUNT_API)).gone_since
        assert first is not None
        assert before <= first <= datetime.now(UTC)
        assert (await observed(observer, Process.ACCOUNT_API)).gone_since == first
