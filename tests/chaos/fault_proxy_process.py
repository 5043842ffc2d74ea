"""The process behind `fault_proxy`: one listener for each link, and commands on stdin, a JSON object a line.

It runs apart from the tests so that their load doesn't slow the links down. It ends when stdin does.
"""

import asyncio
import contextlib
import json
import os
import socket
import struct
import sys
from collections import Counter, deque
from typing import Any, Final, cast

import uvloop

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
_NICENESS: Final = -10
"""Where it may: a network doesn't wait for a processor, however many want it. It takes a twentieth of one."""
_LONGEST_LINE: Final = 2**20
REQUESTS: Final = "requests"
ANSWERS: Final = "answers"


class Half(asyncio.Protocol):
    """One side of a connection: what comes in here goes out on the other side."""

    def __init__(self, connection: "Connection", direction: str) -> None:
        self._connection = connection
        self.direction = direction
        self.transport: asyncio.Transport | None = None
        self.other: Half | None = None
        self.ended = False
        self._held: deque[bytes | None] = deque()
        self._late: deque[bytes | None] = deque()
        self._peer_is_full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's has its methods, not its type
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.direction == REQUESTS:
            self._connection.accepted(self)

    def data_received(self, data: bytes) -> None:
        self._take(data)

    def eof_received(self) -> bool:
        self._take(None)
        return True  # the other direction goes on until it ends by itself

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.abort()

    def pause_writing(self) -> None:
        if self.other:
            self.other.hold(peer_is_full=True)

    def resume_writing(self) -> None:
        if self.other:
            self.other.hold(peer_is_full=False)

    def hold(self, *, peer_is_full: bool | None = None) -> None:
        """Reads, or leaves the bytes where they are, as the link and the other side's buffer say."""
        if peer_is_full is not None:
            self._peer_is_full = peer_is_full
        if self.transport is None or self.transport.is_closing():
            return
        if self._peer_is_full or (self._must_wait() and self._held):
            self.transport.pause_reading()
            return
        while self._held and not self._must_wait():
            self._pass(self._held.popleft())
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def _must_wait(self) -> bool:
        connected = self.other is not None and self.other.transport is not None
        return not connected or self._connection.link.stalls(self.direction)

    def _take(self, data: bytes | None) -> None:
        """What comes first while the link is stalled, or while there is nobody to give it to yet, is held here."""
        if self._must_wait():
            self._held.append(data)
            if data is not None and self._connection.link.stalls(self.direction):
                self._connection.link.counts["held"] += 1
            self.hold()
        else:
            self._pass(data)

    def _pass(self, data: bytes | None) -> None:
        if data is None or self._connection.lets_pass(self.direction):
            self._deliver(data)

    def _deliver(self, data: bytes | None) -> None:
        delay = self._connection.link.delay_seconds
        if delay or self._late:  # also what comes after the delay has ended keeps its place in the order
            self._late.append(data)
            self._connection.link.counts["delayed"] += data is not None
            asyncio.get_running_loop().call_later(delay, self._deliver_late)
        else:
            self._write(data)

    def _deliver_late(self) -> None:
        if self._late:
            self._write(self._late.popleft())

    def _write(self, data: bytes | None) -> None:
        transport = self.other.transport if self.other else None
        if transport is None or transport.is_closing():
            return
        if data is not None:
            transport.write(data)
        else:
            transport.write_eof()
            self.ended = True
            self._connection.close_if_ended()


class Connection:
    """A client's connection and its twin to the link's target. `answers` counts the turns that the target has had."""

    def __init__(self, link: "Link") -> None:
        self.link = link
        self.answers = 0
        self._asked = False
        self._client = Half(self, REQUESTS)
        self._server = Half(self, ANSWERS)
        self._client.other, self._server.other = self._server, self._client

    def new_client(self) -> Half:
        return self._client

    def accepted(self, _client: Half) -> None:
        self.link.connections.add(self)
        self.link.counts["connections"] += 1
        self._connecting = asyncio.ensure_future(self._connect())

    async def _connect(self) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: self._server, *self.link.target)
        except OSError:
            self.abort()
        else:
            if self in self.link.connections:
                self.apply()
            else:  # cut meanwhile
                self.abort()

    def lets_pass(self, direction: str) -> bool:
        """False where these bytes are the answer that the link drops: then the connection is gone."""
        if direction == REQUESTS:
            self._asked = True
        elif self._asked:
            self._asked = False
            self.answers += 1
            if self.link.answers_let_pass is not None and self.answers > self.link.answers_let_pass:
                self.link.counts["dropped"] += 1
                self.abort()
                return False
        return True

    def apply(self) -> None:
        """Called again when the link's fault changes."""
        for half in (self._client, self._server):
            half.hold()

    def close_if_ended(self) -> None:
        if self._client.ended and self._server.ended:
            self.link.connections.discard(self)
            for half in (self._client, self._server):
                if half.transport is not None:
                    half.transport.close()

    def abort(self) -> None:
        """Both sides see a reset: what was on its way is lost."""
        self.link.connections.discard(self)
        for half in (self._client, self._server):
            transport = half.transport
            if transport is not None and not transport.is_closing():
                sock = transport.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                transport.abort()


class Link:
    """`counts`: connections, cut ones, dropped answers, what was held or delayed, since the start."""

    def __init__(self, port: int, target: tuple[str, int]) -> None:
        self.target = target
        self.connections: set[Connection] = set()
        self.counts: Counter[str] = Counter()
        self.delay_seconds = 0.0
        self.answers_let_pass: int | None = None
        self._stalled = ""
        self._reserved = _bound(port)  # refuses, and keeps the port while there is no listener
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        return int(self._reserved.getsockname()[1])

    def stalls(self, direction: str) -> bool:
        return self._stalled == direction

    async def set(self, fault: dict[str, Any]) -> None:
        """In force when this returns, on open connections too. `{}` is no fault."""
        self.delay_seconds = fault.get("delay_seconds", 0.0)
        self.answers_let_pass = fault.get("answers_let_pass")
        self._stalled = fault.get("stalled", "")
        for connection in list(self.connections):  # some end with what they are given
            connection.answers = 0
            connection.apply()
        await self._listen(accept=not fault.get("cut", False))

    async def _listen(self, *, accept: bool) -> None:
        if accept and self._server is None:
            listener = _bound(self.port)
            self._server = await asyncio.get_running_loop().create_server(
                lambda: Connection(self).new_client(), sock=listener, backlog=512
            )
        elif not accept and self._server is not None:
            self._server.close()
            self._server = None
            self.counts["cut"] += len(self.connections)
            for connection in list(self.connections):
                connection.abort()


def _bound(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(("127.0.0.1", port))
    return sock


class Commands:
    """Each is answered in its turn, and after it is in force."""

    def __init__(self) -> None:
        self._links: dict[str, Link] = {}

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=_LONGEST_LINE)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            answer = await self._do(json.loads(line))
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()

    async def _do(self, command: dict[str, Any]) -> dict[str, Any]:
        name = command["link"]
        if (target := command.get("target")) is not None:
            self._links[name] = Link(command["port"], (target[0], target[1]))
        link = self._links[name]
        if (fault := command.get("fault")) is not None:
            await link.set(fault)
        return {"port": link.port, "open": len(link.connections), **link.counts}


if __name__ == "__main__":
    with contextlib.suppress(PermissionError):
        os.nice(_NICENESS)
    uvloop.run(Commands().run())
