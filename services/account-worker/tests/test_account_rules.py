"""The table "What each request does to its row", cell by cell, without a database."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from account_worker import accounts
from account_worker.accounts import GuardViolated, IdempotencyKeyReused
from account_worker.books import Books, LockedAccount, LockedTransfer
from service_runtime.activity_edge import Attempt
from transfer_contract.steps import Decision, Failure, FailureCode, FinalStatus, Step, StepRow, final_status
from transfer_contract.transfers import AbortRequest, TransferRequest

SCHEDULED = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)
FIRST, SECOND = Attempt(1, SCHEDULED), Attempt(2, SCHEDULED)
REQUEST = TransferRequest(
    transfer_id="t1",
    source_account="alice",
    destination_account="bob",
    amount_minor=100,
    currency="EUR",
    created_at=SCHEDULED,
)
FAILURE = Failure(code=FailureCode.CANCELLED, detail="a client cancelled it")
ABORT = AbortRequest(transfer=REQUEST, failure=FAILURE)

ALICE = LockedAccount("alice", "EUR", balance_minor=500, held_minor=0)
BOB = LockedAccount("bob", "EUR", balance_minor=0, held_minor=100)
EVERY_DECISION = list(Decision)


def books(*accounts_: LockedAccount, **decisions: Decision) -> Books:
    """A transfer whose rows say `decisions`."""
    rows = {
        Step(step): StepRow(transfer_id="t1", step=Step(step), decision=decision, forward=FIRST.decided(SCHEDULED))
        for step, decision in decisions.items()
    }
    transfer = LockedTransfer(REQUEST, REQUEST.fingerprint, rows, final_status(rows.values()) is not None)
    return Books([transfer], accounts_ or (ALICE, BOB), now=NOW)


def balances(after: Books) -> dict[str, tuple[int, int]]:
    return {account.id: (account.balance_minor, account.held_minor) for account in after.moved_accounts}


# withdraw


def test_withdraw_pays_and_says_applied() -> None:
    snapshot = books()
    row = accounts.withdraw(snapshot, REQUEST, SECOND)
    assert (row.decision, row.forward, row.compensation) == (Decision.APPLIED, SECOND.decided(NOW), None)
    assert balances(snapshot) == {"alice": (400, 0)}
    assert snapshot.written_rows == [row]
    assert snapshot.ends == []


@pytest.mark.parametrize("decision", EVERY_DECISION)
def test_a_repeated_withdraw_answers_its_row_and_moves_nothing(decision: Decision) -> None:
    snapshot = books(withdraw=decision)
    assert accounts.withdraw(snapshot, REQUEST, SECOND).decision is decision
    assert balances(snapshot) == {}
    assert snapshot.written_rows == []


@pytest.mark.parametrize(
    ("source", "code"),
    [
        (None, FailureCode.UNKNOWN_ACCOUNT),
        (LockedAccount("alice", "EUR", 500, 0, is_open=False), FailureCode.ACCOUNT_CLOSED),
        (LockedAccount("alice", "USD", 500, 0), FailureCode.CURRENCY_MISMATCH),
        (LockedAccount("alice", "EUR", 99, 1000), FailureCode.INSUFFICIENT_FUNDS),
    ],
)
def test_a_refused_withdraw_is_rejected_with_its_code(source: LockedAccount | None, code: FailureCode) -> None:
    snapshot = books(*[account for account in (source, BOB) if account])
    row = accounts.withdraw(snapshot, REQUEST, FIRST)
    assert row.decision is Decision.REJECTED
    assert row.forward is not None
    assert row.forward.error is not None
    assert row.forward.error.code == code
    assert balances(snapshot) == {}
    assert [(end.final_status, end.finished_at) for end in snapshot.ends] == [(FinalStatus.REJECTED, NOW)]


def test_an_account_can_pay_its_last_cent() -> None:
    snapshot = books(LockedAccount("alice", "EUR", 100, 0))
    assert accounts.withdraw(snapshot, REQUEST, FIRST).decision is Decision.APPLIED
    assert balances(snapshot) == {"alice": (0, 0)}


def test_a_treasury_may_go_below_zero() -> None:
    snapshot = books(LockedAccount("alice", "EUR", 0, 0, is_treasury=True))
    assert accounts.withdraw(snapshot, REQUEST, FIRST).decision is Decision.APPLIED
    assert balances(snapshot) == {"alice": (-100, 0)}


@pytest.mark.parametrize("decision", [None, *EVERY_DECISION])
def test_a_withdraw_with_another_fingerprint_touches_nothing(decision: Decision | None) -> None:
    snapshot = books(**({"withdraw": decision} if decision else {}))
    with pytest.raises(IdempotencyKeyReused):
        accounts.withdraw(snapshot, REQUEST.model_copy(update={"amount_minor": 1}), FIRST)
    assert snapshot.written_rows == []
    assert balances(snapshot) == {}


# deposit


def test_deposit_holds_the_credit_and_says_applied() -> None:
    snapshot = books(withdraw=Decision.APPLIED)
    row = accounts.deposit(snapshot, REQUEST, FIRST)
    assert (row.decision, row.forward) == (Decision.APPLIED, FIRST.decided(NOW))
    assert balances(snapshot) == {"bob": (0, 200)}


@pytest.mark.parametrize("withdraw", [None, Decision.REJECTED, Decision.CANCELLED, Decision.COMPENSATED])
def test_deposit_without_an_applied_withdraw_is_cancelled(withdraw: Decision | None) -> None:
    snapshot = books(**({"withdraw": withdraw} if withdraw else {}))
    row = accounts.deposit(snapshot, REQUEST, FIRST)
    assert (row.decision, row.forward) == (Decision.CANCELLED, FIRST.decided(NOW))
    assert balances(snapshot) == {}
    assert snapshot.ends == []


@pytest.mark.parametrize("decision", EVERY_DECISION)
def test_a_repeated_deposit_answers_its_row_and_moves_nothing(decision: Decision) -> None:
    snapshot = books(withdraw=Decision.APPLIED, deposit=decision)
    assert accounts.deposit(snapshot, REQUEST, SECOND).decision is decision
    assert balances(snapshot) == {}


@pytest.mark.parametrize(
    ("destination", "code"),
    [
        (None, FailureCode.UNKNOWN_ACCOUNT),
        (LockedAccount("bob", "EUR", 0, 0, is_open=False), FailureCode.ACCOUNT_CLOSED),
        (LockedAccount("bob", "USD", 0, 0), FailureCode.CURRENCY_MISMATCH),
    ],
)
def test_a_refused_deposit_is_rejected_with_its_code(destination: LockedAccount | None, code: FailureCode) -> None:
    snapshot = books(*[account for account in (ALICE, destination) if account], withdraw=Decision.APPLIED)
    row = accounts.deposit(snapshot, REQUEST, FIRST)
    assert row.decision is Decision.REJECTED
    assert row.forward is not None
    assert row.forward.error is not None
    assert row.forward.error.code == code
    assert balances(snapshot) == {}
    assert snapshot.ends == []


# release


def test_release_makes_the_held_credit_spendable_and_completes_the_transfer() -> None:
    snapshot = books(withdraw=Decision.APPLIED, deposit=Decision.APPLIED)
    row = accounts.release(snapshot, REQUEST, FIRST)
    assert row.decision is Decision.APPLIED
    assert balances(snapshot) == {"bob": (100, 0)}
    assert [(end.final_status, end.finished_at) for end in snapshot.ends] == [(FinalStatus.COMPLETED, NOW)]


def test_a_repeated_release_moves_nothing() -> None:
    snapshot = books(withdraw=Decision.APPLIED, deposit=Decision.APPLIED, release=Decision.APPLIED)
    assert accounts.release(snapshot, REQUEST, SECOND).decision is Decision.APPLIED
    assert balances(snapshot) == {}
    assert snapshot.ends == []


@pytest.mark.parametrize("deposit", [None, Decision.REJECTED, Decision.CANCELLED, Decision.COMPENSATED])
def test_release_without_an_applied_deposit_raises_the_guards_alarm(deposit: Decision | None) -> None:
    snapshot = books(withdraw=Decision.APPLIED, **({"deposit": deposit} if deposit else {}))
    with pytest.raises(GuardViolated) as alarm:
        accounts.release(snapshot, REQUEST, FIRST)
    assert (alarm.value.transfer_id, alarm.value.step, alarm.value.found) == ("t1", Step.DEPOSIT, deposit)
    assert snapshot.written_rows == []
    assert balances(snapshot) == {}


def test_release_of_an_unknown_transfer_raises_the_guards_alarm() -> None:
    with pytest.raises(GuardViolated):
        accounts.release(Books([], [BOB], now=NOW), REQUEST, FIRST)


# deposit_compensation


def test_deposit_compensation_takes_the_held_credit_away() -> None:
    snapshot = books(withdraw=Decision.APPLIED, deposit=Decision.APPLIED)
    row = accounts.deposit_compensation(snapshot, ABORT, SECOND)
    assert row.decision is Decision.COMPENSATED
    assert (row.forward, row.compensation) == (FIRST.decided(SCHEDULED), SECOND.decided(NOW))
    assert row.failure is None
    assert balances(snapshot) == {"bob": (0, 0)}


def test_deposit_compensation_first_leaves_a_tombstone() -> None:
    snapshot = books()
    row = accounts.deposit_compensation(snapshot, ABORT, FIRST)
    assert (row.decision, row.forward, row.compensation) == (Decision.CANCELLED, None, FIRST.decided(NOW))
    assert balances(snapshot) == {}


@pytest.mark.parametrize("decision", [Decision.REJECTED, Decision.CANCELLED, Decision.COMPENSATED])
def test_deposit_compensation_of_any_other_row_changes_nothing(decision: Decision) -> None:
    snapshot = books(withdraw=Decision.APPLIED, deposit=decision)
    assert accounts.deposit_compensation(snapshot, ABORT, FIRST).decision is decision
    assert snapshot.written_rows == []
    assert balances(snapshot) == {}


# withdraw_compensation


def test_withdraw_compensation_puts_the_amount_back_and_keeps_the_failure() -> None:
    snapshot = books(withdraw=Decision.APPLIED, deposit=Decision.COMPENSATED)
    row = accounts.withdraw_compensation(snapshot, ABORT, SECOND)
    assert row.decision is Decision.COMPENSATED
    assert (row.forward, row.compensation) == (FIRST.decided(SCHEDULED), SECOND.decided(NOW))
    assert row.failure == FAILURE
    assert balances(snapshot) == {"alice": (600, 0)}
    assert [(end.final_status, end.finished_at) for end in snapshot.ends] == [(FinalStatus.COMPENSATED, NOW)]


def test_withdraw_compensation_first_leaves_a_tombstone_with_the_failure() -> None:
    snapshot = books()
    row = accounts.withdraw_compensation(snapshot, ABORT, FIRST)
    assert (row.decision, row.forward, row.compensation) == (Decision.CANCELLED, None, FIRST.decided(NOW))
    assert row.failure == FAILURE
    assert balances(snapshot) == {}
    assert [end.final_status for end in snapshot.ends] == [FinalStatus.COMPENSATED]


@pytest.mark.parametrize("decision", [Decision.REJECTED, Decision.CANCELLED, Decision.COMPENSATED])
def test_withdraw_compensation_of_any_other_row_changes_nothing(decision: Decision) -> None:
    snapshot = books(withdraw=decision)
    assert accounts.withdraw_compensation(snapshot, ABORT, FIRST).decision is decision
    assert snapshot.written_rows == []
    assert balances(snapshot) == {}


def test_a_refund_past_a_parked_deposit_compensation_ends_the_transfer_only_when_both_are_done() -> None:
    snapshot = books(withdraw=Decision.APPLIED, deposit=Decision.APPLIED)
    accounts.withdraw_compensation(snapshot, ABORT, FIRST)
    assert snapshot.ends == []
    accounts.deposit_compensation(snapshot, ABORT, FIRST)
    assert [end.final_status for end in snapshot.ends] == [FinalStatus.COMPENSATED]


@pytest.mark.parametrize("compensation", [accounts.deposit_compensation, accounts.withdraw_compensation])
def test_a_compensation_after_release_raises_the_guards_alarm(
    compensation: Callable[[Books, AbortRequest, Attempt], StepRow],
) -> None:
    snapshot = books(withdraw=Decision.APPLIED, deposit=Decision.APPLIED, release=Decision.APPLIED)
    with pytest.raises(GuardViolated) as alarm:
        compensation(snapshot, ABORT, FIRST)
    assert (alarm.value.step, alarm.value.found) == (Step.RELEASE, Decision.APPLIED)
    assert snapshot.written_rows == []
    assert balances(snapshot) == {}


def test_what_moves_is_the_stored_requests_amount() -> None:
    passed = REQUEST.model_copy(update={"amount_minor": 7, "destination_account": "eve"})
    snapshot = books(withdraw=Decision.APPLIED)
    accounts.deposit(snapshot, passed, FIRST)
    assert balances(snapshot) == {"bob": (0, 200)}
    accounts.release(snapshot, passed, FIRST)
    assert balances(snapshot) == {"bob": (100, 100)}
