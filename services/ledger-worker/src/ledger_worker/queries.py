"""What ledger-api reads: transfers with their row, and an account's entries by pages, which an index finds."""

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Collection
from typing import Final

from sqlalchemy import Connection, select
from transfer_contract.http import Entry, Page, TransferRows
from transfer_contract.steps import Decision
from transfer_contract.transfers import TransferRequest

from ledger_worker.models import among, decisions, entries, requests_and_rows, step_row, transfer_request, transfers

_MAX_BIGINT: Final = 2**63 - 1


def find_transfers(connection: Connection, transfer_ids: Collection[str]) -> list[TransferRows]:
    """Those that the ledger knows, by id. Each has a row: it was stored together with it."""
    wanted = requests_and_rows.where(among(transfers.c.transfer_id, transfer_ids)).order_by(transfers.c.transfer_id)
    return [
        TransferRows(transfer=transfer_request(row), rows=[step_row(row)])
        for row in connection.execute(wanted).mappings()
    ]


def shut_transfers(connection: Connection, *, after: str, limit: int) -> Page[TransferRequest]:
    """Those whose record is a tombstone, by id, each as the tombstone stored it."""
    shut = decisions.c.decision == Decision.CANCELLED
    found = connection.execute(
        select(transfers)
        .join(decisions, decisions.c.transfer_id == transfers.c.transfer_id)
        .where(shut, decisions.c.transfer_id > after)
        .order_by(decisions.c.transfer_id)
        .limit(limit)
    ).mappings()
    items = [transfer_request(row) for row in found]
    return Page(items=items, next_cursor=items[-1].transfer_id if len(items) == limit else None)


def list_entries(connection: Connection, account_id: str, *, before: int | None, limit: int) -> Page[Entry]:
    """Newest first, from the entry before the one with id `before` on."""
    query = select(entries).where(entries.c.account_id == account_id).order_by(entries.c.id.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(entries.c.id < before)
    found = connection.execute(query).mappings().all()
    items = [Entry.model_validate({name: row[name] for name in Entry.model_fields}) for row in found[:limit]]
    return Page(items=items, next_cursor=encode_cursor(found[limit - 1]["id"]) if len(found) > limit else None)


def encode_cursor(entry_id: int) -> str:
    return urlsafe_b64encode(f"entry-{entry_id}".encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> int:
    """Raises ValueError where the text isn't one that `encode_cursor` made."""
    text = b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    entry_id = int(text.removeprefix("entry-"))
    if not 0 < entry_id <= _MAX_BIGINT or encode_cursor(entry_id) != cursor:
        raise ValueError("not a cursor")
    return entry_id
