"""How often a check could read what it judges: a read that failed says nothing, and is counted as that."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import httpx
import psycopg
from temporalio.service import RPCError

LONGEST_GAP_THROUGH_FAULTS_SECONDS: Final = 300
"""The API's own answers are kept away by every fault on the way to them, and by the next one."""
LONGEST_GAP_SECONDS: Final = 90
"""A fault takes 30 s at most, two of them may follow each other. Who can't read the rows for longer hasn't checked."""
_SHARE_OF_RUN: Final = 0.5
_SHARE_OF_TIME: Final = 10
"""A look may take a tenth of the time: as the databases grow, they are looked at less often …"""
_LONGEST_PAUSE_SECONDS: Final = 15
"""… but no less than this: one that had to wait for a frozen server says nothing of the next one."""
UNREADABLE: Final = (psycopg.OperationalError, psycopg.InternalError, httpx.HTTPError, RPCError, TimeoutError, OSError)


def longest_gap_in(run_seconds: float) -> float:
    """Of what the API answers from both databases: in a short run it is to be read meanwhile, not only afterwards."""
    return min(LONGEST_GAP_THROUGH_FAULTS_SECONDS, max(LONGEST_GAP_SECONDS, _SHARE_OF_RUN * run_seconds))


class UnreadableError(Exception):
    """The answer was that there is none now (503)."""


@dataclass
class Reads:
    check: str
    allowed_gap_seconds: float = LONGEST_GAP_SECONDS
    succeeded: int = 0
    unknown: int = 0
    longest_gap_seconds: float = 0.0
    _last: float = field(default_factory=time.monotonic)

    def success(self) -> None:
        self.close()
        self.succeeded += 1

    @property
    def problem(self) -> str:
        """Why this check says too little; empty where it was read often enough."""
        if not self.succeeded:
            return f"{self.check}: never read"
        if self.longest_gap_seconds > self.allowed_gap_seconds:
            return f"{self.check}: unknown for {self.longest_gap_seconds:.0f} s in a row"
        return ""

    def close(self) -> None:
        """Also at the end of the run: what wasn't read up to then is a gap, too."""
        now = time.monotonic()
        self.longest_gap_seconds = max(self.longest_gap_seconds, now - self._last)
        self._last = now


async def look_again_and_again(reads: Reads, look: Callable[[], Awaitable[None]], *, seconds: float) -> None:
    """Until it is cancelled."""
    while True:
        began = time.monotonic()
        try:
            await look()
        except (*UNREADABLE, UnreadableError):
            reads.unknown += 1
        else:
            reads.success()
        took = time.monotonic() - began
        await asyncio.sleep(min(max(seconds, _SHARE_OF_TIME * took) - took, _LONGEST_PAUSE_SECONDS))
