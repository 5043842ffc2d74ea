"""Calls from one service to another's internal HTTP API: one pooled client, timeouts, request id, errors."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from io import BytesIO
from typing import Final, Self, TypeVar

import aiohttp
from pydantic import BaseModel, ValidationError
from transfer_contract.http import ProblemCode, ProblemDetails
from transfer_contract.names import Process
from yarl import URL

from service_runtime.problems import Problem, unavailable
from service_runtime.request_id import HEADER, current_request_id
from service_runtime.streams import SILENCE_SECONDS

Answer = TypeVar("Answer", bound=BaseModel)
Query = Mapping[str, str | float | None]

POOL_SIZE = 100

_IDLE_SECONDS: Final = 5
"""How long a connection is kept unused. The other side keeps it for longer: `app.KEEP_ALIVE_SECONDS`."""

_READY_SECONDS: Final = 1

_NO_ANSWER: Final = (aiohttp.ClientError, TimeoutError)


class InternalClient:
    """One service's API as seen by another. A problem that it answers is raised again as that `Problem`.

    Raises `Problem(unavailable)` where it doesn't answer in time, at all, or with something that isn't its contract.
    """

    def __init__(self, process: Process, base_url: str, *, timeout_seconds: float, pool_size: int = POOL_SIZE) -> None:
        self._process = process
        self._base_url = base_url.rstrip("/")
        self._timeout_seconds = timeout_seconds
        self._pool_size = pool_size
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(
        self, path: str, answer: type[Answer], *, query: Query | None = None, extra_seconds: float = 0
    ) -> Answer:
        """`extra_seconds` is for a long poll: how much longer than usual the answer may take."""
        _, content = await self._send("GET", path, query=query, extra_seconds=extra_seconds)
        return self._parse(content, answer)

    async def post(
        self, path: str, answer: type[Answer], *, body: BaseModel | None = None, extra_seconds: float = 0
    ) -> Answer:
        _, content = await self._send("POST", path, body=body, extra_seconds=extra_seconds)
        return self._parse(content, answer)

    async def post_for_status(self, path: str, answer: type[Answer], *, body: BaseModel) -> tuple[int, Answer]:
        status, content = await self._send("POST", path, body=body)
        return status, self._parse(content, answer)

    async def stream(self, path: str, item: type[Answer], *, query: Query | None = None) -> AsyncGenerator[Answer]:
        """The items of a `streams.json_lines`, until the other side ends. Raises as the other calls do, at any time."""
        try:
            async with self._request("GET", path, query=query, silence_seconds=SILENCE_SECONDS) as response:
                if not response.ok:
                    raise self._problem(await response.read())
                async with aclosing(_lines(response)) as lines:
                    async for line in lines:
                        yield item.model_validate_json(line)
        except (*_NO_ANSWER, ValidationError) as error:
            raise unavailable(self._process) from error

    async def command(self, path: str) -> None:
        """A `POST` without body whose answer is its status alone."""
        await self._send("POST", path)

    async def is_ready(self) -> bool:
        try:
            async with asyncio.timeout(_READY_SECONDS):
                await self._send("GET", "/readyz")
        except (Problem, TimeoutError):
            return False
        return True

    async def _send(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: BaseModel | None = None,
        extra_seconds: float = 0,
    ) -> tuple[int, bytes]:
        """The answer's status and body, where it is a success."""
        silence_seconds = self._timeout_seconds + extra_seconds
        try:
            async with self._request(method, path, query=query, body=body, silence_seconds=silence_seconds) as response:
                content = await response.read()
        except _NO_ANSWER as error:
            raise unavailable(self._process) from error
        if not response.ok:
            raise self._problem(content)
        return response.status, content

    def _request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: BaseModel | None = None,
        silence_seconds: float,
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """`silence_seconds`: how long the other side may say nothing before it counts as away."""
        if self._session is None:
            self._session = self._new_session()
        headers = {HEADER: current_request_id.get() or "", "Content-Type": "application/json" if body else ""}
        return self._session.request(
            method,
            URL(self._base_url + path, encoded=True),
            params=_given(query),
            data=BytesIO(body.model_dump_json().encode()) if body else None,
            headers={name: value for name, value in headers.items() if value},
            timeout=aiohttp.ClientTimeout(connect=self._timeout_seconds, sock_read=silence_seconds),
        )

    def _new_session(self) -> aiohttp.ClientSession:
        """Belongs to the event loop that it is made in. Asks for an address anew: a restarted container has another."""
        connector = aiohttp.TCPConnector(limit=self._pool_size, keepalive_timeout=_IDLE_SECONDS, use_dns_cache=False)
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())

    def _parse(self, content: bytes, answer: type[Answer]) -> Answer:
        try:
            return answer.model_validate_json(content)
        except ValidationError as error:
            raise unavailable(self._process) from error

    def _problem(self, content: bytes) -> Problem:
        try:
            details = ProblemDetails.model_validate_json(content)
        except ValidationError:
            return unavailable(self._process)
        if details.code is ProblemCode.UNAVAILABLE:
            return Problem(details.code, details.detail)
        return Problem(details.code, details.detail, details.errors or ())


def _given(query: Query | None) -> dict[str, str]:
    return {name: _told(value) for name, value in (query or {}).items() if value is not None}


def _told(value: str | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


async def _lines(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes]:
    """Without signs of life. aiohttp's own are bounded in length."""
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in filter(None, lines):
            yield line
