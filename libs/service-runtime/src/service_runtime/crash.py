"""`POST /crash`: a worker's sudden death on request, for demos on a web page that can't kill a process."""

import asyncio
import os
from typing import Final

import structlog
from fastapi import APIRouter
from transfer_contract.http import CrashStarted
from transfer_contract.names import Process

CRASH_EXIT_CODE: Final = 137
"""What a shell and Docker report of a process that SIGKILL ended."""

_ANSWER_SECONDS: Final = 0.05
"""The answer leaves the process only after the event loop's next round."""


def crash_router(process: Process) -> APIRouter:
    """Only where demo faults are switched on.

    Not SIGKILL: in a container the process is PID 1, which the kernel spares its own signals. `os._exit` ends it as
    suddenly: threads stop in the middle of their steps, no handler runs, and the kernel closes the connections.
    """
    router = APIRouter()

    @router.post("/crash", status_code=202)
    async def crash() -> CrashStarted:
        structlog.get_logger().warning("crashing on request")
        asyncio.get_running_loop().call_later(_ANSWER_SECONDS, os._exit, CRASH_EXIT_CODE)
        return CrashStarted(process=process)

    return router
