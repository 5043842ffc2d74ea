"""The clock that can be stepped, in a process that reads it in every way that the product does."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from chaos import clocks

_READER: Final = """
import sys, threading, time
from datetime import UTC, datetime
for _ in sys.stdin:
    before = time.monotonic()
    time.sleep(0.01)
    threading.Event().wait(0.01)
    print(time.time(), datetime.now(UTC).timestamp(), time.monotonic() - before, flush=True)
"""
pytestmark = pytest.mark.skipif(not clocks.can_step(), reason=clocks.PROBLEM)


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    return tmp_path / "clocks" / "reader"


@pytest.fixture
def reader(clock: Path) -> Iterator[subprocess.Popen[str]]:
    command, pipe = [sys.executable, "-c", _READER], subprocess.PIPE
    with subprocess.Popen(command, env={**clocks.environment(clock)}, stdin=pipe, stdout=pipe, text=True) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def read(reader: subprocess.Popen[str]) -> tuple[float, float, float]:
    """How far its two wall clocks are ahead, and what monotonic time its two sleeps of 10 ms took."""
    assert reader.stdin is not None
    assert reader.stdout is not None
    reader.stdin.write("\n")
    reader.stdin.flush()
    wall, aware, slept = map(float, reader.stdout.readline().split())
    now = time.time()
    return wall - now, aware - now, slept


@pytest.mark.parametrize("seconds", [3000, -3000])
def test_the_wall_clock_steps_in_a_running_process_and_back_again(
    reader: subprocess.Popen[str], clock: Path, seconds: int
) -> None:
    for ahead in (0, seconds, 0):
        clocks.set_ahead(clock, ahead)
        assert read(reader)[:2] == pytest.approx((ahead, ahead), abs=30)


def test_sleeping_and_waiting_take_as_long_as_ever(reader: subprocess.Popen[str], clock: Path) -> None:
    clocks.set_ahead(clock, 3000)
    assert 0.02 <= read(reader)[2] < 30
