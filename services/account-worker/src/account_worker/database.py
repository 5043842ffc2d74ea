"""A step's SQL: lock and load its snapshot, write its decisions and the money. Set-based, one statement for all."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from service_runtime.database import Statement
from sqlalchemy import Connection
from transfer_contract.steps import Decision, Step, StepRow
from transfer_contract.transfers import TransferRequest

from account_worker.books import Books, LockedAccount, LockedTransfer, StoredTransfer

_STORE_AND_LOCK = Statement("""
    INSERT INTO transfers (transfer_id, fingerprint, source_account, destination_account, amount_minor, currency,
                           reference, scenario, created_at)
    SELECT transfer_id, fingerprint, source_account, destination_account, amount_minor, currency,
           reference, scenario, created_at
    FROM json_populate_recordset(NULL::transfers, %(transfers)s::json)
    ORDER BY transfer_id
    ON CONFLICT (transfer_id) DO UPDATE SET fingerprint = transfers.fingerprint WHERE FALSE
""")
"""Stores the ones that are new and locks the others as they are: DO UPDATE locks a row even where it updates none."""

_LOCK = Statement("""
    SELECT FROM json_array_elements_text(%(transfer_ids)s::json) AS asked (transfer_id)
    JOIN transfers USING (transfer_id)
    ORDER BY transfer_id FOR UPDATE OF transfers
""")
"""A join and no `= ANY`, here as in the others: that may compare each id of a list with every row of the table."""

_LOAD = Statement("""
    SELECT CAST(statement_timestamp() AS text), transfer_id, fingerprint, source_account, destination_account,
           amount_minor, currency, final_status IS NOT NULL, step, decision,
           CASE WHEN step = %(step)s
                THEN json_build_object('forward', forward, 'compensation', compensation, 'failure', failure) END
    FROM json_array_elements_text(%(transfer_ids)s::json) AS asked (transfer_id)
    LEFT JOIN transfers USING (transfer_id)
    LEFT JOIN decisions USING (transfer_id)
""")
"""A line for each of a transfer's rows, or one without a row. The whole row only of the step at hand."""

_LOCK_ACCOUNTS = Statement("""
    SELECT id, currency, balance_minor, held_minor, status = 'open', kind = 'treasury'
    FROM json_array_elements_text(%(account_ids)s::json) AS asked (id) JOIN accounts USING (id)
    ORDER BY id FOR UPDATE OF accounts
""")

_WRITE = Statement("""
    WITH money AS (
        UPDATE accounts SET balance_minor = moved.balance_minor, held_minor = moved.held_minor
        FROM json_populate_recordset(NULL::accounts, %(accounts)s::json) AS moved
        WHERE accounts.id = moved.id
    ), ends AS (
        UPDATE transfers SET final_status = ended.final_status, finished_at = ended.finished_at
        FROM (
            SELECT unnest(transfer_ids) AS transfer_id, final_status, finished_at
            FROM json_to_recordset(%(ends)s::json)
                AS alike (transfer_ids text[], final_status text, finished_at timestamptz)
        ) AS ended
        WHERE transfers.transfer_id = ended.transfer_id
        RETURNING pg_notify('transfer_ends', left(transfers.transfer_id, 36))
    )
    INSERT INTO decisions (transfer_id, step, decision, forward, compensation, failure)
    SELECT unnest(transfer_ids), step, decision, forward, compensation, failure
    FROM json_to_recordset(%(decisions)s::json)
        AS alike (transfer_ids text[], step text, decision text, forward jsonb, compensation jsonb, failure jsonb)
    ON CONFLICT (transfer_id, step) DO UPDATE
        SET decision = EXCLUDED.decision, compensation = EXCLUDED.compensation, failure = EXCLUDED.failure
""")
"""The decision rows, the money and the ends are one statement: there is no way to write one without the others.

Who waits for an end is told of it by the commit (`endings`): of a batch's chunk by one message, with the batch's id."""


def store_and_lock_transfers(connection: Connection, requests: Iterable[TransferRequest]) -> None:
    """The first row of a transfer, tombstone included, stores the whole request and its fingerprint (rule 3)."""
    rows = [vars(request) | {"fingerprint": request.fingerprint} for request in requests]
    _STORE_AND_LOCK.run(connection, transfers=rows)


def lock_transfers(connection: Connection, transfer_ids: Collection[str]) -> None:
    _LOCK.run(connection, transfer_ids=list(transfer_ids))


def load_transfers(
    connection: Connection, transfer_ids: Collection[str], step: Step
) -> tuple[dict[str, LockedTransfer], datetime]:
    """Those of them (at least one) that are stored, with what their rows say, and the database's clock.

    A statement of its own, after the one that locked: what another transaction committed while that one waited for
    its lock is seen only by a statement that started later.
    """
    found = _LOAD.run(connection, transfer_ids=list(transfer_ids), step=step.value)
    loaded: dict[str, LockedTransfer] = {}
    for _, transfer_id, fingerprint, *stored, is_final, its_step, decision, whole_row in found:
        if fingerprint is None:
            continue
        transfer = loaded.get(transfer_id)
        if transfer is None:
            request = StoredTransfer(transfer_id, *stored)
            transfer = loaded[transfer_id] = LockedTransfer(request, fingerprint, is_final=is_final)
        if its_step is not None:
            transfer.decisions[_STEPS[its_step]] = _DECISIONS[decision]
        if whole_row is not None:
            row = {"transfer_id": transfer_id, "step": its_step, "decision": decision, **whole_row}
            transfer.rows[step] = StepRow.model_validate(row)
    return loaded, datetime.fromisoformat(found[0][0])


_STEPS = {step.value: step for step in Step}
_DECISIONS = {decision.value: decision for decision in Decision}


def lock_accounts(connection: Connection, account_ids: Collection[str]) -> list[LockedAccount]:
    """Those that exist, as they are once the lock is held."""
    return [LockedAccount(*row) for row in _LOCK_ACCOUNTS.run(connection, account_ids=list(account_ids))]


def write_changes(connection: Connection, books: Books) -> None:
    if not books.written_rows:
        return
    moved = [
        {"id": account.id, "balance_minor": account.balance_minor, "held_minor": account.held_minor}
        for account in books.moved_accounts
    ]
    changes = {"decisions": _alike_rows(books.written_rows), "accounts": moved, "ends": _alike_ends(books)}
    _WRITE.run(connection, **changes)


def _alike_rows(rows: Sequence[StepRow]) -> list[dict[str, Any]]:
    """Rows that differ only in their transfer, together: in a batch's step nearly all of them share one attempt."""
    alike: dict[tuple[object, ...], dict[str, Any]] = {}
    for row in rows:
        key = (row.step, row.decision, id(row.forward), id(row.compensation), id(row.failure))
        if key not in alike:
            alike[key] = row.model_dump(exclude={"transfer_id"}) | {"transfer_ids": []}
        alike[key]["transfer_ids"].append(row.transfer_id)
    return list(alike.values())


def _alike_ends(books: Books) -> list[dict[str, Any]]:
    alike: dict[tuple[object, ...], dict[str, Any]] = {}
    for end in books.ends:
        key = (end.final_status, end.finished_at)
        if key not in alike:
            alike[key] = {"transfer_ids": [], "final_status": end.final_status, "finished_at": end.finished_at}
        alike[key]["transfer_ids"].append(end.transfer_id)
    return list(alike.values())
