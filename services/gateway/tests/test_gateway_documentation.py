"""`/openapi.json` says all that the API does, and `/docs` shows it without internet and without inline script."""

import re
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

METHODS = {"get", "post"}


@pytest.fixture
def document(app: FastAPI) -> dict[str, Any]:
    return app.openapi()


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def references(part: object) -> set[str]:
    if isinstance(part, dict):
        own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
        return own.union(*(references(value) for value in part.values()))
    if isinstance(part, list):
        return set().union(*(references(value) for value in part))
    return set()


def test_every_public_call_is_documented(document: dict[str, Any]) -> None:
    assert set(operations(document)) == {
        "POST /transfers",
        "GET /transfers",
        "GET /transfers/{id}",
        "GET /transfers/{id}/events",
        "POST /transfers/{id}/cancel",
        "POST /transfers/{id}/retry",
        "POST /transfer-batches",
        "POST /transfer-batches/check",
        "GET /transfer-batches/{id}",
        "GET /transfer-batches/{id}/transfers",
        "GET /transfer-batches/{id}/outcomes",
        "GET /transfer-batches/{id}/events",
        "POST /accounts",
        "GET /accounts",
        "GET /accounts/{id}",
        "GET /accounts/{id}/entries",
        "POST /accounts/{id}/close",
        "GET /attention",
        "GET /reconciliation",
        "GET /events",
        "GET /workers",
        "POST /workers/{process}/crash",
    }


@pytest.mark.parametrize(
    ("call", "statuses"),
    [
        ("POST /transfers", "200 202 400 413 415 422 503"),
        ("GET /transfers", "200 413 422 503"),
        ("GET /transfers/{id}", "200 304 404 413 422 503"),
        ("GET /transfers/{id}/events", "200 204 404 413 422 503"),
        ("POST /transfers/{id}/cancel", "202 404 409 413 422 503"),
        ("POST /transfers/{id}/retry", "202 404 409 413 422 503"),
        ("POST /accounts", "200 201 400 409 413 415 422 503"),
        ("GET /accounts", "200 413 422 503"),
        ("GET /accounts/{id}", "200 404 413 422 503"),
        ("GET /accounts/{id}/entries", "200 404 413 422 503"),
        ("POST /accounts/{id}/close", "200 404 409 413 422 503"),
        ("GET /attention", "200 413 422 503"),
        ("GET /reconciliation", "200 413 422 503"),
        ("GET /events", "200 413 422 503"),
        ("GET /workers", "200 413 422 503"),
        ("POST /workers/{process}/crash", "202 404 413 422 503"),
    ],
)
def test_every_answer_is_documented(document: dict[str, Any], call: str, statuses: str) -> None:
    assert " ".join(sorted(operations(document)[call]["responses"])) == statuses


@pytest.mark.parametrize("call", ["GET /events", "GET /transfers/{id}/events"])
def test_streams_are_documented_as_such(document: dict[str, Any], call: str) -> None:
    content = operations(document)[call]["responses"]["200"]["content"]
    assert list(content) == ["text/event-stream"]
    assert "event: " in content["text/event-stream"]["example"]


def test_every_error_is_documented_as_a_problem(document: dict[str, Any]) -> None:
    for call, operation in operations(document).items():
        for status, response in operation["responses"].items():
            if status >= "400":
                assert list(response["content"]) == ["application/problem+json"], call
                schema = response["content"]["application/problem+json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/ProblemDetails"}


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert references(document) == known  # none is dangling, none is left over
    assert "#/components/schemas/HTTPValidationError" not in known


def test_every_call_is_described_and_has_an_id_of_its_own(document: dict[str, Any]) -> None:
    found = operations(document).values()
    assert all(operation["description"] and operation["tags"] for operation in found)
    assert len({operation["operationId"] for operation in found}) == len(found)


def test_every_parameter_is_described(document: dict[str, Any]) -> None:
    for operation in operations(document).values():
        for parameter in operation.get("parameters", []):
            assert parameter["description"], parameter


def test_headers_are_documented(document: dict[str, Any]) -> None:
    found = operations(document)
    start, get = found["POST /transfers"], found["GET /transfers/{id}"]
    assert {parameter["name"] for parameter in start["parameters"]} == {"Idempotency-Key", "Prefer"}
    assert {"Location", "Retry-After", "Idempotent-Replayed", "Preference-Applied"} == set(
        start["responses"]["202"]["headers"]
    )
    assert {"ETag", "Retry-After"} == set(get["responses"]["200"]["headers"])
    assert all("Retry-After" in operation["responses"]["503"]["headers"] for operation in found.values())


async def test_the_documented_examples_are_accepted(client: httpx.AsyncClient, document: dict[str, Any]) -> None:
    for path, model in (("/transfers", "NewTransfer"), ("/accounts", "NewAccount")):
        example = document["components"]["schemas"][model]["example"]
        assert (await client.post(path, json=example)).is_success


class Page(HTMLParser):
    """What the page loads, and what of it stands inline."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.inline: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        for name, value in attrs:
            if name in ("src", "href", "action"):
                self.addresses.append(value or "")
            if name == "style" or name.startswith("on"):
                self.inline.append(f"{tag} {name}")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in ("script", "style") and data.strip():
            self.inline.append(data)


async def test_the_docs_page_loads_only_from_its_own_host_and_has_nothing_inline(client: httpx.AsyncClient) -> None:
    answer = await client.get("/docs")
    page = Page()
    page.feed(answer.text)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.inline == []
    assert page.addresses
    assert all(re.fullmatch(r"/docs/[a-z.-]+", address) for address in page.addresses)


async def test_all_that_the_docs_page_loads_is_served(client: httpx.AsyncClient) -> None:
    page = Page()
    page.feed((await client.get("/docs")).text)
    types = {"js": "javascript", "css": "text/css", "png": "image/png"}
    for address in page.addresses:
        answer = await client.get(address)
        assert answer.status_code == 200
        assert types[address.rsplit(".", 1)[1]] in answer.headers["Content-Type"]
        assert "max-age" in answer.headers["Cache-Control"]


async def test_the_docs_policy_allows_no_inline_script_and_no_other_host(client: httpx.AsyncClient) -> None:
    policy = (await client.get("/docs")).headers["Content-Security-Policy"]
    directives = {name: sources for name, _, sources in (part.strip().partition(" ") for part in policy.split(";"))}
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == directives["style-src"] == directives["connect-src"] == "'self'"
    assert "unsafe" not in policy
    assert "http" not in policy


async def test_the_stylesheet_loads_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    css = (await client.get("/docs/swagger-ui.css")).text
    assert all(url.startswith("data:") for url in re.findall(r"url\([\"']?([^)\"']*)", css))
    assert "@import" not in css
