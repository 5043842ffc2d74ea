"""Reads a JSON body as strictly as money deserves, and never more of it than the limit."""

import asyncio
import json
from collections.abc import Sequence
from email.message import Message
from typing import Any, Final, NoReturn

from fastapi import Request
from service_runtime.problems import Problem
from starlette.requests import ClientDisconnect
from transfer_contract.http import ProblemCode

MAX_BODY_BYTES: Final = 64 * 1024
"""A transfer needs less than one; what is larger is a mistake or an attack."""

MAX_BATCH_BYTES: Final = 8 * 1024 * 1024
"""Ten thousand transfers with long references."""

BODY_SECONDS: Final = 10
"""A client that sends its body more slowly than this would hold a connection for nothing."""


class StrictJsonRequest(Request):
    """A request whose body has been read and judged by `load` before FastAPI asks for it."""

    async def load(self) -> None:
        """Raises Problem 413, 415 or 400."""
        self.refuse_large_body()
        self._refuse_other_media_types("application/json")
        self._body = await self._read(MAX_BODY_BYTES)
        self._json = parse_json(self._body)

    async def load_batch(self) -> None:
        """Reads a body that is judged later. Raises Problem 413, 415 or 400."""
        self.refuse_large_body(MAX_BATCH_BYTES)
        self._refuse_other_media_types("application/json", "text/csv")
        self._body = await self._read(MAX_BATCH_BYTES)

    def refuse_large_body(self, limit: int = MAX_BODY_BYTES) -> None:
        """By what the client announces, before anything is read."""
        if int(self.headers.get("content-length", "0")) > limit:
            raise _too_large(limit)

    def _refuse_other_media_types(self, *allowed: str) -> None:
        header = Message()
        header["content-type"] = ", ".join(self.headers.getlist("content-type"))
        is_utf8 = header.get_content_charset("utf-8") == "utf-8"
        if header.get_content_type() not in allowed or not is_utf8 or "content-encoding" in self.headers:
            raise Problem(ProblemCode.UNSUPPORTED_MEDIA_TYPE, f"The body must be {' or '.join(allowed)} in UTF-8.")

    async def _read(self, limit: int) -> bytes:
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                async for chunk in self.stream():
                    body += chunk
                    if len(body) > limit:
                        raise _too_large(limit)
        except TimeoutError as error:
            raise _invalid_json(f"it did not arrive within {BODY_SECONDS} s") from error
        except ClientDisconnect as error:
            raise _invalid_json("it ends early") from error
        return bytes(body)


def parse_json(body: bytes) -> Any:
    """Raises Problem `invalid_json`, also where Python's parser would guess: duplicate keys, NaN, deep nesting."""
    try:
        return json.loads(body.decode(), object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise _invalid_json("it is nested too deeply") from error
    except ValueError as error:
        raise _invalid_json(str(error)) from error


def _unique_keys(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise ValueError("an object has the same key twice")
    for key in unique:
        key.encode()  # a lone surrogate in a field's name could not be answered in any encoding
    return unique


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _invalid_json(why: str) -> Problem:
    return Problem(ProblemCode.INVALID_JSON, f"The body is not valid JSON: {why}.")


def _too_large(limit: int) -> Problem:
    return Problem(ProblemCode.BODY_TOO_LARGE, f"The body is larger than {limit} bytes.")
