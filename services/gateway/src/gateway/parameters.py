"""Path and query parameters, and the types of the fields that bodies and parameters share."""

import re
import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import Path, Query
from pydantic import AfterValidator, BeforeValidator, Field

from gateway.money import is_currency
from gateway.preferences import MAX_WAIT_SECONDS

ID_PATTERN: Final = r"^[a-z0-9-]{1,64}$"
_REFUSED_CATEGORIES: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Control characters, halves of surrogate pairs, line and paragraph separators."""


def _without_control_characters(text: str) -> str:
    if not text.isprintable() and any(unicodedata.category(character) in _REFUSED_CATEGORIES for character in text):
        raise ValueError("must not contain control characters or line breaks")
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


def _known_currency(code: str) -> str:
    if not is_currency(code):
        raise ValueError("must be an ISO 4217 currency code that has minor units, in capitals")
    return code


def _ascii_digits(text: object) -> object:
    """Python and pydantic would also read `+5`, `1_0`, ` 5` and digits of other scripts."""
    if isinstance(text, str) and re.fullmatch(r"[0-9]{1,9}", text) is None:
        raise ValueError("must be a whole number")
    return text


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


PlainText = Annotated[str, AfterValidator(_without_control_characters)]
NotBlank = AfterValidator(_not_blank)
Timestamp = Annotated[datetime, AfterValidator(_in_utc), Field(examples=["2026-01-31T09:00:00.123456Z"])]
CurrencyCode = Annotated[
    str, AfterValidator(_known_currency), Field(description="ISO 4217, in capitals", examples=["EUR"])
]
AccountId = Annotated[
    str, Field(pattern=ID_PATTERN, description="Small letters, digits and hyphens, at most 64", examples=["alice"])
]
Amount = Annotated[str, Field(description="A decimal string with the currency's digits", examples=["25.00"])]

TransferIdInPath = Annotated[str, Path(alias="id", pattern=ID_PATTERN, description="The transfer's id")]
AccountIdInPath = Annotated[str, Path(alias="id", pattern=ID_PATTERN, description="The account's id")]
WaitSeconds = Annotated[
    int,
    Field(ge=0, le=MAX_WAIT_SECONDS),
    BeforeValidator(_ascii_digits),
    Query(
        description="Answer as soon as the transfer changes or this many seconds have passed. With `If-None-Match`, "
        "a change is one from that version."
    ),
]
PageLimit = Annotated[
    int, Field(ge=1, le=100), BeforeValidator(_ascii_digits), Query(description="At most this many items")
]
PageCursor = Annotated[
    str | None,
    Query(pattern=r"^[A-Za-z0-9._~=-]{1,255}$", description="`next_cursor` of the page before"),
]
AccountFilter = Annotated[
    str | None, Query(alias="account", pattern=ID_PATTERN, description="Only transfers from or to this account")
]
