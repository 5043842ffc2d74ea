"""What `make ps` says of what needs attention, by answers of a status-checker over real HTTP."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import attention
from free_port import free_port
from transfer_contract.attention import Attention, AttentionItem, AttentionKind
from transfer_contract.names import Process

NOW = datetime.now(UTC)


def parked(number: int = 1, *, since: datetime | None = NOW) -> AttentionItem:
    return AttentionItem(
        kind=AttentionKind.PARKED,
        since=since,
        detail="release has failed 5 times in a row: not today.",
        runbook=AttentionKind.PARKED.runbook,
        transfer_id=f"t-{number}",
    )


def lines_of(body: str, status: int = 200) -> list[str]:
    with serving(status, body) as url:
        return attention.lines(url)


@contextmanager
def serving(status: int, body: str) -> Iterator[str]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_where_all_is_well_nothing_is_said() -> None:
    assert lines_of(Attention(observed_at=NOW).model_dump_json()) == []


def test_each_item_says_what_since_when_why_and_where_to_read_on() -> None:
    began = datetime.now(UTC) - timedelta(minutes=3)
    items = [
        parked(since=began),
        AttentionItem(
            kind=AttentionKind.WORKER_GONE,
            since=None,
            detail="No ledger-worker is alive.",
            runbook="there#worker-gone",
            process=Process.LEDGER_WORKER,
        ),
    ]
    counts = {AttentionKind.PARKED: 1, AttentionKind.WORKER_GONE: 1}
    told = lines_of(Attention(observed_at=NOW, counts=counts, items=items).model_dump_json())
    since = began.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    assert told == [
        "",
        "Needs attention: 1 parked, 1 worker gone",
        f"  parked  t-1  since {since} (3 min)",
        "    release has failed 5 times in a row: not today.  docs/runbook.md#parked",
        "  worker gone  ledger-worker",
        "    No ledger-worker is alive.  there#worker-gone",
    ]


def test_of_many_the_first_are_shown_and_the_others_counted() -> None:
    told = Attention(observed_at=NOW, counts={AttentionKind.PARKED: 40}, items=[parked(i) for i in range(5)])
    assert lines_of(told.model_dump_json())[-1] == "  and 35 more: GET /attention"


def test_what_cant_be_told_is_said() -> None:
    away = json.dumps({"detail": "Temporal can't be reached at the moment."})
    assert lines_of(away, 503)[1] == "What needs attention can't be told: Temporal can't be reached at the moment."
    for body, status in (("<h1>It works!</h1>", 200), ("Internal Server Error", 500)):
        assert lines_of(body, status)[1].startswith("What needs attention can't be told: status-checker")
    assert attention.lines(f"http://127.0.0.1:{free_port()}")[1].endswith("status-checker doesn't answer.")
