"""One process that something in production keeps alive: started again, as `make up` does, when it dies by itself."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from supervisor_config import STOP_SECONDS

RESTART_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 0.1


@dataclass(frozen=True)
class Program:
    """`container`: the command is `docker run`, and the process itself is the container's of that name."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    stop_signal: signal.Signals = signal.SIGTERM
    container: str = ""


class Supervised:
    def __init__(self, program: Program, log: Path) -> None:
        self.program = program
        self.name = program.name
        self.starts = 0
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._wanted = False
        self._keeping: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Returns at once; nothing changes where it runs."""
        self._wanted = True
        if self._keeping is None:
            self._keeping = asyncio.create_task(self._keep_running())

    async def stop(self) -> None:
        """Cleanly, or by SIGKILL after as long as `make down` waits; it stays down."""
        self._wanted = False
        if self._keeping is None:
            return
        await self.signal(self.program.stop_signal)
        try:
            await asyncio.wait_for(asyncio.shield(self._keeping), STOP_SECONDS)
        except TimeoutError:
            await self.signal(signal.SIGKILL)
            await self._keeping
        self._keeping = None

    async def pid(self) -> int | None:
        """Of the process itself; None where it isn't there."""
        if self._process is None or self._process.returncode is not None:
            return None
        return await _pid_in_container(self.program.container) if self.program.container else self._process.pid

    async def signal(self, number: signal.Signals) -> int | None:
        """Answers the pid; None where there is no process to get it."""
        pid = await self.pid()
        try:
            if pid is not None:
                os.kill(pid, number)
        except ProcessLookupError:  # it has died in this moment
            return None
        return pid

    async def freeze(self, seconds: float) -> list[int]:
        """SIGSTOP of it and of all that it started, then SIGCONT. Answers the pids."""
        pid = await self.pid()
        pids = [] if pid is None else [*_family(pid)]
        try:
            _signal_all(pids, signal.SIGSTOP)
            await asyncio.sleep(seconds)
        finally:
            _signal_all(reversed(pids), signal.SIGCONT)
        return pids

    async def until_started_again(self, *, instead_of: int, within_seconds: float) -> None:
        deadline = time.monotonic() + within_seconds
        while await self.pid() in (None, instead_of):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} is not back after {within_seconds} s")
            await asyncio.sleep(_LOOK_SECONDS)

    async def _keep_running(self) -> None:
        while self._wanted:
            with self._log.open("ab") as output:
                self._process = await asyncio.create_subprocess_exec(
                    *self.program.command,
                    env=self.program.environment,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                )
            self.starts += 1
            await self._process.wait()
            if self._wanted:
                await asyncio.sleep(RESTART_SECONDS)


async def _pid_in_container(name: str) -> int | None:
    asking = await asyncio.create_subprocess_exec(
        "docker", "inspect", "--format", "{{.State.Pid}}", name,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    answer, _ = await asking.communicate()
    return int(answer) or None if asking.returncode == 0 else None


def _family(pid: int) -> Iterator[int]:
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return
    for child in children:
        yield from _family(int(child))


def _signal_all(pids: Iterator[int] | list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
