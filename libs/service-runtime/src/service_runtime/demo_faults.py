"""What the demo scenarios of both participants share: a slow step and a step that fails."""

import time
from typing import Final

from temporalio import activity
from temporalio.exceptions import ApplicationError, CancelledError

SLOW_SECONDS: Final = 10.0
"""Time enough to kill a worker by hand."""


def slow_step(seconds: float = SLOW_SECONDS) -> None:
    """A forward step that takes its time, and stops where the workflow cancels it: nothing has been decided yet."""
    activity.wait_for_cancelled_sync(seconds)
    if activity.is_cancelled():
        raise CancelledError("cancelled before anything was decided")


def slow_compensation(seconds: float = SLOW_SECONDS) -> None:
    time.sleep(seconds)


def demo_fault(detail: str) -> ApplicationError:
    """A technical error, retryable like any other."""
    return ApplicationError(detail, type="demo_fault")
