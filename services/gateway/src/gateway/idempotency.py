"""The `Idempotency-Key` header: the same key is the same transfer, however often it is sent."""

from typing import Annotated
from uuid import uuid4

from fastapi import Depends, Header, Request
from service_runtime.problems import invalid_field

NAME = "Idempotency-Key"


def _idempotency_key(
    request: Request,
    key: Annotated[
        str | None,
        Header(
            alias=NAME,
            min_length=1,
            max_length=255,
            pattern=r"^[\x21-\x7e]+$",
            description="1 to 255 visible ASCII characters, chosen by the client. The same key with the same body "
            "answers the same transfer again; without a key every call is a new transfer.",
        ),
    ] = None,
) -> str:
    if len(request.headers.getlist(NAME)) > 1:
        raise invalid_field(NAME, "is given more than once")
    return key or str(uuid4())


IdempotencyKey = Annotated[str, Depends(_idempotency_key)]
