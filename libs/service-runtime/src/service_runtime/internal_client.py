"""Calls from one service to another's internal HTTP API: one pooled client, timeouts, request id, errors."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Self, TypeVar

import httpx
from pydantic import BaseModel, ValidationError
from transfer_contract.http import ProblemCode, ProblemDetails
from transfer_contract.names import Process

from service_runtime.closed_connections import ClosedConnections
from service_runtime.problems import Problem, unavailable
from service_runtime.request_id import HEADER, current_request_id
from service_runtime.streams import SILENCE_SECONDS

Answer = TypeVar("Answer", bound=BaseModel)
Query = Mapping[str, str | float | None]

POOL_SIZE = 100


class InternalClient:
    """One service's API as seen by another. A problem that it answers is raised again as that `Problem`.

    Raises `Problem(unavailable)` where it doesn't answer in time, at all, or with something that isn't its contract.
    """

    def __init__(self, process: Process, base_url: str, *, timeout_seconds: float, pool_size: int = POOL_SIZE) -> None:
        self._process = process
        self._timeout_seconds = timeout_seconds
        limits = httpx.Limits(max_connections=pool_size, max_keepalive_connections=POOL_SIZE)
        self._http = httpx.AsyncClient(
            base_url=base_url,
            timeout=timeout_seconds,
            transport=ClosedConnections(httpx.AsyncHTTPTransport(limits=limits)),
            event_hooks={"request": [_pass_request_id_on]},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._http.aclose()

    async def get(
        self, path: str, answer: type[Answer], *, query: Query | None = None, extra_seconds: float = 0
    ) -> Answer:
        """`extra_seconds` is for a long poll: how much longer than usual the answer may take."""
        response = await self._send("GET", path, query=query, extra_seconds=extra_seconds)
        return self._parse(response, answer)

    async def post(
        self, path: str, answer: type[Answer], *, body: BaseModel | None = None, extra_seconds: float = 0
    ) -> Answer:
        return self._parse(await self._send("POST", path, body=body, extra_seconds=extra_seconds), answer)

    async def post_for_status(self, path: str, answer: type[Answer], *, body: BaseModel) -> tuple[int, Answer]:
        response = await self._send("POST", path, body=body)
        return response.status_code, self._parse(response, answer)

    async def stream(self, path: str, item: type[Answer], *, query: Query | None = None) -> AsyncGenerator[Answer]:
        """The items of a `streams.json_lines`, until the other side ends. Raises as the other calls do, at any time."""
        timeout = httpx.Timeout(self._timeout_seconds, read=SILENCE_SECONDS)
        try:
            async with self._http.stream("GET", path, params=_given(query), timeout=timeout) as response:
                if not response.is_success:
                    await response.aread()
                    raise self._problem(response)
                async with aclosing(_lines(response)) as lines:
                    async for line in lines:
                        yield item.model_validate_json(line)
        except (httpx.HTTPError, ValidationError) as error:
            raise unavailable(self._process) from error

    async def command(self, path: str) -> None:
        """A `POST` without body whose answer is its status alone."""
        await self._send("POST", path)

    async def is_ready(self) -> bool:
        try:
            return (await self._http.get("/readyz", timeout=1)).is_success
        except httpx.HTTPError:
            return False

    async def _send(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: BaseModel | None = None,
        extra_seconds: float = 0,
    ) -> httpx.Response:
        try:
            response = await self._http.request(
                method,
                path,
                params=_given(query),
                content=body.model_dump_json() if body else None,
                headers={"Content-Type": "application/json"} if body else None,
                timeout=httpx.Timeout(self._timeout_seconds + extra_seconds, connect=self._timeout_seconds),
            )
        except httpx.HTTPError as error:
            raise unavailable(self._process) from error
        if not response.is_success:
            raise self._problem(response)
        return response

    def _parse(self, response: httpx.Response, answer: type[Answer]) -> Answer:
        try:
            return answer.model_validate_json(response.content)
        except ValidationError as error:
            raise unavailable(self._process) from error

    def _problem(self, response: httpx.Response) -> Problem:
        try:
            details = ProblemDetails.model_validate_json(response.content)
        except ValidationError:
            return unavailable(self._process)
        if details.code is ProblemCode.UNAVAILABLE:
            return Problem(details.code, details.detail)
        return Problem(details.code, details.detail, details.errors or ())


def _given(query: Query | None) -> dict[str, str | float]:
    return {name: value for name, value in (query or {}).items() if value is not None}


async def _lines(response: httpx.Response) -> AsyncGenerator[bytes]:
    """Without signs of life. httpx's own would also split at separators that JSON leaves as they are."""
    rest = b""
    async for chunk in response.aiter_bytes():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in filter(None, lines):
            yield line


async def _pass_request_id_on(request: httpx.Request) -> None:
    if (request_id := current_request_id.get()) is not None:
        request.headers[HEADER] = request_id
