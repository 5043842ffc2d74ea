from datetime import timedelta, timezone

import pytest
from checker_rows import (
    WORKER,
    applied,
    at,
    compensated,
    completed_rows,
    failure,
    occurrence,
    refused_by_ledger_rows,
    rejected,
    request,
    shut_by_deposit_rows,
    shut_by_guard,
    tombstone,
)
from status_checker.final_view import are_complete, final_view
from transfer_contract.steps import Compensation, FailureCode, Step, StepError, StepRow
from transfer_contract.transfers import StepStatus, TransferStatus, TransferView

FORWARD = list(Step)


def names(view: TransferView) -> list[str]:
    return [step.name for step in view.steps]


def statuses(view: TransferView) -> list[str]:
    return [step.status for step in view.steps]


def test_a_completed_transfer_shows_four_done_steps_and_no_failure() -> None:
    transfer = request()
    view = final_view(transfer, completed_rows())
    assert (view.id, view.status, view.failure, view.waiting_for) == (
        transfer.transfer_id,
        TransferStatus.COMPLETED,
        None,
        None,
    )
    assert (view.source_account, view.destination_account, view.amount_minor) == ("alice", "bob", 2500)
    assert (view.currency, view.reference, view.created_at) == ("EUR", "rent", transfer.created_at)
    assert view.finished_at == at(3.5)
    assert names(view) == FORWARD
    assert statuses(view) == [StepStatus.DONE] * 4
    assert [(step.started_at, step.finished_at) for step in view.steps] == [(at(n), at(n + 0.5)) for n in range(4)]


def test_a_completed_transfer_whose_withdraw_had_an_abort_shows_no_failure() -> None:
    rows = completed_rows()
    rows[0] = rows[0].model_copy(update={"failure": failure(FailureCode.STEP_TIMED_OUT, Step.RECORD)})
    assert final_view(request(), rows).failure is None


def test_a_refused_withdraw_is_the_failure_and_leaves_the_rest_pending() -> None:
    view = final_view(request(), [rejected(Step.WITHDRAW, 0, FailureCode.INSUFFICIENT_FUNDS)])
    assert view.status is TransferStatus.REJECTED
    assert statuses(view) == [StepStatus.FAILED, *[StepStatus.PENDING] * 3]
    assert view.steps[0].error == StepError(code="insufficient_funds", detail="withdraw refused")
    assert view.failure is not None
    assert (view.failure.code, view.failure.step, view.failure.detail) == (
        "insufficient_funds",
        "withdraw",
        "withdraw refused",
    )
    assert view.finished_at == at(0.5)
    assert (view.steps[1].attempts, view.steps[1].started_at, view.steps[1].finished_at) == (0, None, None)


def test_a_ledger_refusal_shows_two_compensations_last_in_first_out() -> None:
    view = final_view(request(), refused_by_ledger_rows())
    assert view.status is TransferStatus.COMPENSATED
    assert names(view) == [*FORWARD, Compensation.DEPOSIT, Compensation.WITHDRAW]
    assert statuses(view) == ["done", "done", "failed", "pending", "done", "done"]
    assert [step.kind for step in view.steps[3:]] == ["forward", "compensation", "compensation"]
    assert view.failure is not None
    assert (view.failure.code, view.failure.step) == ("ledger_rejected", "record")
    assert view.finished_at == at(4.5)


def test_a_step_whose_attempts_were_used_up_shows_the_failure_that_the_withdraw_row_kept() -> None:
    why = failure(FailureCode.STEP_TIMED_OUT, Step.RECORD, attempts=3)
    rows = [compensated(Step.WITHDRAW, 0, 28, why), compensated(Step.DEPOSIT, 1, 27), tombstone(Step.RECORD, 26)]
    view = final_view(request(), rows)
    record = view.steps[2]
    assert (record.status, record.attempts, record.started_at, record.finished_at) == ("failed", 3, at(20), at(25))
    assert record.error == StepError(code="step_timed_out", detail="step_timed_out at record")
    assert names(view) == [*FORWARD, *Compensation]


