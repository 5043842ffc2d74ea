"""The gateway as a real process on a real port: start, early refusals, demo data, the docs in a browser, stop."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from gateway.demo_data import main
from gateway.settings import Settings
from http_servers import closed_port_url
from internal_api_fakes import World
from transfer_contract.identity import opening_transfer_id
from transfer_contract.names import Process
from transfer_contract.transfers import TransferStatus

START_SECONDS = 20
HEAD_OF_POST = b"POST /transfers HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
PROGRAMS = Path(sys.executable).parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def gateway_url(settings: Settings) -> Iterator[str]:
    url = closed_port_url()
    urls = {name.upper(): str(value) for name, value in settings.model_dump().items() if name.endswith("_url")}
    environment = {**os.environ, **urls, "PORT": url.rsplit(":", 1)[1], "LOG_FORMAT": "json"}
    process = subprocess.Popen([PROGRAMS / "gateway"], env=environment, stderr=subprocess.DEVNULL)
    try:
        _wait_until_alive(url)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) in (0, -signal.SIGTERM)


def _wait_until_alive(url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{url}/healthz")
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("the gateway did not start")


def raw_answer(url: str, request: bytes) -> bytes:
    """What a real server says to bytes that no client library would send."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(request)
        return connection.recv(65536)


def test_a_body_announced_as_too_large_is_refused_before_a_byte_of_it_is_sent(gateway_url: str) -> None:
    head = (
        b"POST /transfers HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n"
    )
    answer = raw_answer(gateway_url, head)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"application/problem+json" in answer


def test_a_client_that_uploads_without_end_hears_413(gateway_url: str) -> None:
    pieces = (b" " * 65536 for _ in range(200))
    answer = httpx.post(f"{gateway_url}/transfers", content=pieces, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    "target",
    [
        b"/transfers/%00",
        b"/transfers?account=%00",
        b"/transfers/%zz",
        b"/transfers/\xff",
        b"/transfers?account=\xff",
        b"/transfers/a\x00",
        b"http://elsewhere/transfers/x_y",
        b"//elsewhere/x",
        b"*",
        b"/transfers?" + b"&" * 9000,
        b"/transfers?" + b"a=1&" * 9000,
        b"/" + b"a" * 70_000,
    ],
    ids=lambda target: repr(target[:30]),
)
def test_an_odd_request_target_is_a_4xx(gateway_url: str, target: bytes) -> None:
    answer = raw_answer(gateway_url, b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    if b"&&" in target:  # empty parameters are none
        assert answer.startswith(b"HTTP/1.1 200 ")
    else:
        assert answer.startswith(b"HTTP/1.1 4"), answer[:200]


def test_headers_without_end_are_refused_instead_of_kept(gateway_url: str) -> None:
    answer = raw_answer(gateway_url, b"GET /transfers HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 100_000)
    assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "length", [b"9" * 5000, b"-1", b"1e3", b"0x10", b"abc"], ids=lambda length: length.decode()[:5]
)
def test_an_odd_content_length_is_a_4xx(gateway_url: str, length: bytes) -> None:
    answer = raw_answer(gateway_url, HEAD_OF_POST + b"Content-Length: " + length + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 4")


@pytest.mark.skipif(CHROMIUM is None, reason="no browser is installed (apt-get install chromium)")
def test_the_docs_page_works_in_a_browser_without_breaking_its_policy(gateway_url: str, tmp_path: Path) -> None:
    command = [
        str(CHROMIUM),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={tmp_path}",
        "--enable-logging=stderr",
        "--virtual-time-budget=10000",
        "--dump-dom",
        f"{gateway_url}/docs",
    ]
    browser = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    for shown in ("Transfer Saga", "Start Transfer", 'data-path="/accounts/{id}/entries"'):
        assert shown in browser.stdout
    assert "CONSOLE" not in browser.stderr, browser.stderr


DemoData = Callable[..., str | int | None]


@pytest.fixture
def demo_data(gateway_url: str, monkeypatch: pytest.MonkeyPatch) -> DemoData:
    """Runs the program against the gateway and answers what it exits with: None, or the line that it prints."""

    def run(url: str = gateway_url, deadline_seconds: float = 10) -> str | int | None:
        monkeypatch.setenv("GATEWAY_URL", url)
        monkeypatch.setenv("DEADLINE_SECONDS", str(deadline_seconds))
        try:
            main()
        except SystemExit as end:
            return end.code
        return None

    return run


def test_demo_data_opens_three_accounts_and_changes_nothing_the_second_time(
    demo_data: DemoData, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.status_of_new = TransferStatus.COMPLETED
    for _ in range(2):
        assert demo_data() is None
        assert capsys.readouterr().out.splitlines() == [
            "alice: opened with 1000.00 EUR",
            "bob: opened with 500.00 EUR",
            "carol: opened with 0.00 EUR",
        ]
    assert sorted(world.accounts) == ["alice", "bob", "carol"]
    assert {order.destination_account: order.amount_minor for order in world.orders.values()} == {
        "alice": 100000,
        "bob": 50000,
    }


def test_demo_data_gives_up_with_one_line_when_nobody_listens(demo_data: DemoData) -> None:
    line = str(demo_data(closed_port_url(), deadline_seconds=0.6))
    assert "gets no answer from the gateway" in line
    assert "\n" not in line


def test_demo_data_gives_up_when_an_opening_transfer_does_not_end(demo_data: DemoData, world: World) -> None:
    line = demo_data(deadline_seconds=0.6)
    assert line == "demo-data: gave up waiting: the opening balance of alice is still accepted"
    assert opening_transfer_id("alice") in world.orders


def test_demo_data_says_when_an_opening_transfer_failed(demo_data: DemoData, world: World) -> None:
    world.status_of_new = TransferStatus.COMPENSATED
    assert demo_data() == "demo-data: the opening balance of alice was compensated"


def test_demo_data_says_when_an_account_exists_with_other_data(
    demo_data: DemoData, gateway_url: str, world: World
) -> None:
    httpx.post(f"{gateway_url}/accounts", json={"id": "alice", "owner": "Another", "currency": "USD"})
    assert "account_exists" in str(demo_data())


def test_demo_data_waits_for_a_gateway_that_is_not_ready_yet(demo_data: DemoData, world: World) -> None:
    world.status_of_new = TransferStatus.COMPLETED
    world.faults[Process.ACCOUNT_API] = "answers plain 500"
    assert "GET /readyz answers 503" in str(demo_data(deadline_seconds=0.6))
