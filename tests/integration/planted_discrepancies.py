"""What somebody could have done to the databases by hand, and what reconciliation must say to it."""

from dataclasses import dataclass
from typing import Any, Final

import psycopg

ACCOUNTS: Final = "accounts"
LEDGER: Final = "ledger"


@dataclass(frozen=True)
class Plant:
    """`number` is the transfer's in the load: those that end in 3 are rejected, in 7 compensated, others completed.

    The statements have `{t}` for its id, `{source}`, `{destination}` and `{amount}`. `kinds` are what must be said of
    the transfer, `of_source` of its source account.
    """

    name: str
    number: int
    database: str
    statements: tuple[str, ...]
    kinds: frozenset[str] = frozenset()
    of_source: str | None = None


def _plant(name: str, number: int, database: str, *statements: str, kinds: str = "", of_source: str = "") -> Plant:
    return Plant(name, number, database, statements, frozenset(kinds.split()), of_source or None)


BETWEEN: Final = "record_contradicts_status account_contradicts_ledger"
MOVED_IN_LEDGER: Final = (
    "UPDATE ledger_accounts SET balance_minor = balance_minor {sign} {amount} WHERE id = '{source}'",
    "UPDATE ledger_accounts SET balance_minor = balance_minor - {sign}{amount} WHERE id = '{destination}'",
)

