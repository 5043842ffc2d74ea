import pytest
from checker_history import History, application_error, pending
from checker_rows import applied, at, compensated, completed_rows, failure, rejected, request, tombstone
from status_checker.final_view import final_view
from status_checker.live_view import live_view, waits_for
from status_checker.timeline import Timeline, read_timeline
from transfer_contract.names import Process
from transfer_contract.steps import Compensation, FailureCode, Step, StepRow
from transfer_contract.transfers import AbortRequest, StepStatus, TransferStatus, TransferView

EVERYONE = frozenset({Process.WORKFLOW_WORKER, Process.ACCOUNT_WORKER, Process.LEDGER_WORKER})
WHY = failure(FailureCode.STEP_FAILED, Step.RECORD, attempts=3)
ABORT = AbortRequest(transfer=request(), failure=WHY)


def view_of(timeline: Timeline, rows: list[StepRow] | None = None) -> TransferView:
    return live_view(request(), rows or [], timeline)


def up_to_record() -> History:
    """Both money steps have answered, and `record` is scheduled."""
    history = History().scheduled("withdraw", at(0)).completed("withdraw", at(1), applied(Step.WITHDRAW, 0))
    history.scheduled("deposit", at(1)).completed("deposit", at(2), applied(Step.DEPOSIT, 1))
    return history.scheduled("record", at(2))


def aborting() -> History:
    history = up_to_record().failed("record", at(25), application_error("demo_fault"), attempt=3)
    return history.scheduled("record_compensation", at(26), ABORT)


def statuses(view: TransferView) -> list[str]:
    return [step.status for step in view.steps]


def test_a_transfer_of_which_nothing_is_scheduled_is_accepted() -> None:
    view = view_of(Timeline())
    assert (view.status, statuses(view), view.finished_at) == (
        TransferStatus.ACCEPTED,
        [StepStatus.PENDING] * 4,
        None,
    )


def test_a_forward_step_under_way_is_running() -> None:
    view = view_of(read_timeline(up_to_record().events, [pending("record", attempt=2)]))
    assert (view.status, view.failure) == (TransferStatus.RUNNING, None)
    assert statuses(view) == ["done", "done", "retrying", "pending"]


def test_a_step_that_has_answered_looks_as_it_will_when_the_transfer_is_final() -> None:
    transfer, rows = request(), completed_rows()
    live = live_view(transfer, [], read_timeline(up_to_record().events, []))
    assert live.steps[:2] == final_view(transfer, rows).steps[:2]


def test_the_first_compensation_makes_it_compensating_with_the_original_failure() -> None:
    view = view_of(read_timeline(aborting().events, [pending("record_compensation")]))
    assert view.status is TransferStatus.COMPENSATING
    assert view.failure is not None
    assert (view.failure.code, view.failure.step) == ("step_failed", "record")
    assert [step.name for step in view.steps[4:]] == [Compensation.RECORD]


def test_a_step_whose_attempts_are_used_up_looks_as_it_will_in_the_end() -> None:
    live = view_of(read_timeline(aborting().events, []))
    rows = [compensated(Step.WITHDRAW, 0, 28, WHY), compensated(Step.DEPOSIT, 1, 27), tombstone(Step.RECORD, 26)]
    assert live.steps[2] == final_view(request(), rows).steps[2]


def test_before_the_abort_begins_a_used_up_step_shows_what_history_says() -> None:
    history = up_to_record().failed("record", at(25), application_error("demo_fault"), attempt=3)
    record = view_of(read_timeline(history.events, [])).steps[2]
    assert (record.status, record.attempts, record.error and record.error.code) == ("failed", 3, "demo_fault")


def test_compensations_stand_in_starting_order_with_their_own_errors() -> None:
    history = aborting().completed("record_compensation", at(26), tombstone(Step.RECORD, 26))
    history.scheduled("deposit_compensation", at(27), ABORT).scheduled("withdraw_compensation", at(30), ABORT)
    parked = pending("deposit_compensation", attempt=6, why=application_error("demo_fault"))
    view = view_of(read_timeline(history.events, [parked, pending("withdraw_compensation")]))
    assert view.status is TransferStatus.NEEDS_ATTENTION
    assert [(step.name, step.status) for step in view.steps[4:]] == [
        ("record_compensation", "done"),
        ("deposit_compensation", "retrying"),
        ("withdraw_compensation", "running"),
    ]
    assert view.steps[5].error is not None
    assert view.failure is not None
    assert view.failure.code == "step_failed"


