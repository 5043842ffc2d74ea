"""The proxies themselves, with real sockets, and with PostgreSQL behind them."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Self

import psycopg
import pytest
from chaos.fault_proxy import (
    PASSES,
    FaultProxies,
    LinkFault,
    cut,
    delay,
    drop_answers,
    fault_proxies,
    stall_answers,
    stall_requests,
)

LINK = "here->there"
SHORT = 0.3
"""Seconds in which a byte that passes has arrived, also on a busy machine."""


class EchoServer:
    """Answers each line with itself. What it has got stands in `got`."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.address = ("127.0.0.1", 0)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, *self.address)
        self.address = self._server.sockets[0].getsockname()
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                self.got.append(line)
                writer.write(line)
        except ConnectionError:
            pass
        finally:
            writer.close()


class Caller:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, line: bytes) -> bytes:
        self._writer.write(line)
        return await self.answer()

    async def answer(self) -> bytes:
        answer = await self._reader.readline()
        if not answer:
            raise ConnectionResetError
        return answer

    async def hears_nothing(self) -> bool:
        try:
            await asyncio.wait_for(asyncio.shield(waiting := asyncio.ensure_future(self.answer())), SHORT)
        except TimeoutError:
            waiting.cancel()
            return True
        return False

    def send(self, line: bytes) -> None:
        self._writer.write(line)

    def end(self) -> None:
        """Half of the connection: the answers are still to come."""
        self._writer.write_eof()

    def close(self) -> None:
        self._writer.close()


@pytest.fixture
async def echo() -> AsyncIterator[EchoServer]:
    async with EchoServer() as server:
        yield server


@pytest.fixture
async def proxies() -> AsyncIterator[FaultProxies]:
    async with fault_proxies() as running:
        yield running


@pytest.fixture
async def port(proxies: FaultProxies, echo: EchoServer) -> int:
    return await proxies.add(LINK, echo.address)


@pytest.fixture
async def caller(port: int) -> AsyncIterator[Caller]:
    connected = await connect(port)
    yield connected
    connected.close()


async def connect(port: int) -> Caller:
    return Caller(*await asyncio.open_connection("127.0.0.1", port))


async def test_without_a_fault_bytes_pass_in_both_directions(caller: Caller) -> None:
    assert await caller.ask(b"hello\n") == b"hello\n"
    large = b"x" * 60_000 + b"\n"
    assert await caller.ask(large) == large


async def test_a_delay_holds_open_for_both_directions_and_ends(proxies: FaultProxies, caller: Caller) -> None:
    await proxies.set(LINK, delay(SHORT))
    started = time.monotonic()
    assert await caller.ask(b"slow\n") == b"slow\n"
    assert time.monotonic() - started >= 2 * SHORT
    assert (await proxies.counts(LINK)).delayed == 2
    await proxies.set(LINK, PASSES)
    started = time.monotonic()
    await caller.ask(b"fast\n")
    assert time.monotonic() - started < SHORT


async def test_delayed_lines_arrive_in_the_order_in_which_they_were_sent(proxies: FaultProxies, caller: Caller) -> None:
    await proxies.set(LINK, delay(SHORT))
    for number in range(3):
        caller.send(b"%d\n" % number)
        await asyncio.sleep(0.01)
    await proxies.set(LINK, PASSES)
    caller.send(b"3\n")
    assert [await caller.answer() for _ in range(4)] == [b"0\n", b"1\n", b"2\n", b"3\n"]


async def test_a_cut_link_resets_what_is_open_and_refuses_what_is_new(
    proxies: FaultProxies, caller: Caller, port: int
) -> None:
    await caller.ask(b"hello\n")
    await proxies.set(LINK, cut())
    with pytest.raises(ConnectionError):
        await caller.ask(b"anybody?\n")
    with pytest.raises(ConnectionRefusedError):
        await connect(port)
    assert (await proxies.counts(LINK)).cut == 1
    await proxies.set(LINK, PASSES)
    again = await connect(port)
    assert await again.ask(b"hello\n") == b"hello\n"
    again.close()


async def test_stalled_requests_stay_on_the_way_until_the_link_is_healed(
    proxies: FaultProxies, echo: EchoServer, caller: Caller, port: int
) -> None:
    await caller.ask(b"before\n")
    await proxies.set(LINK, stall_requests())
    caller.send(b"stalled\n")
    newer = await connect(port)
    newer.send(b"newer\n")
    assert await caller.hears_nothing()
    assert echo.got == [b"before\n"]
    await proxies.set(LINK, PASSES)
    assert await newer.answer() == b"newer\n"
    assert (await proxies.counts(LINK)).held == 2
    newer.close()


