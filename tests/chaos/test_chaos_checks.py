"""The checks of a chaos run, themselves checked: each violation, planted into real databases, is said by its check."""

from collections.abc import Callable
from functools import partial
from typing import Final

import pytest
from chaos.findings import Findings
from chaos.planted_books import PlantedBooks
from chaos.row_watch import RowWatch, final_among

Plant = Callable[[PlantedBooks], None]


def in_accounts(*statements: str) -> Plant:
    return both(*(partial(PlantedBooks.in_accounts, statement=statement) for statement in statements))


def in_ledger(*statements: str) -> Plant:
    return both(*(partial(PlantedBooks.in_ledger, statement=statement) for statement in statements))


def both(*plants: Plant) -> Plant:
    def plant_all(books: PlantedBooks) -> None:
        for plant in plants:
            plant(books)

    return plant_all


def decide(transfer: str, step: str, decision: str) -> Plant:
    rows = f"WHERE (transfer_id, step) = ('{transfer}', '{step}')"
    return in_accounts(f"UPDATE decisions SET decision = '{decision}' {rows}")  # noqa: S608 - the test's own words


def final(transfer: str, status: str) -> Plant:
    change = f"SET final_status = '{status}', finished_at = now() WHERE transfer_id = '{transfer}'"
    return in_accounts(f"UPDATE transfers {change}")


def move(account: str, balance: int, held: int = 0) -> Plant:
    change = f"SET balance_minor = balance_minor + {balance}, held_minor = held_minor + {held} WHERE id = '{account}'"
    return in_accounts(f"UPDATE accounts {change}")


def recorded(transfer: str, decision: str, amount: int) -> Plant:
    return lambda books: books.record(transfer, decision, amount)


PLANTED: Final[dict[str, tuple[str, Plant]]] = {
    "money made": ("sums are zero per currency", move("alice", 1)),
    "money of another currency made": (
        "sums are zero per currency",
        in_accounts("INSERT INTO accounts VALUES ('carol', 'customer', 'Ann', 'JPY', 1, 0, 0)"),
    ),
    "an entry alone": (
        "sums are zero per currency",
        in_ledger("UPDATE entries SET amount_minor = 101 WHERE account_id = 'bob'"),
    ),
    "a customer below zero": ("nothing is below zero", both(move("alice", -900), move("bob", 900))),
    "held below zero": ("nothing is below zero", both(move("alice", 90), move("bob", 0, -90))),
    "closed with money": (
        "a closed account is empty", in_accounts("UPDATE accounts SET status = 'closed' WHERE id = 'bob'"),
    ),
    "a step decided twice": (
        "one decision a step",
        in_accounts("INSERT INTO decisions VALUES ('completed', 'withdraw', 'applied', '{}')"),
    ),
    "another final status": ("a final status never changes", final("completed", "compensated")),
    "no final status any more": (
        "a final status never changes",
        in_accounts("UPDATE transfers SET final_status = NULL, finished_at = NULL WHERE transfer_id = 'completed'"),
    ),
    "final by no row": ("the status follows from the rows", final("held", "completed")),
    "a tombstone applied": ("rows change by rule 2 only", decide("undone", "deposit", "applied")),
    "a refusal undone": ("rows change by rule 2 only", decide("rejected", "withdraw", "cancelled")),
    "a row gone": (
        "rows change by rule 2 only",
        in_accounts("DELETE FROM decisions WHERE (transfer_id, step) = ('held', 'deposit')"),
    ),
    "a transfer gone": (
        "rows never vanish",
        in_accounts(
            "DELETE FROM decisions WHERE transfer_id = 'rejected'",
            "DELETE FROM transfers WHERE transfer_id = 'rejected'",
        ),
    ),
    "another amount": (
        "a stored request never changes",
        in_accounts("UPDATE transfers SET amount_minor = 41 WHERE transfer_id = 'undone'"),
    ),
    "a second transfer of a key": (
        "a key is one transfer",
        in_accounts(
            "INSERT INTO transfers SELECT 'second', fingerprint, source_account, destination_account, amount_minor,"
            " currency, reference, scenario, created_at FROM transfers WHERE transfer_id = 'undone'"
        ),
    ),
    "released and refunded": (
        "never both deposited and refunded", both(decide("completed", "withdraw", "compensated"), move("alice", 100)),
    ),
    "refunded with the door open": (
        "nothing is undone before the door is shut",
        both(decide("in-transit", "withdraw", "compensated"), move("alice", 30)),
    ),
    "taken back with the door open": (
        "nothing is undone before the door is shut",
        both(decide("held", "deposit", "compensated"), move("bob", 0, -50)),
    ),
    "released and not recorded": (
        "released only after it was recorded",
        both(
            in_accounts("INSERT INTO decisions VALUES ('held', 'release', 'applied', '{}')"),
            final("held", "completed"), move("bob", 50, -50),
        ),
    ),
    "rejected and recorded": ("the ledger fits the final status", recorded("rejected", "rejected", 900)),
    "the ledger's decision changed": (
        "the ledger's decision is written once",
        in_ledger("UPDATE decisions SET decision = 'rejected' WHERE transfer_id = 'completed'"),
    ),
    "applied without entries": (
        "entries stand for an applied record", in_ledger("DELETE FROM entries WHERE transfer_id = 'completed'"),
    ),
    "entered twice": (
        "two entries, as it was asked for",
        in_ledger(
            "INSERT INTO entries (transfer_id, account_id, amount_minor, balance_after_minor, currency, created_at)"
            " SELECT transfer_id, account_id, amount_minor, 0, currency, now() FROM entries"
        ),
    ),
    "entries of another amount": ("two entries, as it was asked for", recorded("held", "applied", 51)),
    "another request in the ledger": (
        "both databases hold the same request",
        in_ledger("UPDATE transfers SET fingerprint = 'another' WHERE transfer_id = 'completed'"),
    ),
}  # fmt: skip


