"""The form of the API's answers: what is promised of every one of them, whatever a test asks for."""

import re
from datetime import datetime
from typing import Any, Final

import httpx

PROBLEM_CODES: Final = {
    "invalid_json": 400,
    "not_found": 404,
    "method_not_allowed": 405,
    "not_cancellable": 409,
    "not_parked": 409,
    "account_exists": 409,
    "account_not_empty": 409,
    "body_too_large": 413,
    "unsupported_media_type": 415,
    "invalid_request": 422,
    "idempotency_key_reused": 422,
    "treasury_not_allowed": 422,
    "scenario_not_allowed": 422,
    "unavailable": 503,
}
FORWARD_STEPS: Final = ["withdraw", "deposit", "record", "release"]
COMPENSATIONS: Final = {"record_compensation", "deposit_compensation", "withdraw_compensation"}

_TRANSFER_FIELDS: Final = [
    "id", "status", "source_account", "destination_account", "amount", "currency", "reference", "created_at",
    "finished_at", "steps", "failure", "waiting_for",
]  # fmt: skip
_STEP_FIELDS: Final = [
    "name", "kind", "status", "attempts", "started_at", "finished_at", "error", "worker", "next_attempt_at",
]  # fmt: skip
_STATUSES: Final = {
    "accepted", "running", "compensating", "needs_attention", "completed", "rejected", "compensated",
}  # fmt: skip
_STEP_STATUSES: Final = {"pending", "running", "retrying", "done", "failed"}
_WORKERS: Final = {"workflow-worker", "account-worker", "ledger-worker"}


async def judge(response: httpx.Response) -> None:
    """For every answer: errors are problems, and a transfer has all of its fields and no others."""
    await response.aread()
    if response.status_code >= 400:
        assert_is_problem(response)
    elif _answers_a_transfer(response):
        assert_is_transfer(response.json())


def assert_is_problem(response: httpx.Response) -> None:
    assert response.headers["Content-Type"] == "application/problem+json", response.text
    problem = response.json()
    assert problem.keys() - {"errors"} == {"type", "title", "status", "detail", "code"}
    assert problem["status"] == response.status_code == PROBLEM_CODES[problem["code"]]
    assert all(error.keys() == {"field", "detail"} for error in problem.get("errors", ()))
    assert ("Retry-After" in response.headers) == (response.status_code == 503)


def refused(response: httpx.Response) -> tuple[str, list[str]]:
    """Of a request that the client has to change: the problem's code and the fields that it names."""
    assert 400 <= response.status_code < 500, response.text
    problem = response.json()
    return problem["code"], [error["field"] for error in problem.get("errors", ())]


def assert_is_transfer(transfer: dict[str, Any]) -> None:
    assert list(transfer) == _TRANSFER_FIELDS
    assert transfer["status"] in _STATUSES
    assert re.fullmatch(r"\d{1,12}(\.\d{1,4})?", transfer["amount"])
    assert transfer["waiting_for"] in {None, *_WORKERS}
    is_final = transfer["status"] in {"completed", "rejected", "compensated"}
    assert_is_moment(transfer["created_at"])
    assert (transfer["finished_at"] is not None) == is_final
    assert [step["name"] for step in transfer["steps"][:4]] == FORWARD_STEPS
    assert {step["name"] for step in transfer["steps"][4:]} <= COMPENSATIONS
    for number, step in enumerate(transfer["steps"]):
        _assert_is_step(step, kind="forward" if number < 4 else "compensation")
    if transfer["status"] in ("rejected", "compensated"):
        assert transfer["failure"].keys() == {"code", "step", "detail"}
    if transfer["status"] == "completed":
        assert transfer["failure"] is None


def _assert_is_step(step: dict[str, Any], *, kind: str) -> None:
    assert list(step) == _STEP_FIELDS
    assert step["kind"] == kind
    assert step["status"] in _STEP_STATUSES
    assert (step["attempts"] == 0) == (step["status"] == "pending" or step["started_at"] is None), step
    if step["status"] == "pending":
        assert kind == "forward"
        assert step["started_at"] is step["finished_at"] is step["error"] is step["worker"] is None
    if step["status"] in ("done", "failed"):
        assert step["started_at"] <= step["finished_at"]
    if step["error"] is not None:
        assert step["error"].keys() == {"code", "detail"}


def assert_is_moment(text: str) -> None:
    """UTC, and said so."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", text), text
    datetime.fromisoformat(text)


def _answers_a_transfer(response: httpx.Response) -> bool:
    transfers = re.fullmatch(r"/transfers(/[^/]+(/cancel|/retry)?)?", response.request.url.path)
    is_list = response.request.method == "GET" and response.request.url.path == "/transfers"
    return bool(transfers) and not is_list and response.status_code in (200, 202)
