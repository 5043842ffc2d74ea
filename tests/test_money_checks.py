"""The check of the money, itself checked: books that are right pass, and every defect planted in them is found."""

from dataclasses import replace
from typing import Any, Final

import pytest
from money_books import Account, Books, Entry, LedgerAccount, Record, Transfer
from money_checks import check_everything_is_final, check_reconciliation, totals, violations
from transfer_contract.identity import opening_transfer_id

OPENING: Final = opening_transfer_id("alice")


def account(account_id: str, balance: int, *, held: int = 0, opening: int = 0) -> Account:
    kind = "treasury" if account_id.startswith("treasury-") else "customer"
    return Account(account_id, kind, "EUR", balance, held, opening, "open")


def transfer(transfer_id: str, source: str, destination: str, amount: int, *decisions: str | None) -> Transfer:
    """`decisions`: the status, then withdraw, deposit, release."""
    status, withdraw, deposit, release = decisions
    return Transfer(
        transfer_id, f"of {transfer_id}", source, destination, amount, "EUR", status, status is not None,
        withdraw, deposit, release,
    )  # fmt: skip


def by_id(*accounts: Account) -> dict[str, Account]:
    return {account.id: account for account in accounts}


TRANSFERS: Final = {
    OPENING: transfer(OPENING, "treasury-eur", "alice", 500, "completed", "applied", "applied", "applied"),
    "paid": transfer("paid", "alice", "bob", 100, "completed", "applied", "applied", "applied"),
    "undone": transfer("undone", "alice", "bob", 30, "compensated", "compensated", "compensated", None),
    "unknown": transfer("unknown", "alice", "nobody", 30, "compensated", "compensated", "rejected", None),
    "refused": transfer("refused", "bob", "alice", 900, "rejected", "rejected", None, None),
    "held": transfer("held", "alice", "bob", 20, None, "applied", "applied", None),
    "on the way": transfer("on the way", "bob", "alice", 5, None, "applied", None, None),
}
RECORDED: Final = {OPENING: "applied", "paid": "applied", "undone": "rejected", "held": "cancelled"}
RECORDS: Final = {name: Record(name, f"of {name}", decision) for name, decision in RECORDED.items()}
ENTRIES: Final = [
    Entry(OPENING, "treasury-eur", -500, -500, "EUR"),
    Entry(OPENING, "alice", 500, 500, "EUR"),
    Entry("paid", "alice", -100, 400, "EUR"),
    Entry("paid", "bob", 100, 100, "EUR"),
]
RIGHT: Final = Books(
    accounts=by_id(account("treasury-eur", -500), account("alice", 380, opening=500), account("bob", 95, held=20)),
    transfers=TRANSFERS,
    records=RECORDS,
    entries=ENTRIES,
    ledger_accounts={
        name: LedgerAccount(name, balance) for name, balance in (("treasury-eur", -500), ("alice", 400), ("bob", 100))
    },
    applied_before=frozenset({OPENING, "paid"}),
)


def with_accounts(*accounts: Account) -> Books:
    return replace(RIGHT, accounts=RIGHT.accounts | by_id(*accounts))


def with_transfer(transfer_id: str, **changes: Any) -> Books:
    return replace(RIGHT, transfers=TRANSFERS | {transfer_id: replace(TRANSFERS[transfer_id], **changes)})


def with_record(transfer_id: str, decision: str | None) -> Books:
    return replace(RIGHT, records=RECORDS | {transfer_id: Record(transfer_id, f"of {transfer_id}", decision)})


DEFECTS: Final = {
    "money made": with_accounts(account("alice", 381, opening=500)),
    "money moved between customers": with_accounts(account("alice", 379, opening=500), account("bob", 96, held=20)),
    "held credit without a transfer": with_accounts(account("bob", 75, held=40)),
    "a customer below zero": with_accounts(account("carol", -1)),
    "held below zero": with_accounts(account("carol", 1, held=-1)),
    "closed with money": with_accounts(replace(account("bob", 95, held=20), status="closed")),
    "final by no row": with_transfer("held", final_status="completed", finished_when_decided=True),
    "not final by its rows": with_transfer("paid", final_status=None),
    "finished at another time": with_transfer("paid", finished_when_decided=False),
    "an opening of another amount": with_accounts(account("alice", 380, opening=400)),
    "another request in the ledger": replace(RIGHT, records=RECORDS | {"paid": Record("paid", "another", "applied")}),
    "completed and not recorded": with_record("paid", "cancelled"),
    "compensated and recorded": with_record("undone", "applied"),
    "compensated and the door open": with_record("undone", None),
    "rejected and rejected by the ledger": with_record("refused", "rejected"),
    "half a double entry": replace(RIGHT, entries=ENTRIES[:-1]),
    "a wrong running balance": replace(RIGHT, entries=[*ENTRIES[:-1], replace(ENTRIES[-1], balance_after_minor=101)]),
    "entries on other accounts": replace(RIGHT, entries=[*ENTRIES[:-1], replace(ENTRIES[-1], account_id="carol")]),
    "forgotten by the accounts": replace(RIGHT, applied_before=RIGHT.applied_before | {"forgotten"}),
    "a ledger balance of its own": replace(RIGHT, ledger_accounts={"alice": LedgerAccount("alice", 401)}),
}  # fmt: skip


def test_books_that_are_right_pass() -> None:
    assert violations(RIGHT) == []


@pytest.mark.parametrize("books", DEFECTS.values(), ids=DEFECTS.keys())
def test_every_planted_defect_is_found(books: Books) -> None:
    assert violations(books) != []


def test_an_undone_opening_is_wrong_unless_faults_may_have_undone_it() -> None:
    opening = transfer(OPENING, "treasury-eur", "alice", 500, "compensated", "cancelled", "cancelled", None)
    undone = replace(
        RIGHT,
        accounts=by_id(account("treasury-eur", 0), account("alice", 0, opening=500)),
        transfers={OPENING: opening},
        records={OPENING: Record(OPENING, f"of {OPENING}", "cancelled")},
        entries=[],
        ledger_accounts={},
        applied_before=frozenset(),
    )
    assert len(violations(undone)) == 1
    assert violations(undone, openings_may_be_undone=True) == []


def test_money_on_its_way_is_counted_once() -> None:
    assert totals(RIGHT) == {"EUR": (-25, 20, 5, 0)}


def test_what_is_not_final_is_named() -> None:
    with pytest.raises(AssertionError, match="held"):
        check_everything_is_final(RIGHT)


def test_a_reconciliation_with_other_sums_is_not_believed() -> None:
    told = {"currency": "EUR", "balances": "-0.25", "held": "0.20", "in_transit": "0.05", "sum": "0.00"}
    answer = {"balanced": True, "currencies": [told], "discrepancies": []}
    check_reconciliation(answer, RIGHT)
    with pytest.raises(AssertionError):
        check_reconciliation(answer | {"currencies": [told | {"held": "0.21"}]}, RIGHT)
    with pytest.raises(AssertionError):
        check_reconciliation(answer | {"balanced": False}, RIGHT)
