"""Ctrl-C at the wrong moment: it is heeded as soon as the moment is over."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def heed_interrupts() -> None:
    """All of them alike, as a KeyboardInterrupt."""
    for number in _INTERRUPTS:
        signal.signal(number, signal.default_int_handler)


@contextmanager
def deferred_interrupts() -> Iterator[None]:
    """Raises KeyboardInterrupt at its end where one has come meanwhile."""
    came: list[int] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    previous = {number: signal.signal(number, remember) for number in _INTERRUPTS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    if came:
        raise KeyboardInterrupt
