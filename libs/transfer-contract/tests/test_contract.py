"""What every process relies on: ids from keys, fingerprints, the final status from rows, cursors."""

import itertools
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import TypeAdapter, ValidationError
from transfer_contract.http import TransferCursor
from transfer_contract.identity import opening_transfer_id, transfer_id_from_key, treasury_of
from transfer_contract.names import workflow_id
from transfer_contract.steps import (
    Compensation,
    Decision,
    Failure,
    FailureCode,
    FinalStatus,
    Occurrence,
    Step,
    StepError,
    StepRow,
    final_status,
    original_failure,
)
from transfer_contract.transfers import Scenario, StepName, TransferOrder, TransferRequest, TransferStatus

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def row(step: Step, decision: Decision, failure: Failure | None = None) -> StepRow:
    error = StepError(code="insufficient_funds", detail="too little") if decision is Decision.REJECTED else None
    forward = Occurrence(attempt=1, scheduled_at=NOW, decided_at=NOW, error=error)
    return StepRow(transfer_id="t", step=step, decision=decision, forward=forward, failure=failure)


def order(**changes: object) -> TransferOrder:
    fields = {
        "transfer_id": "t",
        "source_account": "alice",
        "destination_account": "bob",
        "amount_minor": 2500,
        "currency": "EUR",
    }
    return TransferOrder.model_validate({**fields, **changes})


def test_a_transfer_id_is_a_pure_function_of_key_and_owner() -> None:
    assert transfer_id_from_key("key-1") == transfer_id_from_key("key-1") == "a5688d61-9d60-5d86-a0a3-be7a583ab9c4"
    assert transfer_id_from_key("key-2") != transfer_id_from_key("key-1")
    assert transfer_id_from_key("key-1", owner="somebody") != transfer_id_from_key("key-1")


def test_an_opening_transfer_has_an_id_that_no_key_can_reach() -> None:
    assert opening_transfer_id("alice") not in {transfer_id_from_key("alice"), transfer_id_from_key("opening:alice")}


def test_a_workflow_id_says_which_transfer_it_is() -> None:
    assert workflow_id("t-1") == "transfer-t-1"
    assert treasury_of("EUR") == "treasury-eur"


@pytest.mark.parametrize(
    "change",
    [
        {"source_account": "carol"},
        {"destination_account": "carol"},
        {"amount_minor": 2501},
        {"currency": "USD"},
        {"reference": "rent"},
        {"scenario": Scenario.SLOW},
    ],
)
def test_any_change_of_what_was_asked_for_changes_the_fingerprint(change: dict[str, object]) -> None:
    assert order(**change).fingerprint != order().fingerprint


def test_the_time_of_acceptance_is_not_part_of_the_fingerprint() -> None:
    request = TransferRequest(**order().model_dump(), created_at=NOW)
    assert request.fingerprint == order().fingerprint


def test_an_amount_is_an_integer_above_zero() -> None:
    for wrong in (0, -1, 1.5, "x"):
        with pytest.raises(ValidationError):
            order(amount_minor=wrong)


def expected_final_status(
    withdraw: Decision | None, deposit: Decision | None, release: Decision | None
) -> FinalStatus | None:
    if release is Decision.APPLIED:
        return FinalStatus.COMPLETED
    if withdraw is Decision.REJECTED:
        return FinalStatus.REJECTED
    if withdraw in (Decision.CANCELLED, Decision.COMPENSATED) and deposit is not Decision.APPLIED:
        return FinalStatus.COMPENSATED
    return None


def test_the_final_status_is_rule_10_for_every_combination_of_rows() -> None:
    decisions: list[Decision | None] = [None, *Decision]
    for withdraw, deposit, record, release in itertools.product(decisions, decisions, decisions, [None, "applied"]):
        chosen = {
            Step.WITHDRAW: withdraw,
            Step.DEPOSIT: deposit,
            Step.RECORD: record,
            Step.RELEASE: Decision(release) if release else None,
        }
        rows = [row(step, decision) for step, decision in chosen.items() if decision]
        assert final_status(rows) is expected_final_status(withdraw, deposit, chosen[Step.RELEASE])


def test_the_reported_failure_comes_from_the_rows() -> None:
    cancelled = Failure(code=FailureCode.CANCELLED, detail="on request", step=Step.DEPOSIT)
    assert original_failure([row(Step.WITHDRAW, Decision.COMPENSATED, cancelled)]) == cancelled
    assert original_failure([row(Step.WITHDRAW, Decision.APPLIED), row(Step.RELEASE, Decision.APPLIED)]) is None
    assert original_failure([row(Step.WITHDRAW, Decision.APPLIED)]) is None
    refused = original_failure([row(Step.WITHDRAW, Decision.REJECTED)])
    assert refused is not None
    assert (refused.code, refused.step) == (FailureCode.INSUFFICIENT_FUNDS, Step.WITHDRAW)


def test_exactly_three_statuses_are_final() -> None:
    assert {status for status in TransferStatus if status.is_final} == {"completed", "rejected", "compensated"}


def test_a_cursor_survives_the_round_trip_to_the_microsecond() -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=5)))
    for time in (NOW, elsewhere, NOW.replace(microsecond=0)):
        cursor = TransferCursor.decode(TransferCursor(created_at=time, transfer_id="t-1").encode())
        assert (cursor.created_at, cursor.transfer_id) == (time, "t-1")


@pytest.mark.parametrize("text", ["", "x", "!!!!", "MjAyNi0wMS0wMg", "a" * 300, "é"])
def test_anything_else_is_not_a_cursor(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - UnicodeError, binascii.Error and ValidationError are ValueErrors
        TransferCursor.decode(text)


def test_a_cursor_may_stand_before_every_transfer_of_a_moment() -> None:
    cursor = TransferCursor(created_at=NOW, transfer_id="")
    assert TransferCursor.decode(cursor.encode()) == cursor


@pytest.mark.parametrize(
    "content",
    [
        "2026-01-01T00:00:00+00:00~a\0b", "2026-01-01T00:00:00+00:00~A", "2026-01-01T00:00:00+00:00~a\n",
        f"2026-01-01T00:00:00+00:00~{'a' * 65}", "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00~a",
        "2026-01-01T05:00:00+05:00~a", "2026-13-01T00:00:00+00:00~a", "2026-01-01~a", "2026-01-01+00:00~a",
        "0001-01-01T00:00:00+23:59~x", "9999-12-31T00:00:00-23:59~x", "9999-12-31T23:59:59.999999+00:00~x",
        "0001-01-01T00:00:00+00:00~x", "1999-12-31T23:59:59+00:00~x",
    ],
    ids=ascii,
)  # fmt: skip
def test_a_cursor_whose_content_was_made_up_is_not_one(content: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        TransferCursor.decode(urlsafe_b64encode(content.encode()).decode().rstrip("="))


@pytest.mark.parametrize("name", [*Step, *Compensation])
def test_a_steps_name_is_read_as_what_it_was_written_as(name: Step | Compensation) -> None:
    names: TypeAdapter[Step | Compensation] = TypeAdapter(StepName)
    assert names.validate_python(name) is name
    assert names.validate_json(names.dump_json(name)) is name
