"""Each cell of the two ledger lines of the table "What each request does to its row"."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from ledger_worker.entries import ledger_rejected, record, record_compensation
from ledger_worker.ledger import Ledger, LedgerAccount, LedgerEntry
from service_runtime.activity_edge import Attempt
from transfer_contract.steps import Decision, FailureCode, Occurrence, Step, StepError, StepRow
from transfer_contract.transfers import TransferRequest

NOW = datetime(2026, 1, 2, tzinfo=UTC)

NewTransfer = Callable[..., TransferRequest]


def ledger_of(*transfers: TransferRequest, accounts: tuple[LedgerAccount, ...] = ()) -> Ledger:
    known = {account.id: account for account in accounts}
    for transfer in transfers:
        for account_id in (transfer.source_account, transfer.destination_account):
            known.setdefault(account_id, LedgerAccount(account_id))
    return Ledger(now=NOW, transfers={t.transfer_id: t for t in transfers}, rows={}, accounts=known)


def row_that_says(decision: Decision, transfer: TransferRequest) -> StepRow:
    written = Occurrence(attempt=1, scheduled_at=NOW, decided_at=NOW)
    side = "compensation" if decision is Decision.CANCELLED else "forward"
    return StepRow.model_validate(
        {"transfer_id": transfer.transfer_id, "step": Step.RECORD, "decision": decision, side: written}
    )


def no_refusal(_transfer: object) -> None:
    return None


def test_record_without_a_row_enters_both_sides_and_applies(new_transfer: NewTransfer, attempt: Attempt) -> None:
    transfer = new_transfer("alice", "bob", 2500)
    ledger = ledger_of(transfer, accounts=(LedgerAccount("alice", "EUR", 100_000),))

    row = record(ledger, transfer.transfer_id, attempt, no_refusal)

    assert row == StepRow(
        transfer_id=transfer.transfer_id,
        step=Step.RECORD,
        decision=Decision.APPLIED,
        forward=Occurrence(attempt=1, scheduled_at=attempt.scheduled_at, decided_at=NOW),
    )
    assert ledger.new_rows == [row]
    assert ledger.new_entries == [
        LedgerEntry(transfer.transfer_id, "alice", -2500, 97_500, "EUR", NOW),
        LedgerEntry(transfer.transfer_id, "bob", 2500, 2500, "EUR", NOW),
    ]
    assert ledger.accounts["bob"] == LedgerAccount("bob", "EUR", 2500)


def test_record_without_a_row_that_is_refused_is_rejected(new_transfer: NewTransfer, attempt: Attempt) -> None:
    transfer = new_transfer()
    ledger = ledger_of(transfer)

    row = record(ledger, transfer.transfer_id, attempt, lambda _: ledger_rejected("not today"))

    assert row.decision is Decision.REJECTED
    assert row.forward is not None
    assert row.forward.error == StepError(code=FailureCode.LEDGER_REJECTED, detail="not today")
    assert ledger.new_rows == [row]
    assert ledger.new_entries == []


@pytest.mark.parametrize("decision", [Decision.APPLIED, Decision.REJECTED, Decision.CANCELLED])
def test_record_answers_the_row_that_is_there_and_writes_nothing(
    decision: Decision, new_transfer: NewTransfer, attempt: Attempt
) -> None:
    transfer = new_transfer()
    ledger = ledger_of(transfer)
    there = ledger.rows[transfer.transfer_id] = row_that_says(decision, transfer)

    assert record(ledger, transfer.transfer_id, attempt, no_refusal) is there
    assert (ledger.new_rows, ledger.new_entries) == ([], [])


def test_record_compensation_without_a_row_leaves_a_tombstone(new_transfer: NewTransfer, attempt: Attempt) -> None:
    transfer = new_transfer()
    ledger = ledger_of(transfer)

    row = record_compensation(ledger, transfer.transfer_id, attempt)

    assert row.decision is Decision.CANCELLED
    assert row.forward is None
    assert row.compensation == Occurrence(attempt=1, scheduled_at=attempt.scheduled_at, decided_at=NOW)
    assert ledger.new_rows == [row]
    assert ledger.new_entries == []


@pytest.mark.parametrize("decision", [Decision.APPLIED, Decision.REJECTED, Decision.CANCELLED])
def test_record_compensation_answers_the_row_that_is_there_and_never_reverses_it(
    decision: Decision, new_transfer: NewTransfer, attempt: Attempt
) -> None:
    transfer = new_transfer()
    ledger = ledger_of(transfer)
    there = ledger.rows[transfer.transfer_id] = row_that_says(decision, transfer)

    assert record_compensation(ledger, transfer.transfer_id, attempt) is there
    assert (ledger.new_rows, ledger.new_entries) == ([], [])


@pytest.mark.parametrize("account", ["alice", "bob"])
def test_an_account_keeps_the_currency_of_its_entries(
    account: str, new_transfer: NewTransfer, attempt: Attempt
) -> None:
    transfer = new_transfer("alice", "bob", currency="USD")
    ledger = ledger_of(transfer, accounts=(LedgerAccount(account, "EUR", 0),))

    row = record(ledger, transfer.transfer_id, attempt, no_refusal)

    assert row.decision is Decision.REJECTED
    assert row.forward is not None
    assert row.forward.error is not None
    assert row.forward.error.code == FailureCode.LEDGER_REJECTED
    assert ledger.new_entries == []


def test_a_transfer_from_an_account_to_itself_is_refused(new_transfer: NewTransfer, attempt: Attempt) -> None:
    transfer = new_transfer("alice", "alice")
    assert record(ledger_of(transfer), transfer.transfer_id, attempt, no_refusal).decision is Decision.REJECTED


def test_a_refused_transfer_does_not_fix_the_currency_of_a_new_account(
    new_transfer: NewTransfer, attempt: Attempt
) -> None:
    refused = new_transfer("alice", "carol", currency="USD")
    fine = new_transfer("alice", "carol", currency="EUR")
    ledger = ledger_of(refused, fine, accounts=(LedgerAccount("alice", "EUR", 0),))

    decided = [record(ledger, t.transfer_id, attempt, no_refusal).decision for t in (refused, fine)]

    assert decided == [Decision.REJECTED, Decision.APPLIED]


def test_of_two_requests_for_one_transfer_the_second_hears_the_first(
    new_transfer: NewTransfer, attempt: Attempt
) -> None:
    transfer = new_transfer()
    ledger = ledger_of(transfer)

    first = record(ledger, transfer.transfer_id, attempt, no_refusal)

    assert record(ledger, transfer.transfer_id, attempt, no_refusal) is first
    assert record_compensation(ledger, transfer.transfer_id, attempt) is first
    assert len(ledger.new_entries) == 2


def test_a_row_tells_the_error_of_the_attempts_before_it(new_transfer: NewTransfer) -> None:
    transfer = new_transfer()
    earlier = StepError(code="database_unavailable", detail="gone")
    third = Attempt(number=3, scheduled_at=NOW, last_error=earlier)

    row = record(ledger_of(transfer), transfer.transfer_id, third, no_refusal)

    assert row.forward == Occurrence(attempt=3, scheduled_at=NOW, decided_at=NOW, error=earlier)
