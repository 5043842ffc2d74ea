"""Rule 14 cell by cell, and a ledger that was tampered with behind its triggers' backs."""

from collections.abc import Callable, Iterator

import pytest
from ledger_worker import steps
from ledger_worker.demo_faults import DemoFaults
from ledger_worker.reconciliation import Kind, Recorded, check, judge, reconcile
from service_runtime.activity_edge import Attempt
from service_runtime.database import in_transaction
from sqlalchemy import Engine, text
from transfer_contract.http import FinalTransfer
from transfer_contract.steps import Decision, FinalStatus
from transfer_contract.transfers import TransferRequest

NewTransfer = Callable[..., TransferRequest]

NONE = Recorded(None, entries=0, as_asked=0)
APPLIED = Recorded(Decision.APPLIED, entries=2, as_asked=2)
REJECTED = Recorded(Decision.REJECTED, entries=0, as_asked=0)
CANCELLED = Recorded(Decision.CANCELLED, entries=0, as_asked=0)


def final(status: FinalStatus, *, deposit_shut: bool = False, transfer: TransferRequest | None = None) -> FinalTransfer:
    return FinalTransfer(
        transfer_id=transfer.transfer_id if transfer else "t",
        status=status,
        deposit_shut=deposit_shut,
        source_account="alice",
        destination_account="bob",
        amount_minor=2500,
        currency="EUR",
    )


@pytest.mark.parametrize(
    ("transfer", "fitting"),
    [
        (final(FinalStatus.COMPLETED), [APPLIED]),
        (final(FinalStatus.REJECTED), [NONE, CANCELLED]),
        (final(FinalStatus.COMPENSATED), [REJECTED, CANCELLED]),
        (final(FinalStatus.COMPENSATED, deposit_shut=True), [NONE, REJECTED, CANCELLED]),
    ],
    ids=["completed", "rejected", "compensated", "compensated with a shut deposit"],
)
def test_a_final_status_fits_some_decisions_and_no_others(transfer: FinalTransfer, fitting: list[Recorded]) -> None:
    for recorded in (NONE, APPLIED, REJECTED, CANCELLED):
        found = judge(transfer, recorded)
        assert (found is None) == (recorded in fitting)
        assert found is None or (found.kind, found.transfer_id) == (Kind.RECORD_CONTRADICTS_STATUS, "t")


@pytest.mark.parametrize(("entries", "as_asked"), [(0, 0), (1, 1), (2, 1), (2, 0), (3, 2)])
def test_a_completed_transfer_has_exactly_the_two_entries_that_it_asked_for(entries: int, as_asked: int) -> None:
    found = judge(final(FinalStatus.COMPLETED), Recorded(Decision.APPLIED, entries, as_asked))
    assert found is not None
    assert found.kind == Kind.ENTRIES_NOT_AS_ASKED


def test_a_transfer_that_is_not_applied_has_no_entries() -> None:
    found = judge(final(FinalStatus.COMPENSATED), Recorded(Decision.CANCELLED, entries=2, as_asked=2))
    assert found is not None
    assert found.kind == Kind.ENTRIES_WITHOUT_RECORD


@pytest.fixture
def tampered(new_ledger: Callable[[], Engine], attempt: Attempt, new_transfer: NewTransfer) -> Iterator[Engine]:
    """A ledger with some transfers, for a test to tamper with."""
    engine = new_ledger()
    transfers = [new_transfer(transfer_id=f"t{n}") for n in range(3)]
    in_transaction(engine, lambda c: steps.record(c, transfers, attempt, DemoFaults().refuse))
    assert reconcile(engine) == []
    yield engine
    engine.dispose()


def tamper(engine: Engine, statement: str) -> None:
    """With all triggers and foreign keys off, as only a superuser can."""
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text(statement))


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        (
            "UPDATE entries SET amount_minor = 2499 WHERE transfer_id = 't1' AND account_id = 'bob'",
            [
                (Kind.ENTRIES_NOT_ZERO, "t1", None),
                (Kind.BALANCE_NOT_FROM_ENTRIES, None, "bob"),
            ],
        ),
        (
            "UPDATE entries SET transfer_id = 't9' WHERE transfer_id = 't1'",
            [(Kind.ENTRIES_NOT_AS_ASKED, "t1", None), (Kind.ENTRIES_WITHOUT_RECORD, "t9", None)],
        ),
        (
            "UPDATE decisions SET decision = 'rejected' WHERE transfer_id = 't0'",
            [(Kind.ENTRIES_WITHOUT_RECORD, "t0", None)],
        ),
        ("UPDATE transfers SET amount_minor = 1 WHERE transfer_id = 't2'", [(Kind.ENTRIES_NOT_AS_ASKED, "t2", None)]),
        (
            "UPDATE ledger_accounts SET balance_minor = 0 WHERE id = 'bob'",
            [(Kind.BALANCE_NOT_FROM_ENTRIES, None, "bob")],
        ),
        ("DELETE FROM ledger_accounts WHERE id = 'bob'", [(Kind.BALANCE_NOT_FROM_ENTRIES, None, "bob")]),
        (
            "UPDATE entries SET balance_after_minor = 1 WHERE transfer_id = 't0' AND account_id = 'bob'",
            [(Kind.RUNNING_BALANCE_NOT_FROM_ENTRIES, None, "bob")],
        ),
    ],
    ids=["amount", "transfer", "decision", "request", "balance", "account", "running balance"],
)
def test_whatever_was_tampered_with_is_found(
    tampered: Engine, statement: str, found: list[tuple[Kind, str | None, str | None]]
) -> None:
    tamper(tampered, statement)
    assert [(item.kind, item.transfer_id, item.account) for item in reconcile(tampered)] == found


def test_entries_that_are_not_those_of_a_completed_transfer_are_found(
    tampered: Engine, new_transfer: NewTransfer
) -> None:
    tamper(tampered, "UPDATE entries SET account_id = 'mallory' WHERE transfer_id = 't1' AND account_id = 'bob'")
    completed = [final(FinalStatus.COMPLETED, transfer=new_transfer(transfer_id=f"t{n}")) for n in range(3)]
    with tampered.connect() as connection:
        [found] = check(connection, completed)
    assert (found.kind, found.transfer_id) == (Kind.ENTRIES_NOT_AS_ASKED, "t1")


def test_ten_thousand_transfers_are_checked_in_one_query(tampered: Engine) -> None:
    one = final(FinalStatus.REJECTED)
    asked = [one.model_copy(update={"transfer_id": f"none-{n}"}) for n in range(9_999)]
    asked.append(one.model_copy(update={"transfer_id": "t0"}))
    with tampered.connect() as connection:
        [found] = check(connection, asked)
        assert check(connection, []) == []
    assert (found.kind, found.transfer_id) == (Kind.RECORD_CONTRADICTS_STATUS, "t0")