@pytest.fixture
def rows(books: PlantedBooks, findings: Findings) -> RowWatch:
    """It has had a first look."""
    rows = RowWatch(*books.urls, findings.violations)
    rows.look()
    return rows


def found(findings: Findings) -> set[str]:
    return {violation.check for violation in findings.violations.all}


def test_books_that_are_right_pass(rows: RowWatch, findings: Findings) -> None:
    rows.look()
    assert found(findings) == set()
    assert {rows.transfer_id for rows in rows.not_final} == {"in-transit", "held"}


def test_a_transfer_that_goes_its_way_passes(books: PlantedBooks, rows: RowWatch, findings: Findings) -> None:
    recorded("held", "applied", 50)(books)
    rows.look()
    books.in_accounts("INSERT INTO decisions VALUES ('held', 'release', 'applied', '{}')")
    both(final("held", "completed"), move("bob", 50, -50))(books)
    recorded("in-transit", "cancelled", 30)(books)
    both(decide("in-transit", "withdraw", "compensated"), final("in-transit", "compensated"), move("alice", 30))(books)
    rows.look()
    assert found(findings) == set()
    assert rows.not_final == []


@pytest.mark.parametrize(("check", "plant"), PLANTED.values(), ids=PLANTED.keys())
def test_every_planted_violation_is_said(
    check: str, plant: Plant, books: PlantedBooks, rows: RowWatch, findings: Findings
) -> None:
    plant(books)
    rows.look()
    assert check in found(findings)


def test_what_is_undone_after_it_was_recorded_is_said_at_the_next_look(
    books: PlantedBooks, rows: RowWatch, findings: Findings
) -> None:
    recorded("held", "applied", 50)(books)
    rows.look()
    both(decide("held", "deposit", "compensated"), move("bob", 0, -50))(books)
    rows.look()
    assert "nobody undoes a recorded transfer" in found(findings)


def test_a_recorded_transfer_that_the_accounts_dont_know_is_said_at_the_next_look(
    books: PlantedBooks, rows: RowWatch, findings: Findings
) -> None:
    recorded("unknown", "applied", 1)(books)
    rows.look()
    assert found(findings) == set()
    rows.look()
    assert found(findings) == {"the accounts know what the ledger recorded"}


def test_a_violation_is_told_once(books: PlantedBooks, rows: RowWatch, findings: Findings) -> None:
    move("alice", 1)(books)
    rows.look()
    rows.look()
    assert len(findings.violations.all) == 1


def test_final_is_what_the_rows_say(books: PlantedBooks) -> None:
    assert final_among(books.urls[0], ["completed", "held", "nobody's"]) == {"completed"}
