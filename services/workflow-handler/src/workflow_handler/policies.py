"""Every timeout, retry interval and bound of the saga and the reconciler, in one place."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType, ActivityConfig

with workflow.unsafe.imports_passed_through():
    from transfer_contract.batches import CHUNK
    from transfer_contract.names import TaskQueue
    from transfer_contract.steps import Compensation, Step


@dataclass(frozen=True)
class Timings:
    """An argument of the workflow, so its history keeps what it began with, and tests can shorten it."""

    start_to_close_seconds: float = 60
    heartbeat_seconds: float = 5
    """Without it a killed worker's step would wait out its start-to-close minute."""
    first_retry_seconds: float = 1
    longest_retry_seconds: float = 60
    forward_attempts: int = 3


PRODUCTION: Final = Timings()


@dataclass(frozen=True)
class Reconciling:
    """The bounds of one run of the reconciler; an optional argument of its workflow."""

    timings: Timings = PRODUCTION
    grace_seconds: float = 10
    """A transfer takes a fraction of it: what is younger is left to its workflow without asking."""
    limit: int = 200
    """Taken over in one run: with their events its history stays far below the limits. The next run has the rest."""
    at_once: int = 20
    """As many as a participant's worker has threads."""
    wait_seconds: float = 10
    """For one transfer. Then it goes on by itself, and another one gets its turn."""


RECONCILING: Final = Reconciling()

_SEARCH_SECONDS: Final = 300
"""It takes a fraction of one, but for the first search of all, which looks through a million runs in this time."""

_SEARCH_ATTEMPTS: Final = 20
"""A minute and a half, where each fails at once. Then the run fails, for everybody to see, and the next one begins."""

_SEARCH_RETRY_SECONDS: Final = 5
"""At most this late does a search begin after what it needs is back."""

_BACKOFF: Final = 2.0
_UNLIMITED: Final = 0


def forward_step(timings: Timings, step: Step, queue: TaskQueue) -> ActivityConfig:
    """After its attempts the outcome is unknown, and the abort's answers make it known (rule 5).

    A cancel is not waited for: a late attempt runs into its tombstone (rule 2).
    """
    return _options(timings, step, queue, attempts=timings.forward_attempts)


def unlimited_step(timings: Timings, name: Step | Compensation, queue: TaskQueue) -> ActivityConfig:
    """Compensations and `release`: retried by the server without limit, so the history doesn't grow (rule 8)."""
    return _options(timings, name, queue, attempts=_UNLIMITED)


@dataclass(frozen=True)
class Batching:
    """An argument of a batch's workflow, as `Timings` is of a transfer's."""

    timings: Timings = PRODUCTION
    chunk: int = CHUNK
    at_once: int = 2
    """Chunks on their way side by side. A third one makes nothing faster on two processors, and single transfers wait
    longer beside it (measured)."""


BATCHING: Final = Batching()


def forward_many(timings: Timings, activity_id: str, queue: TaskQueue, *, attempts: int) -> ActivityConfig:
    """`forward_step` for a list, with the attempts that are left to it."""
    return _options(timings, activity_id, queue, attempts=attempts)


def unlimited_many(timings: Timings, activity_id: str, queue: TaskQueue) -> ActivityConfig:
    """`unlimited_step` for a list."""
    return _options(timings, activity_id, queue, attempts=_UNLIMITED)


def pause_seconds(timings: Timings, attempt: int) -> float:
    """Between a failed attempt and the next one, as the server waits."""
    return min(timings.first_retry_seconds * _BACKOFF ** (attempt - 1), timings.longest_retry_seconds)


def searching(timings: Timings) -> ActivityConfig:
    """It only reads, and begins anew after each failure."""
    timings = replace(
        timings,
        start_to_close_seconds=_SEARCH_SECONDS,
        longest_retry_seconds=min(timings.longest_retry_seconds, _SEARCH_RETRY_SECONDS),
    )
    return _options(timings, None, TaskQueue.TRANSFERS, attempts=_SEARCH_ATTEMPTS)


def _options(timings: Timings, name: str | None, queue: TaskQueue, *, attempts: int) -> ActivityConfig:
    return ActivityConfig(
        task_queue=queue,
        activity_id=name,
        start_to_close_timeout=timedelta(seconds=timings.start_to_close_seconds),
        heartbeat_timeout=timedelta(seconds=timings.heartbeat_seconds),
        retry_policy=RetryPolicy(
            initial_interval=timedelta(seconds=timings.first_retry_seconds),
            backoff_coefficient=_BACKOFF,
            maximum_interval=timedelta(seconds=timings.longest_retry_seconds),
            maximum_attempts=attempts,
        ),
        cancellation_type=ActivityCancellationType.TRY_CANCEL,
    )
