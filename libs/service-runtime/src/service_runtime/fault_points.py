"""Points at which a test makes a process stand still, so that a SIGKILL meets it exactly there.

A unit of work is an HTTP request, an activity or a workflow task. It has two points: `before` it is begun, and `after`
it is done and nobody has been told. They are there only where `FAULT_POINTS` names a folder: who can write into it arms
a point by a file `NAME.armed` of words, one a line. The process that comes to a point whose words hold all of them
renames the file to `NAME.{pid}` and stops itself by SIGSTOP. It goes on when the file is gone and SIGCONT has come.

    account-worker  before  deposit  transfer-9b2864fe-…     before an attempt of this transfer's deposit
    gateway  after  POST  /transfers  some-request-id        the answer to this request is there, and isn't sent

No request arms a point, and a process refuses to start with `FAULT_POINTS` while `DEMO_FAULTS` is off.
"""

import contextlib
import os
import signal
import time
from enum import StrEnum
from pathlib import Path
from typing import Final, Self

from fastapi import FastAPI
from pydantic import DirectoryPath, model_validator
from pydantic_settings import BaseSettings
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from transfer_contract.names import Process

from service_runtime.request_id import current_request_id

ARMED: Final = ".armed"
_LOOK_SECONDS: Final = 0.01


class When(StrEnum):
    BEFORE = "before"
    AFTER = "after"


class FaultPointSettings(BaseSettings):
    fault_points: DirectoryPath | None = None
    demo_faults: bool = False

    @model_validator(mode="after")
    def _with_demo_faults_only(self) -> Self:
        if self.fault_points is not None and not self.demo_faults:
            raise ValueError("FAULT_POINTS is for tests: it needs DEMO_FAULTS=true")
        return self


class FaultPoints:
    """Of one process."""

    def __init__(self, process: Process, folder: Path) -> None:
        self._process = process
        self._folder = folder

    def reached(self, when: When, *work: str) -> None:
        """Returns at once, unless a test has armed just this point."""
        here = {self._process, when, *work}
        for armed in self._folder.glob(f"*{ARMED}"):
            with contextlib.suppress(FileNotFoundError):  # another process was faster, or the test has thought again
                if here.issuperset(armed.read_text().split()):
                    _stand_still(armed.rename(armed.with_suffix(f".{os.getpid()}")))


def fault_points(process: Process) -> FaultPoints | None:
    """None unless the environment switches them on: then nothing of them is installed."""
    folder = FaultPointSettings().fault_points
    return FaultPoints(process, folder) if folder else None


def add_request_fault_points(app: FastAPI, process: Process) -> None:
    """A request's words are its method, its path and its request id."""
    points = fault_points(process)
    if points is not None:
        app.add_middleware(_RequestFaultPoints, points=points)


class _RequestFaultPoints:
    def __init__(self, app: ASGIApp, points: FaultPoints) -> None:
        self._app = app
        self._points = points

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        work = (scope["method"], scope["path"], current_request_id.get() or "")

        async def send_after(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._points.reached(When.AFTER, *work)
            await send(message)

        self._points.reached(When.BEFORE, *work)
        await self._app(scope, receive, send_after)


def _stand_still(until_gone: Path) -> None:
    """The whole process: no thread of it works, beats or answers on. The wait holds this one for sure, at once."""
    os.kill(os.getpid(), signal.SIGSTOP)
    while until_gone.exists():
        time.sleep(_LOOK_SECONDS)