def test_a_compensation_that_an_operator_retries_no_longer_needs_attention() -> None:
    history = aborting()
    needs = view_of(read_timeline(history.events, [pending("record_compensation", attempt=6)]))
    retried = view_of(read_timeline(history.events, [pending("record_compensation", attempt=1)]))
    assert (needs.status, retried.status) == (TransferStatus.NEEDS_ATTENTION, TransferStatus.COMPENSATING)


def test_a_release_parked_past_the_point_of_no_return_needs_attention() -> None:
    history = up_to_record().completed("record", at(3), applied(Step.RECORD, 2)).scheduled("release", at(3))
    view = view_of(read_timeline(history.events, [pending("release", attempt=6)]))
    assert (view.status, view.failure) == (TransferStatus.NEEDS_ATTENTION, None)


def test_a_door_found_passed_still_counts_as_compensating_until_release_is_done() -> None:
    history = aborting().completed("record_compensation", at(26), applied(Step.RECORD, 2)).scheduled("release", at(27))
    view = view_of(read_timeline(history.events, []))
    assert view.status is TransferStatus.COMPENSATING
    assert statuses(view) == ["done", "done", "done", "running", "done"]


def test_without_a_run_the_rows_say_how_far_it_got() -> None:
    view = view_of(Timeline(), [applied(Step.WITHDRAW, 0)])
    assert (view.status, statuses(view)) == (TransferStatus.RUNNING, ["done", "pending", "pending", "pending"])


@pytest.mark.parametrize(
    "rows",
    [
        [applied(Step.WITHDRAW, 0), compensated(Step.DEPOSIT, 1, 27), tombstone(Step.RECORD, 26)],
        [applied(Step.WITHDRAW, 0), tombstone(Step.RECORD, 26)],
        [applied(Step.WITHDRAW, 0), tombstone(Step.DEPOSIT, 26)],
    ],
)
def test_without_a_run_a_compensation_in_the_rows_makes_it_compensating(rows: list[StepRow]) -> None:
    assert view_of(Timeline(), rows).status is TransferStatus.COMPENSATING


def test_a_second_run_shows_what_the_first_one_had_done() -> None:
    history = History().scheduled("withdraw", at(100))
    view = view_of(read_timeline(history.events, []), [applied(Step.WITHDRAW, 0), applied(Step.DEPOSIT, 1)])
    assert statuses(view) == ["running", "done", "pending", "pending"]


def test_a_refusal_before_its_rows_were_read_shows_as_failed() -> None:
    row = rejected(Step.WITHDRAW, 0, FailureCode.UNKNOWN_ACCOUNT)
    why = application_error(FailureCode.UNKNOWN_ACCOUNT, "who?", row)
    view = view_of(read_timeline(History().scheduled("withdraw", at(0)).failed("withdraw", at(1), why).events, []))
    assert (view.status, view.steps[0].status, view.steps[0].error) == (
        TransferStatus.RUNNING,
        "failed",
        row.forward and row.forward.error,
    )


@pytest.mark.parametrize(
    ("history", "dead", "process"),
    [
        (History(), "workflow-worker", "workflow-worker"),
        (History(), "account-worker", None),
        (up_to_record(), "ledger-worker", "ledger-worker"),
        (up_to_record(), "account-worker", None),
        (up_to_record(), "workflow-worker", None),
        (History().scheduled("withdraw", at(0)), "account-worker", "account-worker"),
        (aborting().scheduled("withdraw_compensation", at(30), ABORT), "account-worker", "account-worker"),
    ],
)
def test_it_waits_for_the_process_that_has_died(history: History, dead: str, process: str | None) -> None:
    assert waits_for(read_timeline(history.events, []), EVERYONE - {dead}) == process


def test_with_all_workers_dead_it_waits_for_the_first_one_that_it_needs() -> None:
    timeline = read_timeline(aborting().scheduled("withdraw_compensation", at(30), ABORT).events, [])
    assert waits_for(timeline, frozenset()) == Process.LEDGER_WORKER
