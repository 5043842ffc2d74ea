"""Whatever a client sends as a body, the answer is a 4xx problem; the client of conftest.py judges its form."""

import asyncio
import json
import random
from collections.abc import AsyncIterator

import gateway.strict_json
import httpx
import pytest
from fastapi import FastAPI
from sample_bodies import JSON, new_account, new_transfer

VALID = json.dumps(new_transfer()).encode()

NOT_JSON = {
    "nothing": b"",
    "blanks": b"  \n ",
    "a word": b"hello",
    "single quotes": b"{'a': 1}",
    "a trailing comma": VALID[:-1] + b",}",
    "half of it": VALID[:40],
    "two documents": VALID + VALID,
    "a comment": b"/* */" + VALID,
    "a byte order mark": b"\xef\xbb\xbf" + VALID,
    "UTF-16": VALID.decode().encode("utf-16"),
    "UTF-32": VALID.decode().encode("utf-32-be"),
    "latin-1": VALID.replace(b"alice", "älice".encode("latin-1")),
    "overlong UTF-8": VALID.replace(b"alice", b"\xc0\xaf"),
    "encoded surrogates": VALID.replace(b"alice", b"\xed\xa0\x80"),
    "a NUL byte": b"\x00",
    "a raw NUL in a string": VALID.replace(b"alice", b"al\x00ice"),
    "a raw newline in a string": VALID.replace(b"alice", b"al\nice"),
    "gzip's magic bytes": b"\x1f\x8b\x08\x00",
    "NaN": b'{"amount": NaN}',
    "Infinity": b'{"amount": Infinity}',
    "minus Infinity": b'{"amount": -Infinity}',
    "a duplicate key": VALID[:-1] + b', "amount": "1.00"}',
    "an escaped duplicate key": VALID[:-1] + rb', "\u0061mount": "1.00"}',
    "a nested duplicate key": VALID[:-1] + b', "x": {"a": 1, "a": 2}}',
    "a huge integer": b'{"amount": ' + b"9" * 5000 + b"}",
    "deep arrays": b"[" * 60_000,
    "closed deep arrays": b"[" * 30_000 + b"]" * 30_000,
    "deep objects": b'{"a":' * 10_000,
    "a surrogate in a key": rb'{"\ud800": 1}',
    "a bad escape": rb'{"amount": "\x41"}',
}
NOT_THE_MODEL = {
    "null": b"null",
    "a number": b"12",
    "a float too large": b"1e400",
    "a string": b'"alice"',
    "true": b"true",
    "an empty array": b"[]",
    "an array": b"[" + VALID + b"]",
    "an empty object": b"{}",
    "a long integer": b'{"amount": ' + b"9" * 4000 + b"}",
    "arrays that the parser still takes": b'{"amount": ' + b"[" * 200 + b"]" * 200 + b"}",
    "a thousand unknown fields": json.dumps({f"f{number}": number for number in range(1000)}).encode(),
    "an odd field name": rb'{"\u0000\uffff\u202e": 1}',
}


@pytest.mark.parametrize("path", ["/transfers", "/accounts"])
@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON.keys())
async def test_what_is_not_strict_json_is_refused(client: httpx.AsyncClient, path: str, body: bytes) -> None:
    answer = await client.post(path, content=body, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_json")


@pytest.mark.parametrize("path", ["/transfers", "/accounts"])
@pytest.mark.parametrize("body", NOT_THE_MODEL.values(), ids=NOT_THE_MODEL.keys())
async def test_json_of_another_shape_is_refused(client: httpx.AsyncClient, path: str, body: bytes) -> None:
    answer = await client.post(path, content=body, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["errors"]


async def test_hundreds_of_random_mutations_never_get_a_5xx(client: httpx.AsyncClient) -> None:
    chance = random.Random(3)  # noqa: S311 - reproducible, not secret
    alphabet = [*b'{}[]",:\\0123456789-.eE \n\x00\xff\xc3\xa9u', *VALID]
    for _ in range(400):
        body = bytearray(VALID)
        for _ in range(chance.randint(1, 4)):
            position = chance.randrange(len(body))
            body[position : position + chance.randint(0, 3)] = bytes(chance.choices(alphabet, k=chance.randint(0, 3)))
        answer = await client.post("/transfers", content=bytes(body), headers=JSON)
        assert answer.status_code in (202, 400, 422), bytes(body)


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "application/ld+json",
        "json",
        "application/json; charset=latin-1",
        "application/json, text/plain",
        "*/*",
        "é",
    ],
)
async def test_another_content_type_is_refused(client: httpx.AsyncClient, content_type: str) -> None:
    answer = await client.post("/transfers", content=VALID, headers=[(b"Content-Type", content_type.encode())])
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


async def test_a_missing_content_type_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/transfers", content=VALID)
    assert answer.status_code == 415


async def test_a_compressed_body_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/transfers", content=VALID, headers={**JSON, "Content-Encoding": "gzip"})
    assert answer.status_code == 415


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON", "application/json; charset=UTF-8"])
async def test_json_in_utf_8_is_accepted(client: httpx.AsyncClient, content_type: str) -> None:
    answer = await client.post("/transfers", content=VALID, headers={"Content-Type": content_type})
    assert answer.status_code == 202


async def test_a_body_of_64_kib_is_read_and_one_byte_more_is_not(client: httpx.AsyncClient) -> None:
    allowed = VALID + b" " * (64 * 1024 - len(VALID))
    assert (await client.post("/transfers", content=allowed, headers=JSON)).status_code == 202
    answer = await client.post("/transfers", content=allowed + b" ", headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


class CountingUpload:
    """A body of a gigabyte, sent in pieces, that counts how much of it was taken."""

    def __init__(self) -> None:
        self.sent_bytes = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        piece = b" " * 4096
        for _ in range(2**18):
            self.sent_bytes += len(piece)
            yield piece


async def test_a_streamed_body_is_refused_as_soon_as_it_is_too_large(client: httpx.AsyncClient) -> None:
    upload = CountingUpload()
    answer = await client.post("/transfers", content=upload, headers=JSON)
    assert answer.status_code == 413
    assert upload.sent_bytes <= 64 * 1024 + 2 * 4096


@pytest.mark.parametrize("path", ["/transfers", "/accounts", "/transfers/some-id/cancel", "/accounts/alice/close"])
async def test_a_body_that_is_announced_as_too_large_is_not_read_at_all(client: httpx.AsyncClient, path: str) -> None:
    upload = CountingUpload()
    answer = await client.post(path, content=upload, headers={**JSON, "Content-Length": str(2**30)})
    assert answer.status_code == 413
    assert upload.sent_bytes == 0


async def test_a_body_that_does_not_arrive_in_time_is_refused(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway.strict_json, "BODY_SECONDS", 0.05)
    answer = await client.post("/transfers", content=_never_ending(), headers=JSON)
    assert answer.status_code == 400


async def _never_ending() -> AsyncIterator[bytes]:
    yield b"{"
    await asyncio.sleep(10)


async def test_a_client_that_leaves_in_the_middle_of_its_body_is_no_error_of_ours(app: FastAPI) -> None:
    statuses = []

    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def send(message: dict[str, object]) -> None:
        statuses.append(message.get("status"))

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/accounts",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    await app(scope, receive, send)  # type: ignore[arg-type] # a scope as far as it matters
    assert statuses[0] == 400


async def test_an_account_is_judged_as_strictly_as_a_transfer(client: httpx.AsyncClient) -> None:
    answer = await client.post("/accounts", json=new_account(balance="1.00"))
    assert answer.json()["errors"][0]["field"] == "balance"
