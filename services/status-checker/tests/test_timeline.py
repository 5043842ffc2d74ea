import pytest
from checker_history import History, application_error, pending, timeout
from checker_rows import applied, at, completed_rows, failure, rejected, request
from status_checker.timeline import read_result, read_timeline
from temporalio.api.enums.v1 import TimeoutType
from temporalio.api.failure.v1 import Failure as TemporalFailure
from transfer_contract.steps import Compensation, FailureCode, FinalStatus, Step, StepError
from transfer_contract.transfers import AbortRequest, TransferResult


def test_an_empty_history_has_no_steps() -> None:
    timeline = read_timeline([], [])
    assert (timeline.rows, timeline.open, dict(timeline.ended), timeline.failure) == ((), (), {}, None)


def test_a_first_attempt_is_running_and_a_later_one_retrying_with_the_last_error() -> None:
    history = History().scheduled("withdraw", at(0)).scheduled("record", at(1))
    why = application_error("demo_fault", "the ledger stumbles")
    first, second = read_timeline(history.events, [pending("withdraw"), pending("record", attempt=3, why=why)]).open
    assert (first.view.status, first.view.attempts, first.view.started_at, first.view.error) == (
        "running",
        1,
        at(0),
        None,
    )
    assert (second.view.status, second.view.attempts, second.queue) == ("retrying", 3, "ledger")
    assert second.view.error == StepError(code="demo_fault", detail="the ledger stumbles")
    assert (first.view.finished_at, first.queue) == (None, "accounts")


def test_an_open_step_shows_the_worker_of_its_last_attempt_and_when_the_next_one_is() -> None:
    history = History().scheduled("withdraw", at(0)).scheduled("deposit", at(1)).scheduled("record", at(2))
    waiting = pending("deposit", attempt=2, worker="account-worker@host:2", next_attempt_at=at(9))
    steps = read_timeline(history.events, [pending("withdraw", worker="account-worker@host:1"), waiting]).open
    assert [(step.view.worker, step.view.next_attempt_at) for step in steps] == [
        ("account-worker@host:1", None),
        ("account-worker@host:2", at(9)),
        (None, None),
    ]


def test_a_step_that_is_over_shows_the_worker_that_had_started_it_last() -> None:
    history = History().scheduled("withdraw", at(0)).scheduled("deposit", at(0)).scheduled("release", at(0))
    history.completed("withdraw", at(1), applied(Step.WITHDRAW, 0), worker="account-worker@host:1")
    why = timeout(TimeoutType.TIMEOUT_TYPE_HEARTBEAT)
    history.timed_out("deposit", at(2), why, attempt=3, worker="account-worker@host:2")
    history.cancel_requested("release", at(3))
    ended = read_timeline(history.events, []).ended
    assert [(view.worker, view.next_attempt_at) for view in ended.values()] == [
        ("account-worker@host:1", None),
        ("account-worker@host:2", None),
        (None, None),
    ]


def test_a_step_scheduled_after_the_pending_ones_were_read_is_running() -> None:
    (step,) = read_timeline(History().scheduled("withdraw", at(0)).events, []).open
    assert (step.view.status, step.view.attempts) == ("running", 1)


def test_a_step_that_has_ended_in_history_is_over_whatever_was_pending() -> None:
    row = applied(Step.WITHDRAW, 0)
    history = History().scheduled("withdraw", at(0)).completed("withdraw", at(1), row, attempt=2)
    timeline = read_timeline(history.events, [pending("withdraw", attempt=2)])
    assert timeline.open == ()
    assert timeline.rows == (row,)
    ended = timeline.ended[Step.WITHDRAW]
    assert (ended.status, ended.attempts, ended.started_at, ended.finished_at) == ("done", 2, at(0), at(1))


def test_a_refusal_hands_over_its_row() -> None:
    row = rejected(Step.WITHDRAW, 0, FailureCode.INSUFFICIENT_FUNDS)
    why = application_error(FailureCode.INSUFFICIENT_FUNDS, "too little", row)
    timeline = read_timeline(History().scheduled("withdraw", at(0)).failed("withdraw", at(1), why).events, [])
    assert timeline.rows == (row,)


