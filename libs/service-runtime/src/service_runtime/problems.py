"""Errors of the HTTP edge, translated in one place into RFC 9457 `application/problem+json`."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from transfer_contract.http import FieldError, ProblemCode, ProblemDetails

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_SECONDS: Final = 1

STATUS_OF_CODE: Final = {
    ProblemCode.INVALID_JSON: 400,
    ProblemCode.NOT_FOUND: 404,
    ProblemCode.METHOD_NOT_ALLOWED: 405,
    ProblemCode.NOT_CANCELLABLE: 409,
    ProblemCode.NOT_PARKED: 409,
    ProblemCode.ACCOUNT_EXISTS: 409,
    ProblemCode.ACCOUNT_NOT_EMPTY: 409,
    ProblemCode.BODY_TOO_LARGE: 413,
    ProblemCode.UNSUPPORTED_MEDIA_TYPE: 415,
    ProblemCode.INVALID_REQUEST: 422,
    ProblemCode.IDEMPOTENCY_KEY_REUSED: 422,
    ProblemCode.TREASURY_NOT_ALLOWED: 422,
    ProblemCode.SCENARIO_NOT_ALLOWED: 422,
    ProblemCode.UNAVAILABLE: 503,
}

_CODE_OF_STATUS: Final = {
    400: ProblemCode.INVALID_JSON,
    404: ProblemCode.NOT_FOUND,
    405: ProblemCode.METHOD_NOT_ALLOWED,
    413: ProblemCode.BODY_TOO_LARGE,
    415: ProblemCode.UNSUPPORTED_MEDIA_TYPE,
}


class Problem(Exception):  # noqa: N818 - RFC 9457 calls it a problem
    """Raised anywhere below an HTTP edge; the edge answers it. The status follows from the code."""

    def __init__(
        self,
        code: ProblemCode,
        detail: str,
        errors: Sequence[FieldError] = (),
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})


def invalid_field(field: str, detail: str) -> Problem:
    return Problem(
        ProblemCode.INVALID_REQUEST,
        f"The request is invalid: {field}.",
        [FieldError(field=field, detail=detail)],
    )


def unavailable(what: str) -> Problem:
    return Problem(ProblemCode.UNAVAILABLE, f"{what} can't be reached at the moment. Repeat the request.")


def problem_response(problem: Problem, headers: dict[str, str] | None = None) -> JSONResponse:
    status = STATUS_OF_CODE[problem.code]
    details = ProblemDetails(
        type=f"urn:transfer-saga:problem:{problem.code}",
        title=problem.code.replace("_", " ").capitalize(),
        status=status,
        detail=problem.detail,
        code=problem.code,
        errors=problem.errors or None,
    )
    retry = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == 503 else {}
    return JSONResponse(details.as_body(), status, {**(headers or {}), **retry}, media_type=MEDIA_TYPE)


def install_problem_handlers(app: FastAPI) -> None:
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_middleware(_BugMiddleware)


async def _on_problem(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)  # noqa: S101 - Starlette's handler type is wider than its registration
    return problem_response(error, error.headers)


async def _on_http_exception(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101
    code = _CODE_OF_STATUS.get(error.status_code, ProblemCode.INVALID_REQUEST)
    return problem_response(Problem(code, str(error.detail)), dict(error.headers or {}))


async def _on_invalid_request(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    if any(part["type"] == "json_invalid" for part in error.errors()):
        return problem_response(Problem(ProblemCode.INVALID_JSON, "The body is not valid JSON."))
    errors = [_field_error(part) for part in error.errors()]
    return problem_response(
        Problem(
            ProblemCode.INVALID_REQUEST,
            f"The request is invalid: {', '.join(dict.fromkeys(e.field for e in errors))}.",
            errors,
        )
    )


def _field_error(part: dict[str, Any]) -> FieldError:
    """The field's name without the place it came from; the whole body where the body itself is wrong."""
    path = [str(step) for step in part["loc"][1:]]
    return FieldError(field=".".join(path) or "body", detail=part["msg"].removeprefix("Value error, "))


class _BugMiddleware:
    """A defect of ours. The client may repeat: every call is idempotent. The traceback goes to the log.

    A middleware, since Starlette's own handler for every exception stands outside the request id and its log lines.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_started = False

        async def watching_send(message: Message) -> None:
            nonlocal has_started
            has_started = True
            await send(message)

        try:
            await self._app(scope, receive, watching_send)
        except Exception as error:
            if scope["type"] != "http" or has_started:
                raise
            structlog.get_logger().error("unhandled error", exc_info=error)
            problem = Problem(ProblemCode.UNAVAILABLE, "An unexpected error occurred.")
            await problem_response(problem)(scope, receive, send)
