"""A gateway that has learned the demo's five stories by heart, and tells the lies that a test has planted."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

Json = dict[str, Any]
Lie = Callable[[Json], object]
"""Changes an answer in place."""

_TIME: Final = "2026-01-01T00:00:{:02}Z"
_FORWARD: Final = ("withdraw", "deposit", "record", "release")
_TWO: Final = ("deposit_compensation", "withdraw_compensation")
_FAILURES: Final = {None: None, "slow": "cancelled"}


def _step(name: str, status: str, *, attempts: int = 1, second: int = 1) -> Json:
    kind = "compensation" if name.endswith("_compensation") else "forward"
    times = {"started_at": _TIME.format(0), "finished_at": _TIME.format(second), "next_attempt_at": None}
    return {"name": name, "kind": kind, "status": status, "attempts": attempts, "error": None, "worker": None} | times


def _undone(*names: str, attempts: int = 1) -> list[Json]:
    """The compensations in this order, the first one after so many attempts."""
    return [
        _step(name, "done", attempts=1 if second else attempts, second=second + 2) for second, name in enumerate(names)
    ]


def _views(scenario: str | None) -> list[Json]:
    """One after the other, the differences from an accepted transfer; `moved`: source, held credit, destination."""
    untouched, in_transit, held, arrived = (0, 0, 0), (-10, 0, 0), (-10, 10, 0), (-10, 0, 10)
    done = [_step(name, "done") for name in _FORWARD]
    end = {"status": "compensated", "finished_at": _TIME.format(9), "moved": untouched}
    compensating = {"status": "compensating", "moved": held, "steps": [_step("deposit_compensation", "running")]}
    parked = [_step("withdraw_compensation", "retrying", attempts=6)]
    return {
        None: [{"status": "completed", "moved": arrived, "steps": done, "finished_at": _TIME.format(9)}],
        "ledger_rejects": [end | {"steps": _undone(*_TWO)}],
        "slow_compensation": [
            compensating,
            compensating | {"waiting_for": "account-worker"},
            end | {"steps": _undone(*_TWO, attempts=2)},
        ],
        "slow": [
            {"status": "running", "moved": in_transit, "steps": [_step("deposit", "running")]},
            end | {"steps": _undone("record_compensation", *_TWO)},
        ],
        "compensation_fails": [
            {"status": "needs_attention", "moved": in_transit, "steps": parked},
            end | {"steps": _undone(*_TWO)},
        ],
    }[scenario]


class DemoGateway(http.server.ThreadingHTTPServer):
    """What the demo watches goes on by one view at each of its looks; curl sees the present one."""

    daemon_threads = True

    def __init__(self, lies: dict[str, Lie]) -> None:
        """`lies`: by the scenario (`completes` without one), about its last view; or by the path of the answer."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self._lies = lies
        self._transfer: Json = {}
        self._views: Iterator[Json] = iter(())
        self._balances = [100, 0, 50]

    def post(self, path: str, body: Json) -> Json:
        if path == "/transfers":
            scenario = body.get("scenario")
            views = [dict(view) for view in _views(scenario)]
            self._lies.get(scenario or "completes", dict)(views[-1])
            self._begin(body, views)
        return self._transfer

    def get(self, path: str, *, by_curl: bool) -> Json:
        if path.startswith("/transfers/"):
            if not by_curl:
                self._transfer |= next(self._views, {})
            return self._transfer
        answer = self._answer(path)
        self._lies.get(path, dict)(answer)
        return answer

    def _begin(self, body: Json, views: list[Json]) -> None:
        source, held, destination = self._transfer.get("moved", (0, 0, 0))
        self._balances = [old + new for old, new in zip(self._balances, (source, held, destination), strict=True)]
        code = _FAILURES.get(body.get("scenario"), "ledger_rejected")
        self._views = iter(views)
        self._transfer = {
            "id": "00000000-0000-0000-0000-000000000001",
            "status": "accepted",
            "created_at": _TIME.format(0),
            "finished_at": None,
            "steps": [_step(name, "pending", attempts=0) for name in _FORWARD],
            "failure": {"code": code, "step": "record", "detail": "…"} if code else None,
            "waiting_for": None,
            "moved": (0, 0, 0),
        }

    def _answer(self, path: str) -> Json:
        moved = self._transfer.get("moved", (0, 0, 0))
        alice, held, bob = (f"{old + new}.00" for old, new in zip(self._balances, moved, strict=True))
        account = {"status": "open", "currency": "EUR"}
        totals = {"currency": "EUR", "balances": "0.00", "held": held, "in_transit": "0.00", "sum": "0.00"}
        answers: dict[str, Json] = {
            "/page-settings": {"demo_faults": True},
            "/workers": {"items": [{"process": "ledger-worker", "workers": [{}]}]},
            "/transfers": {"items": []},
            "/accounts/alice": account | {"id": "alice", "balance": alice, "held": "0.00"},
            "/accounts/bob": account | {"id": "bob", "balance": bob, "held": held},
            "/reconciliation": {"balanced": True, "currencies": [totals], "discrepancies": []},
        }
        return answers[path]


class _Handler(http.server.BaseHTTPRequestHandler):
    server: DemoGateway

    def do_GET(self) -> None:
        by_curl = self.headers.get("User-Agent", "").startswith("curl")
        self._send(self.server.get(urlsplit(self.path).path, by_curl=by_curl))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._send(self.server.post(self.path, json.loads(body or "{}")))

    def log_message(self, *arguments: object) -> None:
        pass

    def _send(self, answer: Json) -> None:
        status = answer["status"] if isinstance(answer.get("status"), int) else 200
        self.send_response(status)
        self.send_header("ETag", f'"{id(answer)}"')
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())


@contextmanager
def demo_gateway(**lies: Lie) -> Iterator[int]:
    """Its port. A lie about `/accounts/bob` is named `accounts_bob`."""
    scenarios = {"completes", "ledger_rejects", "slow_compensation", "slow", "compensation_fails"}
    named = {name if name in scenarios else f"/{name.replace('_', '/')}": lie for name, lie in lies.items()}
    server = DemoGateway(named)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
