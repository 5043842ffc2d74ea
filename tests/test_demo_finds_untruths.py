"""`make demo` against a gateway that lies: it must notice, say what it saw, and leave no worker dead."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from demo_gateway import Lie, demo_gateway

ROOT: Final = Path(__file__).parents[1]
Play = Callable[..., subprocess.CompletedProcess[str]]

_DOCKER: Final = """\
#!/bin/sh
echo "$@" >> {log}
[ "$2" != port ] || echo 127.0.0.1:{port}
"""


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """The whole program, in a world where `docker compose` is a stand-in that says where the gateway is."""

    def run(port: int, *, path: str | None = None) -> subprocess.CompletedProcess[str]:
        programs = tmp_path / "programs"
        programs.mkdir()
        (programs / "docker").write_text(_DOCKER.format(log=tmp_path / "docker.log", port=port))
        (programs / "docker").chmod(0o755)
        environment = {
            "PATH": f"{programs}:{os.environ['PATH']}" if path is None else path,
            "LOCAL_DIR": str(tmp_path / "nothing"),
            "LANG": "C.UTF-8",
        }
        command = [sys.executable, "deploy/demo", "--no-pause"]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    return run


def commands_of(tmp_path: Path) -> list[str]:
    return [line for line in (tmp_path / "docker.log").read_text().splitlines() if " port " not in line]


_RESTARTED: Final = ["compose kill account-worker", "compose up -d --no-deps account-worker"]


def test_where_all_is_as_told_it_ends_well(play: Play, tmp_path: Path) -> None:
    with demo_gateway() as port:
        done = play(port)
    assert (done.returncode, done.stderr) == (0, "")
    assert "✗" not in done.stdout.replace("✗ record", "")
    assert commands_of(tmp_path) == _RESTARTED


_ONE_MISSING: Final = [{"account_id": "alice"}]
_LIES: Final[dict[str, tuple[str, Lie, str]]] = {
    "another end": ("completes", lambda view: view.update(status="compensated"), "seen      compensated"),
    "money that never arrives": ("completes", lambda view: view.update(moved=(-10, 0, 0)), "'0.00', '0.00'"),
    "a step that was left out": ("completes", lambda view: view["steps"].pop(), "'deposit', 'record']"),
    "the wrong order": ("ledger_rejects", lambda view: _swap_times(view["steps"]), "['withdraw_compensation', 'dep"),
    "one compensation": ("ledger_rejects", lambda view: view["steps"].pop(), "['deposit_compensation']"),
    "another reason": ("ledger_rejects", lambda view: view.update(failure={"code": "cancelled"}), "seen      canc"),
    "no reason": ("ledger_rejects", lambda view: view.update(failure=None), "seen      None"),
    "money that is not put back": ("ledger_rejects", lambda view: view.update(moved=(-10, 0, 0)), "'-10.00', '0.00'"),
    "books that differ": ("reconciliation", lambda answer: answer.update(discrepancies=_ONE_MISSING), "alice"),
    "a refund that nobody saw fail": ("compensation_fails", lambda view: view.update(status="completed"), "completed"),
    "a cancel that comes too late": ("slow", lambda view: view.update(status="completed"), "seen      completed"),
}


def _swap_times(steps: list[dict[str, Any]]) -> None:
    steps[0]["finished_at"], steps[1]["finished_at"] = steps[1]["finished_at"], steps[0]["finished_at"]


@pytest.mark.parametrize(("where", "lie", "seen"), _LIES.values(), ids=_LIES)
def test_an_untruth_ends_it_with_what_was_seen(play: Play, where: str, lie: Lie, seen: str) -> None:
    with demo_gateway(**{where: lie}) as port:
        done = play(port)
    assert done.returncode == 1
    last_lines = done.stdout.rstrip().splitlines()
    assert any(line.startswith("  ✗ ") for line in last_lines)
    assert seen in last_lines[-1]
    assert done.stderr.startswith("error: this isn't as the demo tells it: ")


def test_the_worker_is_started_again_where_its_absence_is_not_told(play: Play, tmp_path: Path) -> None:
    with demo_gateway(accounts_bob=lambda account: account.update(held="0.00")) as port:
        done = play(port)
    assert (done.returncode, commands_of(tmp_path)) == (1, _RESTARTED)
    assert "can't spend them" in done.stderr


@pytest.mark.parametrize(
    ("where", "lie", "said"),
    [
        ("accounts_alice", lambda account: account.update(status="closed"), "alice is missing or closed: `make reset`"),
        ("page-settings", lambda settings: settings.update(demo_faults=False), "switched off here"),
    ],
    ids=["a closed account", "no demo faults"],
)
def test_what_is_in_the_way_is_said_first(play: Play, where: str, lie: Lie, said: str) -> None:
    with demo_gateway(**{where: lie}) as port:
        done = play(port)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr


def test_the_one_who_has_too_little_receives(play: Play) -> None:
    with demo_gateway(accounts_alice=lambda account: account.update(balance="9.99")) as port:
        done = play(port)
    assert '"source_account": "bob", "destination_account": "alice"' in done.stdout


def test_without_curl_it_says_so(play: Play, tmp_path: Path) -> None:
    done = play(1, path=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: the demo calls the API by curl, which isn't on the PATH")


def test_without_a_gateway_that_answers_it_says_so(play: Play) -> None:
    done = play(1)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: the gateway at http://localhost:1 doesn't answer")
