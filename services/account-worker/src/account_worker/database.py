"""A step's SQL: lock and load its snapshot, write its decisions and the money. Set-based, one statement for all."""

import json
from collections.abc import Collection, Iterable
from dataclasses import asdict
from datetime import datetime

from pydantic_core import to_json
from sqlalchemy import ARRAY, Connection, RowMapping, Text, func, literal, select, text
from transfer_contract.transfers import TransferRequest

from account_worker.books import Books, LockedAccount, LockedTransfer
from account_worker.models import accounts, among, rows_of, step_rows, transfer_request, transfers

_STORE_AND_LOCK = text("""
    INSERT INTO transfers (transfer_id, fingerprint, source_account, destination_account, amount_minor, currency,
                           reference, scenario, created_at)
    SELECT transfer_id, fingerprint, source_account, destination_account, amount_minor, currency,
           reference, scenario, created_at
    FROM json_populate_recordset(NULL::transfers, CAST(:transfers AS json))
    ORDER BY transfer_id
    ON CONFLICT (transfer_id) DO UPDATE SET fingerprint = transfers.fingerprint WHERE FALSE
""")
"""Stores the ones that are new and locks the others as they are: DO UPDATE locks a row even where it updates none."""

_WRITE = text("""
    WITH money AS (
        UPDATE accounts SET balance_minor = moved.balance_minor, held_minor = moved.held_minor
        FROM json_populate_recordset(NULL::accounts, CAST(:accounts AS json)) AS moved
        WHERE accounts.id = moved.id
    ), ends AS (
        UPDATE transfers SET final_status = ended.final_status, finished_at = ended.finished_at
        FROM json_populate_recordset(NULL::transfers, CAST(:ends AS json)) AS ended
        WHERE transfers.transfer_id = ended.transfer_id
    )
    INSERT INTO decisions (transfer_id, step, decision, forward, compensation, failure)
    SELECT transfer_id, step, decision, forward, compensation, failure
    FROM json_populate_recordset(NULL::decisions, CAST(:decisions AS json))
    ON CONFLICT (transfer_id, step) DO UPDATE
        SET decision = EXCLUDED.decision, compensation = EXCLUDED.compensation, failure = EXCLUDED.failure
""")
"""The decision rows, the money and the ends are one statement: there is no way to write one without the others."""


def store_and_lock_transfers(connection: Connection, requests: Iterable[TransferRequest]) -> None:
    """The first row of a transfer, tombstone included, stores the whole request and its fingerprint (rule 3)."""
    rows = [request.model_dump(mode="json") | {"fingerprint": request.fingerprint} for request in requests]
    connection.execute(_STORE_AND_LOCK, {"transfers": json.dumps(rows)})


def lock_transfers(connection: Connection, transfer_ids: Collection[str]) -> None:
    column = transfers.c.transfer_id
    connection.execute(select(column).where(among(column, transfer_ids)).order_by(column).with_for_update())


def load_transfers(connection: Connection, transfer_ids: Collection[str]) -> tuple[list[LockedTransfer], datetime]:
    """Those of them (at least one) that are stored, with their rows, and the database's clock.

    A statement of its own, after the one that locked: what another transaction committed while that one waited for
    its lock is seen only by a statement that started later.
    """
    asked = func.unnest(literal(list(transfer_ids), ARRAY(Text))).table_valued("transfer_id").render_derived("asked")
    its_rows = rows_of(transfers.c.transfer_id)
    query = select(func.statement_timestamp().label("now"), transfers, its_rows).select_from(
        asked.outerjoin(transfers, transfers.c.transfer_id == asked.c.transfer_id)
    )
    found = connection.execute(query).mappings().all()
    return [_locked_transfer(row) for row in found if row["transfer_id"] is not None], found[0]["now"]


def lock_accounts(connection: Connection, account_ids: Collection[str]) -> list[LockedAccount]:
    """Those that exist, as they are once the lock is held."""
    query = select(accounts).where(among(accounts.c.id, account_ids)).order_by(accounts.c.id).with_for_update()
    return [_locked_account(row) for row in connection.execute(query).mappings()]


def write_changes(connection: Connection, books: Books) -> None:
    if not books.written_rows:
        return
    moved = [asdict(account) for account in books.moved_accounts]
    ends = [asdict(end) for end in books.ends]
    changes = {"decisions": books.written_rows, "accounts": moved, "ends": ends}
    connection.execute(_WRITE, {name: to_json(rows).decode() for name, rows in changes.items()})


def _locked_transfer(row: RowMapping) -> LockedTransfer:
    return LockedTransfer(transfer_request(row), row["fingerprint"], step_rows(row), row["final_status"] is not None)


def _locked_account(row: RowMapping) -> LockedAccount:
    return LockedAccount(
        id=row["id"],
        currency=row["currency"],
        balance_minor=row["balance_minor"],
        held_minor=row["held_minor"],
        is_open=row["status"] == "open",
        is_treasury=row["kind"] == "treasury",
    )
