"""What ends the demo early, each told in one line: it can't run here, or something wasn't as told."""

from typing import Any

Json = dict[str, Any]


class DemoError(Exception):
    """Says what is in the way and what to do about it."""


class NotAsToldError(Exception):
    """The system did something else than the demo says that it does."""

    def __init__(self, told: str, *, expected: object, seen: object) -> None:
        super().__init__(told)
        self.told = told
        self.expected = expected
        self.seen = seen


def check(told: str, *, expected: object, seen: object) -> str:
    """What was told, where it is so."""
    if seen != expected:
        raise NotAsToldError(told, expected=expected, seen=seen)
    return told
