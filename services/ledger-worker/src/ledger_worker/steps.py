"""Each step on a list of requests: lock, decide, write, inside the one transaction that the caller opens and commits.

Both decide in the given order and answer in it. They lock the transfers, then the accounts, each in the order of their
ids (rule 1), so two steps never wait for each other in a circle. However many requests, `record` is six statements with
the commit, and its compensation four.
"""

from collections.abc import Sequence

from service_runtime.activity_edge import Attempt
from sqlalchemy import Connection
from transfer_contract.steps import StepRow
from transfer_contract.transfers import AbortRequest, TransferRequest

from ledger_worker import database, entries
from ledger_worker.entries import RefusalRule


def record(
    connection: Connection, requests: Sequence[TransferRequest], attempt: Attempt, refuse: RefusalRule
) -> list[StepRow]:
    """A refused request is a row like the others: it doesn't hold them up."""
    asked = _by_id(requests)
    database.store_and_lock_transfers(connection, asked.values())
    database.open_and_lock_accounts(connection, asked)
    ledger = database.load_ledger(connection, asked, with_accounts=True)
    rows = [entries.record(ledger, request.transfer_id, attempt, refuse) for request in requests]
    database.write_changes(connection, ledger)
    return rows


def record_compensation(connection: Connection, requests: Sequence[AbortRequest], attempt: Attempt) -> list[StepRow]:
    """Locks no account: it never writes an entry (rule 4)."""
    asked = _by_id([request.transfer for request in requests])
    database.store_and_lock_transfers(connection, asked.values())
    ledger = database.load_ledger(connection, asked, with_accounts=False)
    rows = [entries.record_compensation(ledger, request.transfer.transfer_id, attempt) for request in requests]
    database.write_changes(connection, ledger)
    return rows


def _by_id(transfers: Sequence[TransferRequest]) -> dict[str, TransferRequest]:
    """Of a transfer that is asked for twice, the first request: that is the one to store."""
    return {transfer.transfer_id: transfer for transfer in reversed(transfers)}