def test_each_step_shows_the_worker_that_made_its_last_attempt() -> None:
    why = failure(FailureCode.STEP_FAILED, Step.RECORD).model_copy(update={"worker": "ledger-worker@host:2"})
    undone = occurrence(27).model_copy(update={"worker": "account-worker@host:3"})
    deposit = compensated(Step.DEPOSIT, 1, 27).model_copy(update={"compensation": undone})
    view = final_view(request(), [compensated(Step.WITHDRAW, 0, 28, why), deposit, tombstone(Step.RECORD, 26)])
    assert [(step.name, step.worker) for step in view.steps] == [
        ("withdraw", WORKER),
        ("deposit", WORKER),
        ("record", "ledger-worker@host:2"),
        ("release", None),
        ("record_compensation", WORKER),
        ("deposit_compensation", "account-worker@host:3"),
        ("withdraw_compensation", WORKER),
    ]
    assert all(step.next_attempt_at is None for step in view.steps)


def test_a_lost_answer_of_an_applied_step_shows_what_its_row_says() -> None:
    why = failure(FailureCode.STEP_TIMED_OUT, Step.DEPOSIT, attempts=3)
    rows = [compensated(Step.WITHDRAW, 0, 28, why), compensated(Step.DEPOSIT, 1, 27), tombstone(Step.RECORD, 26)]
    view = final_view(request(), rows)
    assert (view.steps[1].status, view.steps[1].finished_at) == ("done", at(1.5))


def test_a_cancel_before_any_step_leaves_every_forward_step_pending() -> None:
    why = failure(FailureCode.CANCELLED, None)
    rows = [tombstone(Step.WITHDRAW, 3, why), tombstone(Step.DEPOSIT, 2), tombstone(Step.RECORD, 1)]
    view = final_view(request(), rows)
    assert view.status is TransferStatus.COMPENSATED
    assert statuses(view) == [*[StepStatus.PENDING] * 4, *[StepStatus.DONE] * 3]
    assert view.failure is not None
    assert (view.failure.code, view.failure.step) == ("cancelled", None)


def test_a_deposit_shut_by_its_guard_is_failed() -> None:
    why = failure(FailureCode.INTERRUPTED, Step.DEPOSIT)
    view = final_view(request(), [compensated(Step.WITHDRAW, 0, 3, why), shut_by_guard(Step.DEPOSIT, 1)])
    assert (view.steps[1].status, view.steps[1].attempts) == ("failed", 1)
    assert names(view) == [*FORWARD, Compensation.WITHDRAW]


def test_compensations_stand_in_the_order_in_which_they_were_started() -> None:
    why = failure(FailureCode.STEP_FAILED, Step.RECORD)
    rows = [compensated(Step.WITHDRAW, 0, 28, why), compensated(Step.DEPOSIT, 1, 29), tombstone(Step.RECORD, 26)]
    view = final_view(request(), rows)
    assert names(view)[4:] == [Compensation.RECORD, Compensation.WITHDRAW, Compensation.DEPOSIT]


def test_a_deposit_compensated_after_the_withdraw_is_what_finished_the_transfer() -> None:
    why = failure(FailureCode.STEP_FAILED, Step.RECORD)
    rows = [compensated(Step.WITHDRAW, 0, 28, why), compensated(Step.DEPOSIT, 1, 40), tombstone(Step.RECORD, 26)]
    assert final_view(request(), rows).finished_at == at(40.5)


@pytest.mark.parametrize(
    ("rows", "late"),
    [
        (
            [rejected(Step.WITHDRAW, 0, FailureCode.UNKNOWN_ACCOUNT)],
            [tombstone(Step.RECORD, 2), tombstone(Step.DEPOSIT, 3)],
        ),
        (
            [rejected(Step.WITHDRAW, 3, FailureCode.UNKNOWN_ACCOUNT)],
            [tombstone(Step.RECORD, 1), tombstone(Step.DEPOSIT, 2)],
        ),
        (
            [tombstone(Step.RECORD, 1), tombstone(Step.WITHDRAW, 3, failure(FailureCode.CANCELLED, Step.DEPOSIT))],
            [tombstone(Step.DEPOSIT, 60)],
        ),
        (
            [tombstone(Step.RECORD, 1), tombstone(Step.WITHDRAW, 3, failure(FailureCode.CANCELLED, Step.DEPOSIT))],
            [shut_by_guard(Step.DEPOSIT, 60)],
        ),
        (shut_by_deposit_rows(), [tombstone(Step.RECORD, 60)]),
        (shut_by_deposit_rows(), [tombstone(Step.RECORD, 1)]),
        (shut_by_deposit_rows(FailureCode.INTERRUPTED), [tombstone(Step.RECORD, 60)]),
    ],
    ids=[
        "rejected, then cancelled",
        "cancelled by a reconciler, then rejected, as its own run has heard",
        "compensated while the deposit's compensation is parked",
        "a late deposit, compensated while its compensation is parked",
        "a later run of a transfer whose door the deposit had shut",
        "the same, and the ledger's clock is behind",
        "a later run of a transfer whose door the deposit's guard had shut",
    ],
)
def test_a_row_that_the_end_does_not_rest_on_changes_nothing(rows: list[StepRow], late: list[StepRow]) -> None:
    transfer = request()
    assert final_view(transfer, [*rows, *late]) == final_view(transfer, rows)


