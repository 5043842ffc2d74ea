"""Rule 14 cell by cell, and a ledger that was tampered with behind its triggers' backs."""

from collections.abc import Callable, Iterator

import pytest
from ledger_worker import steps
from ledger_worker.demo_faults import DemoFaults
from ledger_worker.final_transfers import Judged, check, judge
from ledger_worker.reconciliation import Kind, reconcile
from pydantic_core import to_json
from service_runtime.activity_edge import Attempt
from service_runtime.database import in_transaction
from sqlalchemy import Engine, text
from transfer_contract.http import FinalTransfer, FinalTransfers
from transfer_contract.steps import Decision, FinalStatus
from transfer_contract.transfers import TransferRequest

NewTransfer = Callable[..., TransferRequest]

NONE = (None, 0)
APPLIED = (Decision.APPLIED, 2)
REJECTED = (Decision.REJECTED, 0)
CANCELLED = (Decision.CANCELLED, 0)


def final(status: FinalStatus, transfer: TransferRequest, *, deposit_shut: bool = False) -> FinalTransfer:
    return FinalTransfer(
        transfer_id=transfer.transfer_id,
        status=status,
        deposit_shut=deposit_shut,
        source_account="alice",
        destination_account="bob",
        amount_minor=2500,
        currency="EUR",
    )


def page(*transfers: FinalTransfer) -> FinalTransfers:
    return FinalTransfers(transfers=to_json(transfers).decode())


@pytest.mark.parametrize(
    ("status", "deposit_shut", "fitting"),
    [
        (FinalStatus.COMPLETED, False, [APPLIED]),
        (FinalStatus.REJECTED, False, [NONE, CANCELLED]),
        (FinalStatus.COMPENSATED, False, [REJECTED, CANCELLED]),
        (FinalStatus.COMPENSATED, True, [NONE, REJECTED, CANCELLED]),
    ],
    ids=["completed", "rejected", "compensated", "compensated with a shut deposit"],
)
def test_a_final_status_fits_some_decisions_and_no_others(
    status: FinalStatus, deposit_shut: bool, fitting: list[tuple[Decision | None, int]]
) -> None:
    for decision, entries in (NONE, APPLIED, REJECTED, CANCELLED):
        kind = judge(Judged(status, deposit_shut, decision, entries, as_asked=entries))
        assert kind == (None if (decision, entries) in fitting else Kind.RECORD_CONTRADICTS_STATUS)


@pytest.mark.parametrize(("entries", "as_asked"), [(0, 0), (1, 1), (2, 1), (2, 0), (3, 2)])
def test_a_completed_transfer_has_exactly_the_two_entries_that_it_asked_for(entries: int, as_asked: int) -> None:
    judged = Judged(
        FinalStatus.COMPLETED, deposit_shut=False, decision=Decision.APPLIED, entries=entries, as_asked=as_asked
    )
    assert judge(judged) == Kind.ENTRIES_NOT_AS_ASKED


def test_a_transfer_that_is_not_applied_has_no_entries() -> None:
    judged = Judged(FinalStatus.COMPENSATED, deposit_shut=False, decision=Decision.CANCELLED, entries=2, as_asked=2)
    assert judge(judged) == Kind.ENTRIES_WITHOUT_RECORD


@pytest.fixture
def tampered(new_ledger: Callable[[], Engine], attempt: Attempt, new_transfer: NewTransfer) -> Iterator[Engine]:
    """A ledger with some transfers, for a test to tamper with."""
    engine = new_ledger()
    transfers = [new_transfer(transfer_id=f"t{n}") for n in range(3)]
    in_transaction(engine, lambda c: steps.record(c, transfers, attempt, DemoFaults().refuse))
    assert reconcile(engine).discrepancies == []
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
        ("DELETE FROM decisions WHERE transfer_id = 't0'", [(Kind.ENTRIES_WITHOUT_RECORD, "t0", None)]),
        (
            "INSERT INTO transfers SELECT 't4', 'f', 'alice', 'bob', 1, 'EUR', NULL, NULL, now()",
            [(Kind.TRANSFER_WITHOUT_RECORD, "t4", None)],
        ),
        (
            "INSERT INTO decisions SELECT 't5', 'cancelled', NULL, '{}'",
            [(Kind.RECORD_WITHOUT_TRANSFER, "t5", None)],
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
    ids=[
        "amount",
        "transfer",
        "decision",
        "no decision",
        "no record",
        "no request",
        "request",
        "balance",
        "account",
        "running balance",
    ],
)
def test_whatever_was_tampered_with_is_found(
    tampered: Engine, statement: str, found: list[tuple[Kind, str | None, str | None]]
) -> None:
    tamper(tampered, statement)
    assert [(item.kind, item.transfer_id, item.account) for item in reconcile(tampered).discrepancies] == found


def test_entries_that_are_not_those_of_a_completed_transfer_are_found(
    tampered: Engine, new_transfer: NewTransfer
) -> None:
    tamper(tampered, "UPDATE entries SET account_id = 'mallory' WHERE transfer_id = 't1' AND account_id = 'bob'")
    completed = [final(FinalStatus.COMPLETED, new_transfer(transfer_id=f"t{n}")) for n in range(3)]
    with tampered.connect() as connection:
        found = check(connection, page(*completed))
    assert [(each.kind, each.transfer_id, each.account) for each in found] == [
        (Kind.ENTRIES_NOT_AS_ASKED, "t1", None),
        (Kind.ACCOUNT_CONTRADICTS_LEDGER, "t1", "bob"),
        (Kind.ACCOUNT_CONTRADICTS_LEDGER, "t1", "mallory"),
    ]


def test_ten_thousand_transfers_are_checked_in_one_query(tampered: Engine, new_transfer: NewTransfer) -> None:
    asked = [final(FinalStatus.REJECTED, new_transfer(transfer_id=f"none-{n}")) for n in range(9_999)]
    asked.append(final(FinalStatus.REJECTED, new_transfer(transfer_id="t0")))
    with tampered.connect() as connection:
        found = check(connection, page(*asked))
        assert check(connection, page()) == []
    assert [(each.kind, each.transfer_id, each.account) for each in found] == [
        (Kind.RECORD_CONTRADICTS_STATUS, "t0", None),
        (Kind.ACCOUNT_CONTRADICTS_LEDGER, "t0", "alice"),
        (Kind.ACCOUNT_CONTRADICTS_LEDGER, "t0", "bob"),
    ]
