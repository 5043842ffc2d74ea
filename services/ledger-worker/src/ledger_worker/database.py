"""A step's SQL: lock and load its snapshot, write its decisions and entries. Set-based, one statement for all."""

from collections.abc import Collection
from dataclasses import asdict

from pydantic_core import to_json
from sqlalchemy import Connection, func, select, text
from transfer_contract.transfers import TransferRequest

from ledger_worker.ledger import Ledger, LedgerAccount
from ledger_worker.models import among, ledger_accounts, requests_and_rows, step_row, transfer_request, transfers

_STORE_AND_LOCK_TRANSFERS = text("""
    INSERT INTO transfers (transfer_id, fingerprint, source_account, destination_account, amount_minor, currency,
                           reference, scenario, created_at)
    SELECT transfer_id, fingerprint, source_account, destination_account, amount_minor, currency,
           reference, scenario, created_at
    FROM json_populate_recordset(NULL::transfers, CAST(:transfers AS json))
    ORDER BY transfer_id
    ON CONFLICT (transfer_id) DO UPDATE SET fingerprint = transfers.fingerprint WHERE FALSE
""")
"""Stores the new ones and locks the others as they are: DO UPDATE locks a row even where WHERE keeps it unchanged."""

_OPEN_AND_LOCK_ACCOUNTS = text("""
    WITH undecided AS (
        SELECT source_account, destination_account FROM transfers
        WHERE transfer_id = ANY (:transfer_ids)
        AND NOT EXISTS (SELECT FROM decisions WHERE decisions.transfer_id = transfers.transfer_id)
    )
    INSERT INTO ledger_accounts (id)
    SELECT source_account AS id FROM undecided UNION SELECT destination_account FROM undecided ORDER BY id
    ON CONFLICT (id) DO UPDATE SET currency = ledger_accounts.currency WHERE FALSE
""")
"""A new account's row is there before its first entry, or two first entries would have nothing to wait for."""

_WRITE = text("""
    WITH new_rows AS (
        INSERT INTO decisions (transfer_id, decision, forward, compensation)
        SELECT transfer_id, decision, forward, compensation
        FROM json_populate_recordset(NULL::decisions, CAST(:rows AS json))
    ), new_entries AS (
        INSERT INTO entries (transfer_id, account_id, amount_minor, balance_after_minor, currency, created_at)
        SELECT transfer_id, account_id, amount_minor, balance_after_minor, currency, created_at
        FROM json_populate_recordset(NULL::entries, CAST(:entries AS json)) WITH ORDINALITY
        ORDER BY ordinality
    )
    UPDATE ledger_accounts SET currency = changed.currency, balance_minor = changed.balance_minor
    FROM json_populate_recordset(NULL::ledger_accounts, CAST(:accounts AS json)) AS changed
    WHERE ledger_accounts.id = changed.id
""")
"""One statement, as the database demands: it refuses a row without its entries, and entries without their row."""


def store_and_lock_transfers(connection: Connection, requests: Collection[TransferRequest]) -> None:
    """The first row of a transfer, tombstone included, stores the whole request and its fingerprint (rule 3)."""
    rows = [request.model_dump() | {"fingerprint": request.fingerprint} for request in requests]
    connection.execute(_STORE_AND_LOCK_TRANSFERS, {"transfers": to_json(rows).decode()})


def open_and_lock_accounts(connection: Connection, transfer_ids: Collection[str]) -> None:
    """Both accounts of each transfer that has no row yet."""
    connection.execute(_OPEN_AND_LOCK_ACCOUNTS, {"transfer_ids": list(transfer_ids)})


def load_ledger(connection: Connection, transfer_ids: Collection[str], *, with_accounts: bool) -> Ledger:
    """Call it with all locks held.

    Statements of their own: what another transaction committed while a statement waited for its lock is seen only by
    a statement that started later.
    """
    wanted = requests_and_rows.where(among(transfers.c.transfer_id, transfer_ids))
    found = connection.execute(wanted.add_columns(func.statement_timestamp().label("now"))).mappings().all()
    stored = {row["transfer_id"]: transfer_request(row) for row in found}
    return Ledger(
        now=found[0]["now"],
        transfers=stored,
        rows={row["transfer_id"]: step_row(row) for row in found if row["decision"]},
        accounts=_load_accounts(connection, stored.values()) if with_accounts else {},
    )


def write_changes(connection: Connection, ledger: Ledger) -> None:
    if not ledger.new_rows:
        return
    changes = {
        "rows": [row.model_dump() for row in ledger.new_rows],
        "entries": [asdict(entry) for entry in ledger.new_entries],
        "accounts": [asdict(account) for account in ledger.changed_accounts],
    }
    connection.execute(_WRITE, {name: to_json(rows).decode() for name, rows in changes.items()})


def _load_accounts(connection: Connection, requests: Collection[TransferRequest]) -> dict[str, LedgerAccount]:
    account_ids = {r.source_account for r in requests} | {r.destination_account for r in requests}
    found = connection.execute(select(ledger_accounts).where(among(ledger_accounts.c.id, account_ids)))
    return {row.id: LedgerAccount(row.id, row.currency, row.balance_minor) for row in found}
