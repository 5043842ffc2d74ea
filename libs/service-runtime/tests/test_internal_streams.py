"""`InternalClient.stream`: another service's lines as they come, and every way in which they can fail to."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager

import pytest
from fastapi import FastAPI, Request, Response
from free_port import free_port
from live_server import live_server
from prometheus_client import CollectorRegistry
from pydantic import BaseModel
from service_runtime import internal_client, streams
from service_runtime.app import create_app
from service_runtime.internal_client import InternalClient
from service_runtime.problems import Problem
from service_runtime.streams import json_lines
from told_source import ToldSource, next_of, rest_of
from transfer_contract.http import ProblemCode
from transfer_contract.names import Process

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/jsonl\r\nTransfer-Encoding: chunked\r\n\r\n"
ONE = b'f\r\n{"text": "one"}\r\n1\r\n\n\r\n'


class Line(BaseModel):
    text: str


def client_of(url: str) -> InternalClient:
    return InternalClient(Process.STATUS_CHECKER, url, timeout_seconds=2)


@pytest.fixture
def source() -> ToldSource[Line]:
    return ToldSource()


@pytest.fixture
async def client(source: ToldSource[Line]) -> AsyncIterator[InternalClient]:
    app: FastAPI = create_app(Process.STATUS_CHECKER, {}, registry=CollectorRegistry())

    @app.get("/lines")
    async def lines(request: Request, which: str | None = None) -> Response:
        if which == "none":
            raise Problem(ProblemCode.NOT_FOUND, "There are no such lines.")
        return json_lines(request, source.items())

    async with live_server(app) as server, client_of(server.url) as client:
        yield client


Answering = Callable[[bytes], AbstractAsyncContextManager[InternalClient]]


@pytest.fixture
def answering() -> Answering:
    """A client of a server that says just these bytes and then breaks the connection, unless it is to hold it."""

    @asynccontextmanager
    async def serve(said: bytes, *, hold: bool = False) -> AsyncIterator[InternalClient]:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(said)
            if hold:
                await reader.read()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server, client_of(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as client:
            yield client

    return serve


async def unavailable_after(client: InternalClient, *expected: str) -> None:
    lines = client.stream("/lines", Line)
    for text in expected:
        assert (await next_of(lines)).text == text
    with pytest.raises(Problem, match="can't be reached") as refused:
        await next_of(lines)
    assert refused.value.code is ProblemCode.UNAVAILABLE


async def test_items_come_as_they_are_sent_and_end_with_the_other_side(
    client: InternalClient, source: ToldSource[Line]
) -> None:
    lines = client.stream("/lines", Line)
    for text in ("one", "two"):
        source.say(Line(text=text))
        assert await next_of(lines) == Line(text=text)
    source.end()
    assert await rest_of(lines) == []


async def test_signs_of_life_are_no_items(
    client: InternalClient, source: ToldSource[Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(internal_client, "SILENCE_SECONDS", 5)
    lines = client.stream("/lines", Line)
    coming = asyncio.create_task(next_of(lines))
    await asyncio.sleep(0.3)
    source.say(Line(text="one"))
    assert await coming == Line(text="one")
    await lines.aclose()


async def test_whoever_leaves_closes_the_source_on_the_other_side(
    client: InternalClient, source: ToldSource[Line]
) -> None:
    async with aclosing(client.stream("/lines", Line)) as lines:
        source.say(Line(text="one"))
        await next_of(lines)
        assert source.running == 1
    await source.until_running(0)


@pytest.mark.parametrize(
    "text", ["next\u0085line", "line\u2028separator", "tab\t newline\n form feed\x0c", "x" * 200_000]
)
async def test_a_text_is_one_line_whatever_it_holds(
    client: InternalClient, source: ToldSource[Line], text: str
) -> None:
    async with aclosing(client.stream("/lines", Line)) as lines:
        source.say(Line(text=text))
        assert (await next_of(lines)).text == text


async def test_a_problem_that_the_other_side_answers_is_raised_as_it_is(client: InternalClient) -> None:
    with pytest.raises(Problem, match="no such lines") as refused:
        await next_of(client.stream("/lines", Line, query={"which": "none"}))
    assert refused.value.code is ProblemCode.NOT_FOUND


async def test_nobody_on_the_other_side_is_a_problem() -> None:
    async with client_of(f"http://127.0.0.1:{free_port()}") as client:
        await unavailable_after(client)


async def test_another_side_that_dies_after_some_items_is_a_problem(answering: Answering) -> None:
    async with answering(HEAD + ONE) as client:
        await unavailable_after(client, "one")


async def test_another_side_that_dies_in_the_middle_of_an_item_is_a_problem(answering: Answering) -> None:
    async with answering(HEAD + ONE + ONE[:9]) as client:
        await unavailable_after(client, "one")


async def test_another_side_that_hangs_is_a_problem(monkeypatch: pytest.MonkeyPatch, answering: Answering) -> None:
    monkeypatch.setattr(internal_client, "SILENCE_SECONDS", 0.3)
    async with answering(HEAD + ONE, hold=True) as client:  # type: ignore[call-arg]
        await unavailable_after(client, "one")


@pytest.mark.parametrize(
    "said",
    [
        HEAD + b'11\r\n{"other": "item"}\n\r\n0\r\n\r\n',
        HEAD + b"9\r\n<h1>Hi!\n\n\r\n0\r\n\r\n",
        b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 5\r\n\r\noh no",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"",
    ],
    ids=["another item", "no JSON", "plain 500", "404 of somebody else", "no HTTP", "nothing"],
)
async def test_an_answer_outside_the_contract_is_a_problem(answering: Answering, said: bytes) -> None:
    async with answering(said) as client:
        await unavailable_after(client)
