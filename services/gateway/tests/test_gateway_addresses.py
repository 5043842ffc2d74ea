"""Addresses and methods that the API doesn't know."""

import httpx
import pytest


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/transfers/",
        "/transfers/a/b",
        "/Transfers",
        "/accounts/alice/close/",
        "/transfers%0A",
        "/accounts%0A",
        "/accounts/alice/entries%0A",
        "/transfers%00",
        "/%00",
        "/%FF",
        "/%C3%28",
        "/%",
        "/%zz",
        "/docs/",
        "/docs/nothing.js",
        "/docs/..%2f..%2fetc%2fpasswd",
        "/docs/docs.html",
        "/docs/redoc.standalone.js",
        "/transfers//",
        "/" + "a" * 5000,
    ],
    ids=lambda path: path[:30],
)
async def test_an_unknown_address_is_a_problem(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/transfers", "GET, POST"),
        ("DELETE", "/transfers/some-id", "GET"),
        ("GET", "/transfers/some-id/cancel", "POST"),
        ("PATCH", "/accounts", "GET, POST"),
        ("OPTIONS", "/accounts/alice", "GET"),
        ("POST", "/accounts/alice/entries", "GET"),
        ("POST", "/reconciliation", "GET"),
        ("POST", "/healthz", "GET"),
        ("POST", "/docs", "GET"),
        ("PUT", "/docs/docs.js", "GET"),
        ("POST", "/openapi.json", "GET, HEAD"),
        ("DELETE", "/", "GET"),
        ("HEAD", "/transfers", "GET, POST"),
        ("TRACE", "/workers", "GET"),
        ("INVENTED", "/workers", "GET"),
    ],
)
async def test_a_method_that_an_address_does_not_know_is_a_problem_with_allow(
    client: httpx.AsyncClient, method: str, path: str, allowed: str
) -> None:
    answer = await client.request(method, path)
    assert answer.status_code == 405
    assert sorted(answer.headers["Allow"].split(", ")) == allowed.split(", ")
    assert method == "HEAD" or answer.json()["code"] == "method_not_allowed"


@pytest.mark.parametrize("path", ["/", "/workers", "/reconciliation", "/accounts/alice", "/docs"])
async def test_a_call_without_parameters_refuses_all(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(f"{path}?verbose=1")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "verbose")
