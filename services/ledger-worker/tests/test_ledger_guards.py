"""What the database itself refuses, whatever a program asks of it."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from ledger_worker import steps
from ledger_worker.demo_faults import NoFaults
from service_runtime.activity_edge import Attempt
from service_runtime.database import in_transaction
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from transfer_contract.transfers import TransferRequest

STORE = "INSERT INTO transfers VALUES (:id, 'print', 'alice', 'bob', 100, 'EUR', NULL, NULL, now())"
OPEN = """INSERT INTO ledger_accounts VALUES ('alice', 'EUR'), ('bob', 'EUR'), ('carol', 'USD')
          ON CONFLICT DO NOTHING"""
DECIDE = "INSERT INTO decisions VALUES (:id, '{decision}', {forward}, {compensation})"
ENTER = """INSERT INTO entries (transfer_id, account_id, amount_minor, balance_after_minor, currency, created_at)
           VALUES {values}"""


def decide(decision: str) -> str:
    forward, compensation = ("NULL", "'{}'") if decision == "cancelled" else ("'{}'", "NULL")
    return DECIDE.format(decision=decision, forward=forward, compensation=compensation)


def enter(*sides: tuple[str, int, str]) -> str:
    return ENTER.format(
        values=", ".join(f"(:id, '{account}', {amount}, 0, '{c}', now())" for account, amount, c in sides)
    )


def decide_and_enter(decision: str, *sides: tuple[str, int, str]) -> str:
    """In one statement, as the database demands."""
    return f"WITH decided AS ({decide(decision)}) {enter(*sides)}"


PAIR = (("alice", -100, "EUR"), ("bob", 100, "EUR"))


class Database:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def tries(self, *statements: str) -> None:
        """All in one transaction about one new transfer, and rolled back: nothing of this stays in the ledger."""
        values = {"id": str(uuid4())}
        with self.engine.connect() as connection:
            for statement in (STORE, OPEN, *statements):
                connection.execute(text(statement), values if ":id" in statement else {})
            connection.rollback()

    def refuses(self, why: str, *statements: str) -> None:
        with pytest.raises(DBAPIError, match=why):
            self.tries(*statements)


@pytest.fixture
def database(ledger_engine: Engine, attempt: Attempt, new_transfer: Callable[..., TransferRequest]) -> Database:
    """With one transfer recorded."""
    in_transaction(ledger_engine, lambda c: steps.record(c, [new_transfer()], attempt, NoFaults().refuse))
    return Database(ledger_engine)


def test_an_applied_row_with_its_two_entries_in_one_statement_is_taken(database: Database) -> None:
    database.tries(decide_and_enter("applied", *PAIR))


@pytest.mark.parametrize("table", ["entries", "decisions"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {} SET transfer_id = transfer_id",
        "UPDATE {} SET transfer_id = '' WHERE FALSE",
        "DELETE FROM {}",
        "TRUNCATE {}",
    ],
)
def test_entries_and_decisions_can_only_be_added(database: Database, table: str, statement: str) -> None:
    database.refuses(f"{table} is append-only", statement.format(table))


@pytest.mark.parametrize(
    "statement", ["UPDATE transfers SET amount_minor = 1", "DELETE FROM transfers", "TRUNCATE transfers CASCADE"]
)
def test_a_stored_request_never_changes(database: Database, statement: str) -> None:
    database.refuses("is append-only", statement)


def test_a_row_is_not_overwritten_by_an_upsert(database: Database) -> None:
    upsert = decide("cancelled") + " ON CONFLICT (transfer_id) DO UPDATE SET decision = 'cancelled'"
    database.refuses("decisions is append-only", upsert)


def test_an_account_with_entries_is_not_deleted(database: Database) -> None:
    database.refuses("foreign key", "DELETE FROM ledger_accounts")


@pytest.mark.parametrize(
    "sides",
    [
        (("alice", -100, "EUR"),),
        (("alice", -100, "EUR"), ("bob", 99, "EUR")),
        (("alice", -100, "EUR"), ("carol", 100, "USD")),
    ],
    ids=["one side", "another amount", "another currency"],
)
def test_entries_of_a_transfer_sum_to_zero_in_their_currency(
    database: Database, sides: tuple[tuple[str, int, str], ...]
) -> None:
    database.refuses("do not sum to zero", decide_and_enter("applied", *sides))


def test_a_transfer_gets_no_entries_in_a_second_statement(database: Database) -> None:
    again = (("dora", -100, "EUR"), ("emil", 100, "EUR"))
    accounts = "INSERT INTO ledger_accounts VALUES ('dora', 'EUR'), ('emil', 'EUR')"
    database.refuses("has entries already", accounts, decide_and_enter("applied", *PAIR), enter(*again))


def test_an_account_gets_one_entry_of_a_transfer(database: Database) -> None:
    database.refuses("unique", decide_and_enter("applied", *PAIR, ("alice", -1, "EUR"), ("bob", 1, "EUR")))


def test_an_entry_is_never_zero(database: Database) -> None:
    database.refuses("amount_minor_check", decide_and_enter("applied", ("alice", 0, "EUR"), ("bob", 0, "EUR")))


def test_entries_without_a_row_are_refused(database: Database) -> None:
    database.refuses("is not applied, but has entries", enter(*PAIR))


@pytest.mark.parametrize("decision", ["rejected", "cancelled"])
def test_entries_of_a_transfer_that_is_not_applied_are_refused(database: Database, decision: str) -> None:
    database.refuses("is not applied, but has entries", decide_and_enter(decision, *PAIR))
    database.refuses("is not applied, but has entries", decide(decision), enter(*PAIR))


def test_an_applied_row_without_entries_is_refused(database: Database) -> None:
    database.refuses("is applied, but has no entries", decide("applied"))
    database.refuses("is applied, but has no entries", decide("applied"), enter(*PAIR))


def test_an_account_with_entries_keeps_its_currency(database: Database) -> None:
    database.refuses("foreign key", "UPDATE ledger_accounts SET currency = 'USD' WHERE id = 'alice'")
    database.refuses("foreign key", decide_and_enter("applied", ("alice", -100, "USD"), ("bob", 100, "USD")))


@pytest.mark.parametrize(
    ("decision", "forward", "compensation"),
    [
        ("compensated", "'{}'", "NULL"),
        ("rejected", "NULL", "NULL"),
        ("cancelled", "'{}'", "'{}'"),
        ("rejected", "'{}'", "'{}'"),
    ],
)
def test_a_row_has_a_decision_of_the_ledger_and_one_writer(
    database: Database, decision: str, forward: str, compensation: str
) -> None:
    statement = DECIDE.format(decision=decision, forward=forward, compensation=compensation)
    database.refuses("violates check constraint", statement)


def test_a_decision_needs_the_request_that_it_is_about(database: Database) -> None:
    database.refuses("foreign key", decide("rejected").replace(":id", "'nobody'"))