@pytest.mark.parametrize(
    ("why", "code"),
    [
        (application_error("demo_fault"), "demo_fault"),
        (application_error("idempotency_key_reused"), "idempotency_key_reused"),
        (TemporalFailure(message="no"), "error"),
        (timeout(TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE), "start_to_close_timeout"),
        (timeout(TimeoutType.TIMEOUT_TYPE_HEARTBEAT), "heartbeat_timeout"),
    ],
)
def test_a_step_that_failed_without_a_row_shows_its_last_error(why: TemporalFailure, code: str) -> None:
    history = History().scheduled("deposit", at(0)).failed("deposit", at(1), why, attempt=3)
    timeline = read_timeline(history.events, [])
    ended = timeline.ended[Step.DEPOSIT]
    assert timeline.rows == ()
    assert (ended.status, ended.attempts, ended.error and ended.error.code) == ("failed", 3, code)


def test_a_step_that_timed_out_for_good_shows_which_timeout_it_was() -> None:
    why = timeout(TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE)
    history = History().scheduled("deposit", at(0)).timed_out("deposit", at(1), why, attempt=3)
    ended = read_timeline(history.events, []).ended[Step.DEPOSIT]
    assert ended.error == StepError(code="start_to_close_timeout", detail="too late")


def test_an_error_of_any_length_is_cut() -> None:
    history = History().scheduled("deposit", at(0)).failed("deposit", at(1), application_error("x", "y" * 10_000))
    error = read_timeline(history.events, []).ended[Step.DEPOSIT].error
    assert error is not None
    assert len(error.detail) == 500


@pytest.mark.parametrize("reported", [False, True])
def test_a_step_asked_to_cancel_is_failed_and_nothing_that_the_run_waits_for(reported: bool) -> None:
    history = History().scheduled("deposit", at(0)).cancel_requested("deposit", at(1))
    if reported:
        history.canceled("deposit", at(2))
    timeline = read_timeline(history.events, [pending("deposit")])
    assert timeline.open == ()
    assert timeline.ended[Step.DEPOSIT].error == StepError(code="cancelled", detail="cancelled before it had answered")


def test_a_step_that_answers_after_it_was_asked_to_cancel_hands_over_its_row() -> None:
    row = applied(Step.DEPOSIT, 0)
    history = History().scheduled("deposit", at(0)).cancel_requested("deposit", at(1)).completed("deposit", at(2), row)
    assert read_timeline(history.events, []).rows == (row,)


def test_the_original_failure_comes_with_the_first_compensation() -> None:
    why = failure(FailureCode.CANCELLED, Step.DEPOSIT)
    abort = AbortRequest(transfer=request(), failure=why)
    history = History().scheduled("deposit", at(0)).scheduled("record_compensation", at(1), abort)
    assert read_timeline(history.events, []).failure == why


@pytest.mark.parametrize(
    ("name", "attempt", "is_parked"),
    [
        ("withdraw_compensation", 5, False),
        ("withdraw_compensation", 6, True),
        ("release", 6, True),
        ("record", 6, False),
    ],
)
def test_only_a_step_retried_without_limit_is_parked_above_its_fifth_attempt(
    name: str, attempt: int, is_parked: bool
) -> None:
    history = History().scheduled(name, at(0))
    (step,) = read_timeline(history.events, [pending(name, attempt=attempt)]).open
    assert step.is_parked is is_parked


def test_activities_of_another_kind_are_none_of_its_business() -> None:
    history = History().scheduled("send_postcard", at(0)).failed("send_postcard", at(1), application_error("x"))
    assert read_timeline(history.events, [pending("send_postcard")]) == read_timeline([], [])


def test_a_run_that_closed_as_completed_has_a_result_and_no_other_has() -> None:
    result = TransferResult(transfer_id="t", status=FinalStatus.COMPLETED, rows=tuple(completed_rows()))
    history = History().scheduled("withdraw", at(0))
    assert read_result(history.events) is None
    assert read_result([]) is None
    assert read_result(history.workflow_completed(at(9), result).events) == result


def test_a_compensation_that_found_the_door_passed_is_done_by_history() -> None:
    abort = AbortRequest(transfer=request(), failure=failure(FailureCode.STEP_TIMED_OUT, Step.RECORD))
    history = History().scheduled("record_compensation", at(5), abort)
    history.completed("record_compensation", at(6), applied(Step.RECORD, 2))
    ended = read_timeline(history.events, []).ended[Compensation.RECORD]
    assert (ended.status, ended.started_at, ended.error) == ("done", at(5), None)