@pytest.mark.parametrize(
    ("deposit", "code"),
    [
        (tombstone(Step.DEPOSIT, 2), FailureCode.INTERRUPTED),
        (compensated(Step.DEPOSIT, 0.5, 2), FailureCode.INTERRUPTED),
        (rejected(Step.DEPOSIT, 0.5, FailureCode.ACCOUNT_CLOSED), FailureCode.STEP_TIMED_OUT),
    ],
    ids=["undone before its first attempt", "undone after it", "refused, and the answer was lost"],
)
def test_a_door_that_record_compensation_shut_shows_it_whatever_the_deposit_says(
    deposit: StepRow, code: FailureCode
) -> None:
    rows = [compensated(Step.WITHDRAW, 0, 4, failure(code, Step.DEPOSIT)), deposit, tombstone(Step.RECORD, 1)]
    assert Compensation.RECORD in names(final_view(request(), rows))


@pytest.mark.parametrize(
    ("rows", "needed"),
    [
        (completed_rows(), {*Step}),
        (refused_by_ledger_rows(), {Step.WITHDRAW, Step.DEPOSIT, Step.RECORD}),
        (shut_by_deposit_rows(), {Step.WITHDRAW, Step.DEPOSIT}),
        ([rejected(Step.WITHDRAW, 0, FailureCode.UNKNOWN_ACCOUNT)], {Step.WITHDRAW}),
        (
            [tombstone(Step.RECORD, 1), tombstone(Step.DEPOSIT, 2), tombstone(Step.WITHDRAW, 3)],
            {Step.WITHDRAW, Step.DEPOSIT, Step.RECORD},
        ),
    ],
    ids=["completed", "refused by the ledger", "door shut by the deposit", "rejected", "cancelled"],
)
def test_rows_are_complete_with_all_that_their_status_needs(rows: list[StepRow], needed: set[Step]) -> None:
    assert are_complete(rows)
    for step in needed:
        assert not are_complete([row for row in rows if row.step is not step])


def test_a_ledger_whose_clock_is_ahead_still_shows_its_compensation() -> None:
    why = failure(FailureCode.CANCELLED, Step.DEPOSIT)
    rows = [compensated(Step.WITHDRAW, 0, 4, why), tombstone(Step.DEPOSIT, 3), tombstone(Step.RECORD, 9)]
    assert Compensation.RECORD in names(final_view(request(), rows))


def test_the_same_rows_give_the_same_bytes_in_any_order_and_any_time_zone() -> None:
    transfer, rows = request(), refused_by_ledger_rows()
    elsewhere = timezone(timedelta(hours=5, minutes=30))
    moved = [StepRow.model_validate(_in_zone(row.model_dump(), elsewhere)) for row in reversed(rows)]
    assert final_view(transfer, moved).model_dump_json() == final_view(transfer, rows).model_dump_json()
    assert final_view(transfer, moved).version == final_view(transfer, rows).version


@pytest.mark.parametrize("rows", [[], [applied(Step.WITHDRAW, 0)]])
def test_rows_that_are_not_final_have_no_final_view(rows: list[StepRow]) -> None:
    with pytest.raises(ValueError, match="not final"):
        final_view(request(), rows)


def _in_zone(value: object, zone: timezone) -> object:
    if isinstance(value, dict):
        return {key: _in_zone(inner, zone) for key, inner in value.items()}
    return value.astimezone(zone) if hasattr(value, "astimezone") else value
