"""Requests that no HTTP library would send, byte by byte to the running gateway: answered at once, and by a 4xx."""

import asyncio
import json
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import pytest
from system.answer_forms import PROBLEM_CODES
from system.public_api import PublicApi

pytestmark = pytest.mark.system

ANSWER_SECONDS: Final = 5
LARGE: Final = 65_537
POST: Final = b"POST /transfers HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """Of a problem in its full form."""
        assert self.headers["content-type"] == "application/problem+json", self
        problem = json.loads(self.body)
        assert problem["status"] == self.status == PROBLEM_CODES[problem["code"]]
        return str(problem["code"])


async def send(api: PublicApi, *parts: bytes) -> Answer:
    """Sends the parts one after the other, but stops as soon as there is an answer; then reads it."""
    address = urlsplit(api.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    answering = asyncio.create_task(_read(reader))
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            for part in parts:
                if not answering.done():
                    writer.write(part)
                    await writer.drain()
            return await answering
    finally:
        answering.cancel()
        writer.close()


async def _read(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status_line, *lines = head.rstrip("\r\n").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = int(headers.get("content-length", "0"))
    return Answer(int(status_line.split(" ")[1]), headers, await reader.readexactly(length))


def chunk(content: bytes) -> bytes:
    return f"{len(content):x}\r\n".encode() + content + b"\r\n"


def get(target: bytes) -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\nHost: gateway\r\n\r\n"


async def test_a_body_that_is_announced_as_too_large_is_refused_before_it_is_sent(api: PublicApi) -> None:
    for length in (LARGE, 10**9, 10**18):
        answer = await send(api, POST + f"Content-Length: {length}\r\n\r\n".encode())
        assert (answer.status, answer.code) == (413, "body_too_large")


async def test_a_body_of_unknown_length_is_refused_as_soon_as_it_is_too_large(api: PublicApi) -> None:
    """It never ends: whoever read it whole would never answer."""
    endless = [chunk(b" " * 8192)] * 9
    answer = await send(api, POST + b"Transfer-Encoding: chunked\r\n\r\n", *endless)
    assert (answer.status, answer.code) == (413, "body_too_large")


async def test_a_body_to_a_call_that_takes_none_is_limited_too(api: PublicApi) -> None:
    answer = await send(api, b"GET /transfers HTTP/1.1\r\nHost: gateway\r\nContent-Length: 99999999\r\n\r\n")
    assert answer.code == "body_too_large"


async def test_a_body_of_exactly_64_kib_is_read(api: PublicApi) -> None:
    answer = await send(api, POST + b"Content-Length: 65536\r\n\r\n" + b" " * 65_535 + b"1")
    assert (answer.status, answer.code) == (422, "invalid_request")


async def test_bytes_that_are_not_http_get_a_4xx(api: PublicApi) -> None:
    """What isn't HTTP has no form to answer in: the server's own 400."""
    for request in (
        b"\x00\x01\x02\r\n\r\n",
        b"GET\r\n\r\n",
        b"hello gateway\r\n\r\n",
        get(b"/transfers/\x00"),
        get(b"/transfers/a b"),
        get(b"/transfers?\xff=1"),
        POST + b"Content-Length: -1\r\n\r\n",
        POST + b"Content-Length: many\r\n\r\n",
        POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
        POST + b"X-Odd: \x00\r\n\r\n",
    ):
        assert 400 <= (await send(api, request)).status < 500, request


@pytest.mark.parametrize(
    "target",
    [b"/transfers/%00", b"/transfers/%", b"/transfers/%ff", b"/transfers/x%0a", b"/transfers/..%2f..", b"//transfers",
     b"/transfers/", b"/Transfers", b"/transfers/" + b"a" * 65, b"/accounts/%F0%9F%92%B8", b"/accounts/a/entries/",
     b"/nothing", b"/docs/..%2fmain.py", b"/docs/../../etc/passwd", b"/%2e%2e/transfers"],
)  # fmt: skip
async def test_an_odd_address_is_not_found_or_not_valid(api: PublicApi, target: bytes) -> None:
    answer = await send(api, get(target))
    assert answer.code in ("not_found", "invalid_request")


async def test_an_odd_query_is_refused(api: PublicApi) -> None:
    for target in (b"/transfers?limit=%ff", b"/transfers?%00=1", b"/transfers?limit=1&limit=2"):
        assert (await send(api, get(target))).code == "invalid_request"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "BREW"])
async def test_another_method_is_refused_and_the_right_ones_are_named(api: PublicApi, method: str) -> None:
    for path, allowed in (("/transfers", "GET, POST"), ("/accounts/alice", "GET"), ("/transfers/a/cancel", "POST")):
        answer = await send(api, f"{method} {path} HTTP/1.1\r\nHost: gateway\r\nContent-Length: 0\r\n\r\n".encode())
        assert 400 <= answer.status < 500
        if method != "BREW":  # not even a method
            assert (answer.code, answer.headers["allow"]) == ("method_not_allowed", allowed)


async def test_a_client_that_leaves_in_the_middle_of_its_body_harms_nobody(api: PublicApi) -> None:
    address = urlsplit(api.url)
    for _ in range(20):
        _, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(POST + b'Content-Length: 200\r\n\r\n{"source_account": "al')
        await writer.drain()
        writer.close()
    assert await api.get("/healthz") == {"status": "alive"}
