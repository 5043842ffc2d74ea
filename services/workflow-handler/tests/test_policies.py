"""The production values, pinned: a change of any of them is a decision, not an accident."""

from datetime import timedelta

from transfer_contract.names import TaskQueue
from transfer_contract.steps import Compensation, Step
from workflow_handler.policies import (
    PRODUCTION,
    RECONCILING,
    Reconciling,
    Timings,
    forward_step,
    searching,
    unlimited_step,
)


def test_the_production_timings() -> None:
    assert (
        Timings(
            start_to_close_seconds=60,
            heartbeat_seconds=5,
            first_retry_seconds=1,
            longest_retry_seconds=60,
            forward_attempts=3,
        )
        == PRODUCTION
    )


def test_a_forward_step_gets_three_attempts_doubling_from_a_second() -> None:
    options = forward_step(PRODUCTION, Step.WITHDRAW, TaskQueue.ACCOUNTS)
    retry = options["retry_policy"]
    assert retry is not None
    assert retry.maximum_attempts == 3
    assert (retry.initial_interval, retry.backoff_coefficient) == (timedelta(seconds=1), 2.0)
    assert retry.maximum_interval == timedelta(minutes=1)
    assert options["start_to_close_timeout"] == timedelta(minutes=1)
    assert options["heartbeat_timeout"] == timedelta(seconds=5)
    assert "schedule_to_close_timeout" not in options


def test_compensations_and_release_are_retried_without_limit() -> None:
    for name in (Step.RELEASE, *Compensation):
        retry = unlimited_step(PRODUCTION, name, TaskQueue.ACCOUNTS)["retry_policy"]
        assert retry is not None
        assert retry.maximum_attempts == 0
        assert retry.non_retryable_error_types is None


def test_the_bounds_of_a_run_of_the_reconciler() -> None:
    assert Reconciling(timings=PRODUCTION, grace_seconds=10, limit=200, at_once=20, wait_seconds=10) == RECONCILING


def test_a_search_that_fails_is_repeated_every_few_seconds_and_ends_the_run_before_long() -> None:
    retry = searching(PRODUCTION)["retry_policy"]
    assert retry is not None
    assert (retry.maximum_attempts, retry.maximum_interval) == (20, timedelta(seconds=5))
