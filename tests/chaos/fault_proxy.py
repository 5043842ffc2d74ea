"""Small TCP proxies, one for each link of the system, that can be told to be a bad network.

    async with fault_proxies() as proxies:
        port = await proxies.add("account-worker-1->accounts", ("127.0.0.1", 5432))
        await proxies.set("account-worker-1->accounts", cut())

A command is in force, on open connections too, when its call returns.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

_PROCESS: Final = Path(__file__).with_name("fault_proxy_process.py")


@dataclass(frozen=True)
class LinkFault:
    settings: dict[str, Any] = field(default_factory=dict)


PASSES: Final = LinkFault()


def delay(seconds: float) -> LinkFault:
    """Every byte comes so much later, both ways, in order."""
    return LinkFault({"delay_seconds": seconds})


def cut() -> LinkFault:
    """Open connections are reset, new ones refused."""
    return LinkFault({"cut": True})


def stall_requests() -> LinkFault:
    """Connections stay open and new ones are accepted; what the client sends is held, or isn't read."""
    return LinkFault({"stalled": "requests"})


def stall_answers() -> LinkFault:
    """The server gets everything; nothing that it sends is delivered."""
    return LinkFault({"stalled": "answers"})


def drop_answers(*, after: int = 0) -> LinkFault:
    """The server gets the request; its answer is lost and the connection reset. `after` so many that do arrive.

    Counted on each connection, from now on. A handshake takes answers too: with 0, no PostgreSQL or HTTP/2 connection
    gets far enough to ask for anything.
    """
    return LinkFault({"answers_let_pass": after})


@dataclass(frozen=True)
class LinkCounts:
    """`open` is now, all else since the start. `held` and `delayed` are chunks of bytes that were on their way."""

    open: int
    connections: int
    cut: int
    dropped: int
    held: int
    delayed: int


class FaultProxies:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._turn = asyncio.Lock()
        self.ports: dict[str, int] = {}
        """By the link's name, on 127.0.0.1."""

    async def add(self, link: str, target: tuple[str, int], *, port: int = 0) -> int:
        """Listens at once; the target needn't be there yet. Answers the port."""
        answer = await self._command({"link": link, "port": port, "target": target, "fault": {}})
        self.ports[link] = answer["port"]
        return self.ports[link]

    async def set(self, link: str, fault: LinkFault) -> None:
        await self._command({"link": link, "fault": fault.settings})

    async def heal(self) -> None:
        for link in self.ports:
            await self.set(link, PASSES)

    async def counts(self, link: str) -> LinkCounts:
        answer = await self._command({"link": link})
        return LinkCounts(**{count.name: answer.get(count.name, 0) for count in fields(LinkCounts)})

    async def _command(self, command: dict[str, Any]) -> dict[str, Any]:
        async with self._turn:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(command).encode() + b"\n")
            line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("the proxies' process has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer


@asynccontextmanager
async def fault_proxies() -> AsyncIterator[FaultProxies]:
    """Its process ends with the block, and with this process, however that ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(_PROCESS), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield FaultProxies(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