PLANTS: Final = (
    _plant("another status", 1001, ACCOUNTS, "UPDATE transfers SET final_status = 'rejected' WHERE transfer_id = '{t}'",
           kinds=f"status_not_from_rows {BETWEEN}"),
    _plant("no status", 1002, ACCOUNTS,
           "UPDATE transfers SET final_status = NULL, finished_at = NULL WHERE transfer_id = '{t}'",
           kinds="status_not_from_rows"),
    _plant("no release", 1004, ACCOUNTS, "DELETE FROM decisions WHERE transfer_id = '{t}' AND step = 'release'",
           kinds="status_not_from_rows"),
    _plant("no deposit", 1005, ACCOUNTS, "DELETE FROM decisions WHERE transfer_id = '{t}' AND step = 'deposit'",
           kinds="released_without_both", of_source=""),
    _plant("no rows", 1013, ACCOUNTS, "DELETE FROM decisions WHERE transfer_id = '{t}'", kinds="transfer_without_rows"),
    _plant("rows alone", 1023, ACCOUNTS, "DELETE FROM transfers WHERE transfer_id = '{t}'",
           kinds="row_without_transfer"),
    _plant("a refusal that was paid", 1033, ACCOUNTS,
           "INSERT INTO decisions VALUES ('{t}', 'deposit', 'applied', '{{}}')", kinds="deposit_without_withdraw"),
    _plant("lost by the accounts", 1006, ACCOUNTS, "DELETE FROM decisions WHERE transfer_id = '{t}'",
           "DELETE FROM transfers WHERE transfer_id = '{t}'", kinds="ledger_transfer_unknown_to_accounts",
           of_source="balance_not_from_rows"),
    _plant("another amount in the accounts", 1008, ACCOUNTS,
           "UPDATE transfers SET amount_minor = amount_minor + 1 WHERE transfer_id = '{t}'",
           kinds="entries_not_as_asked account_contradicts_ledger", of_source="balance_not_from_rows"),
    _plant("money of nobody", 1009, ACCOUNTS,
           "UPDATE accounts SET balance_minor = balance_minor + 7 WHERE id = '{source}'",
           of_source="balance_not_from_rows"),
    _plant("held credit of nobody", 1010, ACCOUNTS, "UPDATE accounts SET held_minor = 7 WHERE id = '{source}'",
           of_source="held_not_from_rows"),
    _plant("another amount in the ledger", 1011, LEDGER,
           "UPDATE entries SET amount_minor = amount_minor - 1 WHERE transfer_id = '{t}' AND amount_minor < 0",
           kinds="entries_not_zero entries_not_as_asked account_contradicts_ledger",
           of_source="balance_not_from_entries"),
    _plant("another account in the ledger", 1012, LEDGER,
           "UPDATE entries SET account_id = 'treasury-eur' WHERE transfer_id = '{t}' AND amount_minor < 0",
           kinds="entries_not_as_asked account_contradicts_ledger", of_source="balance_not_from_entries"),
    _plant("an entry of another transfer", 1014, LEDGER,
           "UPDATE entries SET transfer_id = 'nobody' WHERE transfer_id = '{t}' AND amount_minor < 0",
           kinds="entries_not_zero entries_not_as_asked account_contradicts_ledger"),
    _plant("another decision", 1015, LEDGER,
           "UPDATE decisions SET decision = 'rejected' WHERE transfer_id = '{t}'",
           kinds="entries_without_record record_contradicts_status"),
    _plant("lost by the ledger", 1016, LEDGER, "DELETE FROM entries WHERE transfer_id = '{t}'",
           "DELETE FROM decisions WHERE transfer_id = '{t}'", "DELETE FROM transfers WHERE transfer_id = '{t}'",
           *(each.replace("{sign}", "+") for each in MOVED_IN_LEDGER), kinds=BETWEEN,
           of_source="running_balance_not_from_entries"),
    _plant("a record without its transfer", 1027, LEDGER, "DELETE FROM transfers WHERE transfer_id = '{t}'",
           kinds="record_without_transfer"),
    _plant("a transfer without its record", 1037, LEDGER, "DELETE FROM decisions WHERE transfer_id = '{t}'",
           kinds="transfer_without_record record_contradicts_status"),
    _plant("compensated with the door open", 1047, LEDGER, "DELETE FROM decisions WHERE transfer_id = '{t}'",
           "DELETE FROM transfers WHERE transfer_id = '{t}'", kinds="record_contradicts_status"),
    _plant("compensated and recorded", 1057, LEDGER,
           "UPDATE decisions SET decision = 'applied' WHERE transfer_id = '{t}'",
           """INSERT INTO entries (transfer_id, account_id, amount_minor, balance_after_minor, currency, created_at)
              SELECT '{t}', id, amount, balance_minor + amount, 'EUR', now() FROM ledger_accounts
              JOIN (VALUES ('{source}', -{amount}), ('{destination}', {amount})) AS a (id, amount) USING (id)""",
           *(each.replace("{sign}", "-").replace("- -", "+") for each in MOVED_IN_LEDGER), kinds=BETWEEN),
    _plant("rejected by both", 1043, LEDGER,
           """INSERT INTO transfers
              SELECT '{t}', 'f', '{source}', '{destination}', {amount}, 'EUR', NULL, NULL, now()""",
           "INSERT INTO decisions VALUES ('{t}', 'rejected', '{{}}')", kinds="record_contradicts_status"),
    _plant("another running balance", 1018, LEDGER,
           "UPDATE entries SET balance_after_minor = 1 WHERE transfer_id = '{t}' AND amount_minor < 0",
           of_source="running_balance_not_from_entries"),
)  # fmt: skip


@dataclass(frozen=True)
class Target:
    """The transfer that a plant is for, as it was loaded."""

    t: str
    source: str
    destination: str
    amount: int


def targets(accounts: psycopg.Connection[Any], transfer_ids: list[str]) -> dict[str, Target]:
    query = """SELECT transfer_id, source_account, destination_account, amount_minor FROM transfers
               WHERE transfer_id = ANY(%s)"""
    return {row[0]: Target(*row) for row in accounts.execute(query, (transfer_ids,))}


def plant(connection: psycopg.Connection[Any], planted: Plant, target: Target) -> None:
    """With all triggers and foreign keys off, as only a superuser can."""
    with connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")
        for statement in planted.statements:
            connection.execute(statement.format(**vars(target)).encode())
