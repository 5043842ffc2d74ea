"""Fault points: an armed one stops its process just there, once; without the setting there are none."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import pytest
from free_port import free_port
from pydantic import ValidationError
from service_runtime.fault_points import FaultPoints, When, fault_points
from transfer_contract.names import Process

PROGRAM: Final = Path(__file__).with_name("fault_points_process.py")
PATIENCE_SECONDS: Final = 30


@dataclass(frozen=True)
class Server:
    process: subprocess.Popen[bytes]
    url: str
    folder: Path

    def arm(self, *words: str) -> None:
        draft = self.folder / "point.draft"
        draft.write_text("\n".join(words))
        draft.rename(self.folder / "point.armed")

    @property
    def stopped(self) -> Path:
        return self.folder / f"point.{self.process.pid}"

    def until_stopped(self) -> None:
        _until(lambda: self.stopped.exists() and _state(self.process.pid) == "T")

    def has_done_its_work(self) -> bool:
        return (self.folder / "trace").exists()

    def post(self, request_id: str = "some-request") -> httpx.Response:
        return httpx.post(f"{self.url}/traces", headers={"X-Request-Id": request_id}, timeout=PATIENCE_SECONDS)


@contextmanager
def server(folder: Path, **environment: str) -> Iterator[Server]:
    port = str(free_port())
    variables = {**os.environ, "PORT": port, "TRACES": str(folder), **environment}
    process = subprocess.Popen([sys.executable, PROGRAM], env=variables, stderr=subprocess.DEVNULL)
    try:
        _until(lambda: _answers(f"http://127.0.0.1:{port}/healthz"))
        yield Server(process, f"http://127.0.0.1:{port}", folder)
    finally:
        process.kill()
        process.wait()


@contextmanager
def posted(running: Server) -> Iterator[Future[httpx.Response]]:
    with ThreadPoolExecutor(1) as threads:
        yield threads.submit(running.post)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]


@pytest.fixture
def switched_on(tmp_path: Path) -> Iterator[Server]:
    with server(tmp_path, FAULT_POINTS=str(tmp_path), DEMO_FAULTS="true") as running:
        yield running


@pytest.mark.parametrize(("when", "is_done"), [("before", False), ("after", True)])
def test_a_process_that_stands_at_a_point_is_killed_there(switched_on: Server, when: str, is_done: bool) -> None:
    switched_on.arm("account-api", when, "POST", "/traces", "some-request")
    with posted(switched_on) as answer:
        switched_on.until_stopped()
        assert not answer.done()
        assert switched_on.has_done_its_work() is is_done
        switched_on.process.send_signal(signal.SIGKILL)
        assert isinstance(answer.exception(timeout=PATIENCE_SECONDS), httpx.TransportError)
    assert switched_on.has_done_its_work() is is_done


def test_a_process_whose_stop_is_taken_back_goes_on_where_it_stood(switched_on: Server) -> None:
    switched_on.arm("account-api", "before", "POST")
    with posted(switched_on) as answer:
        switched_on.until_stopped()
        switched_on.stopped.unlink()
        switched_on.process.send_signal(signal.SIGCONT)
        assert answer.result(timeout=PATIENCE_SECONDS).status_code == 200
    assert switched_on.post().status_code == 200, "a point stops once"


@pytest.mark.parametrize("word", ["ledger-api", "GET", "/others", "another-request"])
def test_a_process_passes_a_point_that_is_armed_for_something_else(switched_on: Server, word: str) -> None:
    switched_on.arm("before", word)
    assert switched_on.post().status_code == 200


def test_without_the_setting_no_file_stops_a_process(tmp_path: Path) -> None:
    with server(tmp_path, DEMO_FAULTS="true") as running:
        running.arm("before")
        assert running.post().status_code == 200


def test_they_are_refused_where_demo_faults_are_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAULT_POINTS", str(tmp_path))
    monkeypatch.setenv("DEMO_FAULTS", "false")
    with pytest.raises(ValidationError, match="needs DEMO_FAULTS"):
        fault_points(Process.GATEWAY)


def test_they_are_refused_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAULT_POINTS", str(tmp_path / "none"))
    monkeypatch.setenv("DEMO_FAULTS", "true")
    with pytest.raises(ValidationError):
        fault_points(Process.GATEWAY)


def test_they_are_off_unless_the_environment_switches_them_on() -> None:
    assert fault_points(Process.GATEWAY) is None


def test_passing_a_point_leaves_what_is_armed_for_others(tmp_path: Path) -> None:
    (tmp_path / "point.armed").write_text("gateway\nafter\nGET\n")
    FaultPoints(Process.GATEWAY, tmp_path).reached(When.BEFORE, "GET", "/")
    assert (tmp_path / "point.armed").exists()
