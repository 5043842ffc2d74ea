"""The `Prefer` header (RFC 7240), of which the gateway knows `wait`. What is malformed is ignored, as it demands."""

import re
from typing import Annotated, Final

from fastapi import Depends, Header, Request

MAX_WAIT_SECONDS: Final = 30
"""Longer than proxies and clients usually let an answer take would only be cut off."""

_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')


def preferred_wait(header: str) -> int | None:
    """The seconds of the first `wait`, at most 30; None where there is none that makes sense."""
    without_quoted_commas = _QUOTED.sub('""', header)
    for preference in without_quoted_commas.split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() == "wait":
            return _seconds(value.strip())
    return None


def _seconds(text: str) -> int | None:
    if re.fullmatch(r"[0-9]+", text) is None:
        return None
    return min(int(text.lstrip("0")[:3] or "0"), MAX_WAIT_SECONDS)


def _wait_of_request(
    request: Request,
    _documented: Annotated[
        str | None,
        Header(
            alias="Prefer",
            description="`wait=N`: answer as soon as the transfer is final or N seconds (at most 30) have passed.",
            examples=["wait=10"],
        ),
    ] = None,
) -> int | None:
    return preferred_wait(", ".join(request.headers.getlist("prefer")))


PreferredWait = Annotated[int | None, Depends(_wait_of_request)]
