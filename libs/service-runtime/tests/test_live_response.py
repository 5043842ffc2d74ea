"""Responses that last, on a real server."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from live_server import LiveServer, live_server
from prometheus_client import CollectorRegistry
from pydantic import BaseModel
from service_runtime import streams
from service_runtime.app import SHUTDOWN_SECONDS, create_app
from service_runtime.problems import Problem
from service_runtime.streams import LiveResponse, json_lines, opened
from told_source import SOON_SECONDS, ToldSource, next_of, rest_of
from transfer_contract.http import ProblemCode
from transfer_contract.names import Process

A_LOT: Final = b"x" * 65536


class Line(BaseModel):
    text: str


def line(text: str) -> bytes:
    return Line(text=text).model_dump_json().encode() + b"\n"


class Streaming:
    """An app with one stream, whose source does as it is told, and a client of it."""

    def __init__(self) -> None:
        self.source: ToldSource[Line] = ToldSource()
        self.server: LiveServer
        self.http: httpx.AsyncClient
        self.flooded = 0

    def app(self) -> FastAPI:
        app = create_app(Process.STATUS_CHECKER, {}, registry=CollectorRegistry())

        @app.get("/lines")
        async def lines(request: Request) -> Response:
            return json_lines(request, self.source.items())

        @app.get("/opened")
        async def opened_lines(request: Request) -> Response:
            first, items = await opened(self.source.items())
            if first.text == "nothing":
                await items.aclose()
                return Response(status_code=204)
            return json_lines(request, items)

        @app.get("/flood")
        async def flood(request: Request) -> Response:
            return LiveResponse(request, self._flood(), media_type="text/plain", sign_of_life=b"\n", pause=60)

        return app

    @contextlib.asynccontextmanager
    async def open(self, path: str = "/lines") -> AsyncIterator[tuple[httpx.Response, AsyncGenerator[bytes]]]:
        """The response, and its chunks as they come."""
        async with self.http.stream("GET", path, timeout=SOON_SECONDS) as response:
            yield response, response.aiter_raw()  # type: ignore[misc] # an async generator

    async def _flood(self) -> AsyncGenerator[bytes]:
        async with aclosing(self.source.items()) as source:
            self.source.say(Line(text="x"))
            async for item in source:
                self.flooded += 1
                self.source.say(item)
                yield A_LOT


@pytest.fixture
async def streaming() -> AsyncIterator[Streaming]:
    streaming = Streaming()
    async with live_server(streaming.app()) as server, httpx.AsyncClient(base_url=server.url) as http:
        streaming.server, streaming.http = server, http
        yield streaming


async def test_each_item_is_a_line_that_is_sent_as_soon_as_it_comes(streaming: Streaming) -> None:
    async with streaming.open() as (response, chunks):
        for text in ("one", "two"):
            streaming.source.say(Line(text=text))
            assert await next_of(chunks) == line(text)
        streaming.source.end()
        assert await rest_of(chunks) == []
    assert response.headers["Content-Type"] == "application/jsonl"
    assert (response.headers["Cache-Control"], response.headers["X-Accel-Buffering"]) == ("no-store", "no")
    assert streaming.source.running == 0


async def test_a_pause_is_filled_with_signs_of_life(streaming: Streaming, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "PAUSE_SECONDS", 0.05)
    async with streaming.open() as (_, chunks):
        assert (await next_of(chunks), await next_of(chunks)) == (b"\n", b"\n")
        streaming.source.say(Line(text="one"))
        while (chunk := await next_of(chunks)) == b"\n":
            pass
        assert chunk == line("one")


async def test_a_client_that_leaves_closes_the_source(streaming: Streaming) -> None:
    async with streaming.open() as (_, chunks):
        streaming.source.say(Line(text="one"))
        await next_of(chunks)
        assert streaming.source.running == 1
    await streaming.source.until_running(0)


async def test_a_client_that_reads_nothing_holds_the_source_up_and_closes_it_when_it_leaves(
    streaming: Streaming,
) -> None:
    async with streaming.open("/flood"):
        before = -1
        while before != streaming.flooded:
            before = streaming.flooded
            await asyncio.sleep(0.3)
        assert streaming.source.running == 1
    await streaming.source.until_running(0)


async def test_a_client_that_leaves_before_the_first_item_closes_the_source_at_the_latest_when_that_comes(
    streaming: Streaming,
) -> None:
    with pytest.raises(httpx.ReadTimeout):
        await streaming.http.get("/opened", timeout=0.3)
    streaming.source.say(Line(text="one"))
    await streaming.source.until_running(0)


async def test_an_opened_source_gives_its_first_item_too(streaming: Streaming) -> None:
    streaming.source.say(Line(text="one"))
    async with streaming.open("/opened") as (_, chunks):
        assert await next_of(chunks) == line("one")
        streaming.source.say(Line(text="two"))
        assert await next_of(chunks) == line("two")
    await streaming.source.until_running(0)


async def test_a_problem_of_the_first_item_is_an_answer_with_a_status_of_its_own(streaming: Streaming) -> None:
    streaming.source.fail(Problem(ProblemCode.NOT_FOUND, "never heard of it"))
    answer = await streaming.http.get("/opened")
    assert (answer.status_code, answer.json()["detail"]) == (404, "never heard of it")


async def test_an_opened_source_that_nobody_reads_on_is_closed(streaming: Streaming) -> None:
    items = streaming.source.items()
    streaming.source.say(Line(text="one"))
    first, all_items = await opened(items)
    assert (first.text, streaming.source.running) == ("one", 1)
    await all_items.aclose()
    assert streaming.source.running == 0


async def test_a_source_that_breaks_cuts_the_response_instead_of_ending_it(streaming: Streaming) -> None:
    async with streaming.open() as (_, chunks):
        streaming.source.say(Line(text="one"))
        await next_of(chunks)
        streaming.source.fail(Problem(ProblemCode.NOT_FOUND, "gone"))
        with pytest.raises(httpx.RemoteProtocolError):
            await next_of(chunks)
    assert streaming.source.running == 0


async def test_a_stopping_server_ends_its_streams_and_is_soon_gone(streaming: Streaming) -> None:
    async with streaming.open() as (_, waiting), streaming.open() as (_, other):
        streaming.source.say(Line(text="one"), Line(text="two"))
        await asyncio.gather(next_of(waiting), next_of(other))
        began = time.monotonic()
        stopping = asyncio.create_task(streaming.server.stop())
        assert await rest_of(waiting) == await rest_of(other) == []
        await stopping
        assert time.monotonic() - began < SHUTDOWN_SECONDS * 0.6
    assert streaming.source.running == 0
