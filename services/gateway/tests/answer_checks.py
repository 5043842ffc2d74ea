"""What is true of every answer of the gateway, checked on each one that any test receives."""

import re
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


class AnswerChecks:
    """An httpx response hook. It remembers which documented answers it has seen."""

    def __init__(self, app: FastAPI) -> None:
        self._paths: dict[str, Any] = app.openapi()["paths"]

    async def judge(self, response: httpx.Response) -> None:
        await response.aread()
        for name in SECURITY_HEADERS:
            assert name in response.headers, f"{name} is missing: {response.request.url}"
        if response.status_code >= 400 and response.request.method != "HEAD":
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
