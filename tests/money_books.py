"""What both participants' databases hold, read as it stands: one snapshot of the accounts, then one of the ledger.

In this order (rule 14): what was final in the accounts is decided in the ledger as well by the time that it is read.
And before both, what the ledger had applied: the accounts had a row of it then.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import psycopg
from psycopg.rows import class_row

Row = TypeVar("Row")

APPLIED: Final = "applied"
REJECTED: Final = "rejected"
CANCELLED: Final = "cancelled"
COMPENSATED: Final = "compensated"


@dataclass(frozen=True)
class Account:
    id: str
    kind: str
    currency: str
    balance_minor: int
    held_minor: int
    opening_balance_minor: int
    status: str


@dataclass(frozen=True)
class Transfer:
    """A transfer in the accounts database with the decisions of its three rows there."""

    transfer_id: str
    fingerprint: str
    source_account: str
    destination_account: str
    amount_minor: int
    currency: str
    final_status: str | None
    finished_when_decided: bool
    withdraw: str | None
    deposit: str | None
    release: str | None


@dataclass(frozen=True)
class Record:
    """A transfer in the ledger with its one decision."""

    transfer_id: str
    fingerprint: str
    decision: str | None


@dataclass(frozen=True)
class Entry:
    transfer_id: str
    account_id: str
    amount_minor: int
    balance_after_minor: int
    currency: str


@dataclass(frozen=True)
class LedgerAccount:
    id: str
    balance_minor: int


@dataclass(frozen=True)
class Books:
    accounts: dict[str, Account]
    transfers: dict[str, Transfer]
    records: dict[str, Record]
    entries: list[Entry]
    ledger_accounts: dict[str, LedgerAccount]
    applied_before: frozenset[str]
    """The transfers that the ledger had applied before the accounts were read."""

    def record(self, transfer_id: str) -> str | None:
        record = self.records.get(transfer_id)
        return record.decision if record else None


_ACCOUNTS: Final = """
    SELECT id, kind, currency, balance_minor, held_minor, opening_balance_minor, status FROM accounts
"""
_TRANSFERS: Final = """
    SELECT transfer_id, fingerprint, source_account, destination_account, amount_minor, currency, final_status,
           EXISTS (SELECT FROM decisions d WHERE d.transfer_id = transfers.transfer_id AND finished_at IN
                   ((forward ->> 'decided_at')::timestamptz, (compensation ->> 'decided_at')::timestamptz))
               AS finished_when_decided,
           (SELECT decision FROM decisions d WHERE d.transfer_id = transfers.transfer_id AND step = 'withdraw')
               AS withdraw,
           (SELECT decision FROM decisions d WHERE d.transfer_id = transfers.transfer_id AND step = 'deposit')
               AS deposit,
           (SELECT decision FROM decisions d WHERE d.transfer_id = transfers.transfer_id AND step = 'release')
               AS release
    FROM transfers
"""
_RECORDS: Final = "SELECT transfer_id, fingerprint, decision FROM transfers LEFT JOIN decisions USING (transfer_id)"
_ENTRIES: Final = """
    SELECT transfer_id, account_id, amount_minor, balance_after_minor, currency FROM entries ORDER BY id
"""
_LEDGER_ACCOUNTS: Final = "SELECT id, balance_minor FROM ledger_accounts"


def read_books(accounts_url: str, ledger_url: str) -> Books:
    """Both as `postgresql://…` or as SQLAlchemy writes it."""
    with _snapshot(ledger_url) as ledger:
        applied = _all(ledger, Record, _RECORDS + " WHERE decision = 'applied'")
    with _snapshot(accounts_url) as accounts:
        account_rows = _all(accounts, Account, _ACCOUNTS)
        transfer_rows = _all(accounts, Transfer, _TRANSFERS)
    with _snapshot(ledger_url) as ledger:
        return Books(
            accounts=_by(account_rows, lambda account: account.id),
            transfers=_by(transfer_rows, lambda transfer: transfer.transfer_id),
            records=_by(_all(ledger, Record, _RECORDS), lambda record: record.transfer_id),
            entries=_all(ledger, Entry, _ENTRIES),
            ledger_accounts=_by(_all(ledger, LedgerAccount, _LEDGER_ACCOUNTS), lambda account: account.id),
            applied_before=frozenset(record.transfer_id for record in applied),
        )


def _snapshot(url: str) -> psycopg.Connection[Any]:
    connection = psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://"), connect_timeout=5)
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    return connection


def _all(connection: psycopg.Connection[Any], row: type[Row], query: str) -> list[Row]:
    with connection.cursor(row_factory=class_row(row)) as cursor:
        return cursor.execute(query.encode()).fetchall()


def _by(rows: Iterable[Row], name: Callable[[Row], str]) -> dict[str, Row]:
    return {name(row): row for row in rows}
