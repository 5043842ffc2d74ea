"""How a client asks through faults: again and again until there is an answer, and what it doesn't expect is said."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from random import Random
from typing import Final

import httpx
from chaos.answers import NO_DEFECT, is_defect
from chaos.findings import Findings
from chaos.operations import Operation

AS_PROMISED: Final = "every answer is one that the API promises"
ANSWER_SECONDS: Final = 20
FIRST_RETRY_SECONDS: Final = 1.0
"""As `Retry-After` asks for: a system that is busy getting well isn't kept from it."""
_LONGEST_RETRY_SECONDS: Final = 4.0

Answered = tuple[httpx.Response, float]
"""With the time at which it was asked for, in seconds since the run began."""


class PatientClient:
    def __init__(self, findings: Findings) -> None:
        self._journal = findings.journal
        self._promises = findings.promises
        self._violations = findings.violations

    async def answer(
        self, operation: Operation, request: str, send: Callable[[], Awaitable[httpx.Response]]
    ) -> Answered:
        """Repeated until there is one that says what happened."""
        jitter = Random(f"{operation.client}/{operation.number}")  # noqa: S311 - spreads what comes at once
        for attempt in count():
            asked_at = self._journal.now
            try:
                answer = await send()
            except httpx.HTTPError as error:
                self._journal.answered(operation, request, asked_at, type(error).__name__)
            else:
                self._journal.answered(operation, request, asked_at, answer.status_code)
                if is_defect(answer):
                    self._violations.add(NO_DEFECT, f"{request}: {answer.status_code} {answer.text[:500]}")
                if answer.status_code < 500:
                    return answer, asked_at
            longest = min(FIRST_RETRY_SECONDS * 2**attempt, _LONGEST_RETRY_SECONDS)
            await asyncio.sleep(longest * (1 + jitter.random()))
        raise AssertionError("it is repeated without an end")

    def expect(self, operation: Operation, answer: httpx.Response, expected: set[int], asked_at: float) -> None:
        if answer.status_code not in expected:
            self.surprised(operation, answer, asked_at)

    def surprised(self, operation: Operation, answer: httpx.Response, asked_at: float) -> None:
        known = self._promises.knows(operation.key)
        transfer_id = self._promises.of_key(operation.key).transfer_id if known else None
        detail = f"{operation.kind} {operation.key}: {answer.status_code} {answer.text[:500]}"
        self._violations.add(AS_PROMISED, detail, transfer_id, asked_at=asked_at)
