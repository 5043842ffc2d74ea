"""What the demo looks at by itself: the changes of a transfer as they come (long poll), and accounts and books."""

import math
import time
from collections.abc import Iterator, Mapping

import httpx
from curl import refuse_problem
from demo_errors import DemoError, Json

_LOOK_SECONDS = 5
"""How long one long poll waits."""
_PATIENCE_SECONDS = 30.0
_PAUSE_SECONDS = 0.5
_ANSWER_SECONDS = 40.0
"""Above what a reconciliation may take."""


class GatewayReads:
    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=_ANSWER_SECONDS, trust_env=False)

    def get(self, path: str, **query: str | int) -> Json:
        answer = self._answer(path, query, {})
        json: Json = answer.json()
        refuse_problem(json)
        return json

    def find(self, path: str) -> Json | None:
        """None where there is no such thing."""
        answer = self._answer(path, {}, {})
        return answer.json() if answer.is_success else None

    def changes(self, transfer_id: str, *, within_seconds: float) -> Iterator[Json]:
        """The transfer as it is, then after each change; ends when the time is up."""
        deadline = time.monotonic() + within_seconds
        known: dict[str, str] = {}
        while (left := deadline - time.monotonic()) > 0:
            wait = {"wait": min(_LOOK_SECONDS, math.ceil(left))} if known else {}
            answer = self._answer(f"/transfers/{transfer_id}", wait, known)
            if answer.status_code == 304:
                continue
            transfer: Json = answer.json()
            refuse_problem(transfer)
            known = {"If-None-Match": answer.headers["ETag"]}
            yield transfer

    def _answer(self, path: str, query: Mapping[str, str | int], headers: dict[str, str]) -> httpx.Response:
        """Repeated while it is 503, as its Retry-After asks."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                answer = self._http.get(path, params=query, headers=headers)
            except httpx.HTTPError as error:
                raise DemoError(f"the gateway at {self._http.base_url} doesn't answer: {error}") from error
            if answer.status_code != 503 or time.monotonic() > deadline:
                return answer
            time.sleep(_PAUSE_SECONDS)
