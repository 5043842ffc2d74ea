"""The guided demo's parts: the lines that it shows, the world that it finds, the calls that it makes."""

import io
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Final

import preflight
import pytest
from curl import Curl
from demo_errors import DemoError
from demo_gateway import demo_gateway
from gateway_reads import GatewayReads
from interrupts import deferred_interrupts
from rich.console import Console
from screen import Screen
from snapshots import Snapshot, difference, table_rows
from transfer_view import transfer_view
from worlds import World, find_world

NOW: Final = datetime(2026, 1, 1, 0, 0, 10, tzinfo=UTC)
PENDING: Final = {"name": "record", "status": "pending", "attempts": 0, "error": None, "next_attempt_at": None}
RETRYING: Final = {
    "name": "withdraw_compensation",
    "status": "retrying",
    "attempts": 6,
    "error": {"code": "demo_fault", "detail": "a long sentence on what went wrong, " * 9},
    "next_attempt_at": "2026-01-01T00:00:22.400Z",
}
TRANSFER: Final = {
    "status": "compensating",
    "created_at": "2026-01-01T00:00:00Z",
    "finished_at": None,
    "waiting_for": None,
    "failure": {"code": "ledger_rejected"},
    "steps": [PENDING, RETRYING],
}


def shown(*, width: int = 80, colour: bool = False, **changes: Any) -> list[str]:
    """A transfer, as its live view leaves it on the screen."""
    output = io.StringIO()
    console = Console(file=output, width=width, force_terminal=colour, no_color=not colour, highlight=False)
    screen = Screen(console, pauses=False)
    with screen.live(lambda: transfer_view(TRANSFER | changes, now=NOW, width=screen.width)):
        pass
    return output.getvalue().splitlines()


def test_a_transfer_is_told_in_words_that_fit_the_terminal() -> None:
    assert shown() == [
        "",
        "  compensating  10.0 s  because of ledger_rejected",
        "  · record                 pending",
        "  ↻ withdraw_compensation  retrying  attempt 6, next in 12 s, demo_fault: a lon…",
        "",
    ]


def test_a_wider_terminal_is_no_reason_for_longer_lines() -> None:
    assert shown(width=200) == shown()


def test_a_final_transfer_has_taken_the_time_until_it_was_final() -> None:
    view = shown(status="compensated", finished_at="2026-01-01T00:00:01.500Z")
    assert view[1] == "  compensated  1.5 s  because of ledger_rejected"


def test_whom_it_waits_for_is_more_urgent_than_why_it_is_undone() -> None:
    assert shown(waiting_for="account-worker")[1].endswith("waiting for account-worker: none is alive")


def test_colours_come_on_a_terminal_only() -> None:
    assert "\x1b" not in "".join(shown())
    assert "\x1b[" in "".join(shown(colour=True))


def test_a_difference_is_signed_and_exact() -> None:
    assert difference("0.10", "0.30") == "+0.20"
    assert difference("999999999999.99", "999999999999.98") == "-0.01"
    assert difference("1.00", "1.0") == "0.00"


def test_held_money_is_shown_where_there_ever_was_any() -> None:
    def snapshot(held: str) -> Snapshot:
        return Snapshot({"alice": "1.00"}, {"alice": held}, in_transit="0.00", sum="0.00")

    quiet, loud = snapshot("0.00"), snapshot("3.00")
    assert [title for title, _ in table_rows({"a": quiet, "b": quiet})] == ["alice", "all, with treasury"]
    assert ("alice, held", ["0.00", "3.00"]) in table_rows({"a": quiet, "b": loud})


@contextmanager
def answering(*answers: tuple[int, bytes]) -> Iterator[str]:
    """The address of a gateway that gives these answers, one after the other."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, body = left.pop(0)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        assert left == []


def test_the_line_that_is_shown_can_be_run_as_it_stands() -> None:
    lines: list[str] = []
    with answering((202, b'{"status": "accepted"}'), (202, b'{"status": "accepted"}')) as url:
        Curl(url, show=lines.append).post("/transfers", {"reference": "it's one", "b": "c" * 60}, key="k-1")
        [line] = lines
        assert subprocess.check_output(["sh", "-c", line]) == b'{"status": "accepted"}'
    assert max(map(len, line.splitlines())) < 80


def test_a_503_is_repeated_with_the_same_key() -> None:
    lines: list[str] = []
    unavailable = (503, b'{"status": 503, "code": "unavailable", "detail": "starting"}')
    with answering(unavailable, unavailable, (202, b'{"status": "accepted"}')) as url:
        answer = Curl(url, show=lines.append, pause_seconds=0).post("/transfers", {"a": "b"}, key="k-1")
    assert (answer, len(lines)) == ({"status": "accepted"}, 1)


def test_a_problem_is_told_in_the_gateways_words() -> None:
    problem = b'{"status": 409, "code": "not_parked", "detail": "Nothing is parked."}'
    with answering((409, problem)) as url, pytest.raises(DemoError, match=r"409 not_parked: Nothing is parked\."):
        Curl(url, show=lambda _: None).post("/transfers/x/retry")


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Nothing runs by `make up`; in containers, a gateway is published on 18080 and Temporal's UI isn't."""
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\n[ "$3" = gateway ] && echo 127.0.0.1:18080\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return {"LOCAL_DIR": str(tmp_path / "nothing")}


def test_containers_are_found_with_the_port_that_they_publish(environment: dict[str, str]) -> None:
    world = find_world(environment | {"GATEWAY_PORT": ""})
    assert (world.gateway_url, world.temporal_ui_url) == ("http://localhost:18080", "http://localhost:8233")
    assert world.kill_command("account-worker") == "docker compose kill account-worker"
    assert find_world(environment | {"GATEWAY_PORT": "18080"}) == world


def test_a_port_that_is_asked_for_is_not_replaced_by_another(environment: dict[str, str]) -> None:
    with pytest.raises(DemoError, match="GATEWAY_PORT=8080, but `docker compose up` on port 18080"):
        find_world(environment | {"GATEWAY_PORT": "8080"})


def test_a_worker_that_is_dead_already_is_named_with_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "_WORKERS_SECONDS", 0.0)
    with demo_gateway(workers=lambda answer: answer["items"][0].update(workers=[])) as port:
        world = World("`make up`", port, 1, kill="make kill SERVICE=", start="make start SERVICE=")
        with pytest.raises(DemoError, match="ledger-worker isn't running: `make start SERVICE=ledger-worker`"):
            preflight.look_around(world, GatewayReads(world.gateway_url), lambda _: None)


def test_an_interrupt_waits_until_the_moment_is_over() -> None:
    over = []

    def impatient() -> None:
        with deferred_interrupts():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            over.append(True)

    with pytest.raises(KeyboardInterrupt):
        impatient()
    assert over == [True]
