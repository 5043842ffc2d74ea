"""Bad parameters, preferences and accounts to the running system: a 4xx problem that names what is wrong."""

import asyncio
import json
from base64 import urlsafe_b64encode
from typing import Final
from uuid import uuid4

import pytest
from system.answer_forms import refused
from system.public_api import Json, PublicApi

pytestmark = pytest.mark.system

CRAFTED_CURSORS: Final = tuple(
    urlsafe_b64encode(content.encode()).decode().rstrip("=")
    for content in (
        "2026-01-01T00:00:00+00:00~a\0b",
        "0001-01-01T00:00:00+23:59~x",
        "9999-12-31T00:00:00-23:59~x",
        "9999-12-31T23:59:59.999999+00:00~x",
    )
)

BAD_QUERIES: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "/transfers": {
        "limit": ("0", "-1", "101", "1.5", "1e1", "٣", "+5", " 5", "", "9" * 400, "\x00"),
        "status": ("", "done", "COMPLETED", "completed,rejected", "\x00"),
        "account": ("", "Alice", "a" * 65, "a\x00", "ä"),
        "cursor": ("", "x", "a" * 256, "MjAyNi0wMS0wMVQwMDowMDowMH5h", "\x00", "ä", "' OR 1=1", *CRAFTED_CURSORS),
        "unknown": ("1",),
    },
    "/transfers/018f3c6e-6f0c-7c3a-9d5e-2b1d7f4c8a90": {
        "wait": ("-1", "31", "1.5", "", "abc", "٣", "9" * 400),
        "limit": ("5",),
    },
    "/accounts": {"limit": ("0", "101", "x"), "cursor": ("ä", "\x00", "a" * 256)},
    "/accounts/alice/entries": {"limit": ("0", "101"), "cursor": ("x y", "\x00")},
}


@pytest.mark.parametrize("path", BAD_QUERIES)
async def test_a_bad_parameter_is_named(api: PublicApi, path: str) -> None:
    for name, values in BAD_QUERIES[path].items():
        answers = await asyncio.gather(*(api.http.get(path, params={name: value}) for value in values))
        for value, answer in zip(values, answers, strict=True):
            assert refused(answer) == ("invalid_request", [name]), (name, value)


async def test_a_parameter_given_twice_is_refused(api: PublicApi) -> None:
    answer = await api.http.get("/transfers", params=[("limit", 1), ("limit", 2)])
    assert refused(answer) == ("invalid_request", ["limit"])


@pytest.mark.parametrize(
    "fields",
    [
        {"id": "Alice"}, {"id": ""}, {"id": "a" * 65}, {"id": "\ud800"}, {"owner": ""}, {"owner": " "},
        {"owner": "a\x00b"}, {"owner": "x" * 101}, {"owner": 5}, {"currency": "eur"}, {"currency": "XAU"},
        {"opening_balance": "-1"}, {"opening_balance": "1.001"}, {"opening_balance": 5}, {"balance": "5.00"},
    ],
    ids=ascii,
)  # fmt: skip
async def test_a_bad_account_is_refused_by_field(api: PublicApi, fields: Json) -> None:
    body = {"id": f"bad-{uuid4().hex[:12]}", "owner": "Somebody", "currency": "EUR"} | fields
    response = await api.http.post(
        "/accounts", content=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
    )
    assert refused(response) == ("invalid_request", [*fields])


async def test_a_preference_that_makes_no_sense_is_ignored(api: PublicApi) -> None:
    """As RFC 7240 demands."""
    for preference in ("wait", "wait=", "wait=-1", "wait=1.5", "wait=abc", "wait=²", "respond-async", ";;,,="):
        headers = {b"Prefer": preference.encode(), b"Content-Type": b"application/json"}
        response = await api.http.post("/transfers", content=b"{}", headers=headers)
        assert refused(response)[0] == "invalid_request"
