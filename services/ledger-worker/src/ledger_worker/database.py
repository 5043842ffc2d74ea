"""A step's SQL: lock and load its snapshot, write its decisions and entries. Set-based, one statement for all."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from service_runtime.database import Statement
from sqlalchemy import Connection
from transfer_contract.steps import Step, StepRow
from transfer_contract.transfers import TransferRequest

from ledger_worker.ledger import Ledger, LedgerAccount, StoredTransfer, Transfer

_STORE_AND_LOCK_TRANSFERS = Statement("""
    INSERT INTO transfers (transfer_id, fingerprint, source_account, destination_account, amount_minor, currency,
                           reference, scenario, created_at)
    SELECT transfer_id, fingerprint, source_account, destination_account, amount_minor, currency,
           reference, scenario, created_at
    FROM json_populate_recordset(NULL::transfers, %(transfers)s::json)
    ORDER BY transfer_id
    ON CONFLICT (transfer_id) DO UPDATE SET fingerprint = transfers.fingerprint WHERE FALSE
""")
"""Stores the new ones and locks the others as they are: DO UPDATE locks a row even where WHERE keeps it unchanged."""

_OPEN_AND_LOCK_ACCOUNTS = Statement("""
    WITH undecided AS (
        SELECT source_account, destination_account
        FROM json_array_elements_text(%(transfer_ids)s::json) AS asked (transfer_id) JOIN transfers USING (transfer_id)
        WHERE NOT EXISTS (SELECT FROM decisions WHERE decisions.transfer_id = transfers.transfer_id)
    )
    INSERT INTO ledger_accounts (id)
    SELECT source_account AS id FROM undecided UNION SELECT destination_account FROM undecided ORDER BY id
    ON CONFLICT (id) DO UPDATE SET currency = ledger_accounts.currency WHERE FALSE
""")
"""A new account's row is there before its first entry, or two first entries would have nothing to wait for.

A join and no `= ANY`, here as in the others: that may compare each id of a list with every row of the table.
"""

_LOAD = Statement("""
    SELECT CAST(statement_timestamp() AS text), transfers.transfer_id, source_account, destination_account,
           amount_minor, currency, scenario, decision, forward, compensation
    FROM json_array_elements_text(%(transfer_ids)s::json) AS asked (transfer_id)
    JOIN transfers USING (transfer_id) LEFT JOIN decisions USING (transfer_id)
""")

_LOAD_ACCOUNTS = Statement("""
    SELECT id, currency, balance_minor
    FROM json_array_elements_text(%(account_ids)s::json) AS asked (id) JOIN ledger_accounts USING (id)
""")

_WRITE = Statement("""
    WITH new_rows AS (
        INSERT INTO decisions (transfer_id, decision, forward, compensation)
        SELECT unnest(transfer_ids), decision, forward, compensation
        FROM json_to_recordset(%(rows)s::json)
            AS alike (transfer_ids text[], decision text, forward jsonb, compensation jsonb)
    ), new_entries AS (
        INSERT INTO entries (transfer_id, account_id, amount_minor, balance_after_minor, currency, created_at)
        SELECT transfer_id, account_id, amount_minor, balance_after_minor, currency, created_at
        FROM json_populate_recordset(NULL::entries, %(entries)s::json) WITH ORDINALITY
        ORDER BY ordinality
    )
    UPDATE ledger_accounts SET currency = changed.currency, balance_minor = changed.balance_minor
    FROM json_populate_recordset(NULL::ledger_accounts, %(accounts)s::json) AS changed
    WHERE ledger_accounts.id = changed.id
""")
"""One statement, as the database demands: it refuses a row without its entries, and entries without their row."""


def store_and_lock_transfers(connection: Connection, requests: Collection[TransferRequest]) -> None:
    """The first row of a transfer, tombstone included, stores the whole request and its fingerprint (rule 3)."""
    rows = [vars(request) | {"fingerprint": request.fingerprint} for request in requests]
    _STORE_AND_LOCK_TRANSFERS.run(connection, transfers=rows)


def open_and_lock_accounts(connection: Connection, transfer_ids: Collection[str]) -> None:
    """Both accounts of each transfer that has no row yet."""
    _OPEN_AND_LOCK_ACCOUNTS.run(connection, transfer_ids=list(transfer_ids))


def load_ledger(connection: Connection, transfer_ids: Collection[str], *, with_accounts: bool) -> Ledger:
    """Call it with all locks held.

    Statements of their own: what another transaction committed while a statement waited for its lock is seen only by
    a statement that started later.
    """
    found = _LOAD.run(connection, transfer_ids=list(transfer_ids))
    stored: dict[str, StoredTransfer] = {}
    rows: dict[str, StepRow] = {}
    for _, transfer_id, *request, decision, forward, compensation in found:
        stored[transfer_id] = StoredTransfer(transfer_id, *request)
        if decision is not None:
            row = {"decision": decision, "forward": forward, "compensation": compensation}
            rows[transfer_id] = StepRow.model_validate({"transfer_id": transfer_id, "step": Step.RECORD, **row})
    return Ledger(
        now=datetime.fromisoformat(found[0][0]),
        transfers=stored,
        rows=rows,
        accounts=_load_accounts(connection, stored.values()) if with_accounts else {},
    )


def write_changes(connection: Connection, ledger: Ledger) -> None:
    if not ledger.new_rows:
        return
    changes = {
        "rows": _alike(ledger.new_rows),
        "entries": ledger.new_entries,
        "accounts": ledger.changed_accounts,
    }
    _WRITE.run(connection, **changes)


def _alike(rows: Sequence[StepRow]) -> list[dict[str, Any]]:
    """Rows that differ only in their transfer, together: in a batch's step nearly all of them share one attempt."""
    alike: dict[tuple[object, ...], dict[str, Any]] = {}
    for row in rows:
        key = (row.decision, id(row.forward), id(row.compensation))
        if key not in alike:
            alike[key] = {**dict(row), "transfer_ids": []}
        alike[key]["transfer_ids"].append(row.transfer_id)
    return list(alike.values())


def _load_accounts(connection: Connection, requests: Collection[Transfer]) -> dict[str, LedgerAccount]:
    account_ids = {r.source_account for r in requests} | {r.destination_account for r in requests}
    found = _LOAD_ACCOUNTS.run(connection, account_ids=list(account_ids))
    return {row.id: LedgerAccount(*row) for row in found}