async def test_stalled_answers_belong_to_requests_that_were_delivered(
    proxies: FaultProxies, echo: EchoServer, caller: Caller
) -> None:
    await proxies.set(LINK, stall_answers())
    caller.send(b"done\n")
    await asyncio.sleep(SHORT)
    assert echo.got == [b"done\n"]
    await proxies.set(LINK, PASSES)
    assert await caller.answer() == b"done\n"
    assert (await proxies.counts(LINK)).held == 1


async def test_connections_that_end_when_the_link_is_healed_keep_no_other_from_it(
    proxies: FaultProxies, port: int
) -> None:
    await proxies.set(LINK, stall_answers())
    callers = [await connect(port) for _ in range(3)]
    for caller in callers:
        caller.end()
    await asyncio.sleep(SHORT)
    await proxies.set(LINK, PASSES)
    assert (await proxies.counts(LINK)).open == 0
    for caller in callers:
        caller.close()


@pytest.mark.parametrize("fault", [delay(SHORT), stall_requests(), stall_answers(), drop_answers()])
async def test_a_fault_while_nothing_is_sent_counts_nothing(
    proxies: FaultProxies, caller: Caller, fault: LinkFault
) -> None:
    await caller.ask(b"before\n")
    before = await proxies.counts(LINK)
    await proxies.set(LINK, fault)
    await asyncio.sleep(SHORT)
    await proxies.set(LINK, PASSES)
    assert await proxies.counts(LINK) == before
    assert await caller.ask(b"afterwards\n") == b"afterwards\n"


async def test_a_dropped_answer_belongs_to_a_request_that_was_delivered(
    proxies: FaultProxies, echo: EchoServer, caller: Caller
) -> None:
    await proxies.set(LINK, drop_answers())
    with pytest.raises(ConnectionError):
        await caller.ask(b"done\n")
    assert echo.got == [b"done\n"]
    assert (await proxies.counts(LINK)).dropped == 1


async def test_answers_are_dropped_after_as_many_as_were_asked_for(
    proxies: FaultProxies, caller: Caller, port: int
) -> None:
    await caller.ask(b"before the fault: not counted\n")
    await proxies.set(LINK, drop_answers(after=2))
    for line in (b"1\n", b"2\n"):
        assert await caller.ask(line) == line
    with pytest.raises(ConnectionError):
        await caller.ask(b"3\n")
    each_for_itself = await connect(port)
    assert await each_for_itself.ask(b"1\n") == b"1\n"
    each_for_itself.close()


async def test_a_target_that_is_not_there_ends_the_connection(proxies: FaultProxies, port: int) -> None:
    nobody = await proxies.add("here->nobody", ("127.0.0.1", 1))
    with pytest.raises(ConnectionError):
        await (await connect(nobody)).ask(b"hello\n")


async def test_each_link_has_its_own_fault(proxies: FaultProxies, caller: Caller, echo: EchoServer) -> None:
    other = await connect(await proxies.add("elsewhere->there", echo.address))
    await proxies.set("elsewhere->there", cut())
    assert await caller.ask(b"hello\n") == b"hello\n"
    await proxies.heal()
    again = await connect(proxies.ports["elsewhere->there"])
    assert await again.ask(b"hello\n") == b"hello\n"
    for each in (other, again):
        each.close()


async def test_a_commit_whose_answer_is_dropped_is_committed(proxies: FaultProxies, postgres_server: str) -> None:
    address, _database = postgres_server.rsplit("@", 1)[1].split("/")
    host, number = address.split(":")
    port = await proxies.add("worker->database", (host, int(number)))
    through = postgres_server.replace(address, f"127.0.0.1:{port}")
    async with await psycopg.AsyncConnection.connect(postgres_server, autocommit=True) as direct:
        await direct.execute("CREATE TABLE written (number int)")
        connection = await psycopg.AsyncConnection.connect(through)
        await proxies.set("worker->database", drop_answers(after=2))  # of BEGIN, of INSERT
        await connection.execute("INSERT INTO written VALUES (1)")
        with pytest.raises(psycopg.OperationalError):
            await connection.commit()
        await connection.close()
        assert (await (await direct.execute("SELECT number FROM written")).fetchall()) == [(1,)]
        await direct.execute("DROP TABLE written")
