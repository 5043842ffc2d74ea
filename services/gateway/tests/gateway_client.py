"""A client of the gateway that judges every answer: what must be true of each one, whatever a test is about."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI
from transfer_contract.http import ProblemDetails

SECURITY_HEADERS = (
    "Content-Security-Policy",
    "X-Content-Type-Options",
    "Referrer-Policy",
    "Cache-Control",
    "X-Request-Id",
)


GatewayClient = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
"""Makes a client of a gateway with other settings: `async with client_with(demo_faults=False) as client`."""


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://gateway",
        event_hooks={"response": [AnswerChecks(app).judge]},
    ) as http:
        yield http


class AnswerChecks:
    def __init__(self, app: FastAPI) -> None:
        self._paths: dict[str, Any] = app.openapi()["paths"]

    async def judge(self, response: httpx.Response) -> None:
        await response.aread()
        for name in SECURITY_HEADERS:
            assert name in response.headers, f"{name} is missing: {response.request.url}"
        is_problem = response.status_code >= 400 and response.request.url.path != "/readyz"
        if is_problem and response.request.method != "HEAD":
            self._judge_problem(response)
        self._judge_documentation(response)

    def _judge_problem(self, response: httpx.Response) -> None:
        assert response.headers["Content-Type"] == "application/problem+json", response.text
        details = ProblemDetails.model_validate_json(response.content, strict=True)
        assert details.status == response.status_code
        assert details.detail
        assert (response.status_code == 503) == ("Retry-After" in response.headers)

    def _judge_documentation(self, response: httpx.Response) -> None:
        operations = self._operations(response.request.url.path)
        operation = operations.get(response.request.method.lower())
        if operation is not None:
            assert str(response.status_code) in operation["responses"], (response.request.url, response.text)
        elif operations:
            assert response.status_code in (404, 405)

    def _operations(self, path: str) -> dict[str, Any]:
        for template, operations in self._paths.items():
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
                return dict(operations)
        return {}
