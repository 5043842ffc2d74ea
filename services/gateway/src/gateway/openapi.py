"""What the OpenAPI document says beyond the models: problems, headers, and the API in a few words."""

import json
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI
from service_runtime.problems import MEDIA_TYPE, STATUS_OF_CODE, Problem, problem_response
from transfer_contract.http import ProblemCode, ProblemDetails

Responses = dict[int | str, dict[str, Any]]

DESCRIPTION: Final = """\
Money transfers as a saga. `POST /transfers` accepts a transfer, `GET /transfers/{id}` tells how it goes until its
status is final: `completed`, `rejected` or `compensated`.

Amounts are decimal strings. Every error is `application/problem+json` (RFC 9457) with a stable `code`. After `503`, or
without any answer, repeat the request: with its `Idempotency-Key` a transfer happens once, however often it is sent.
An `X-Request-Id` that you send is answered, logged by every service on the way, and kept with the transfer.
"""

_EVERYWHERE: Final = (ProblemCode.INVALID_REQUEST, ProblemCode.BODY_TOO_LARGE, ProblemCode.UNAVAILABLE)
WITH_A_BODY: Final = (ProblemCode.INVALID_JSON, ProblemCode.UNSUPPORTED_MEDIA_TYPE)


def header(description: str, example: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}, "example": example}


LOCATION: Final = {"Location": header("Where to look from now on", "/transfers/0b8f…")}
RETRY_AFTER: Final = {"Retry-After": header("Seconds until another look may be worth it", "1")}
ENTITY_TAG: Final = {"ETag": header("The transfer's version, for `If-None-Match`", '"5f0c…"')}


def problems(*codes: ProblemCode) -> Responses:
    """The documentation of these problems and of those that any call may answer."""
    codes_of_status = defaultdict(list)
    for code in (*codes, *_EVERYWHERE):
        codes_of_status[STATUS_OF_CODE[code]].append(code)
    return {
        status: {
            "model": ProblemDetails,
            "description": " or ".join(f"`{code}`" for code in codes),
            "content": {"application/json": {"examples": {code: {"value": _example(code)} for code in codes}}},
            **({"headers": RETRY_AFTER} if status == 503 else {}),
        }
        for status, codes in sorted(codes_of_status.items())
    }


def _example(code: ProblemCode) -> dict[str, Any]:
    example: dict[str, Any] = json.loads(bytes(problem_response(Problem(code, "A sentence for people.")).body))
    return example


def describe(app: FastAPI) -> None:
    """FastAPI can't say of a documented model that it has a media type of its own."""
    app.title, app.description = "Transfer Saga", DESCRIPTION
    plain: Callable[[], dict[str, Any]] = app.openapi

    def openapi() -> dict[str, Any]:
        schema = plain()
        for path in schema["paths"].values():
            for operation in path.values():
                _give_problems_their_media_type(operation["responses"])
        return schema

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's own way to extend the document


def _give_problems_their_media_type(responses: dict[str, Any]) -> None:
    for status, response in responses.items():
        if status >= "400" and "application/json" in response["content"]:
            response["content"] = {MEDIA_TYPE: response["content"]["application/json"]}
