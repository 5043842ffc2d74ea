"""What account-api reads: accounts and transfers, one or a page. An index finds every page, however long the list."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from service_runtime.database import Statement
from sqlalchemy import ColumnElement, Connection, FromClause, Select, select, tuple_, union
from transfer_contract.http import Account, Page, TransferCursor, TransferRows
from transfer_contract.steps import FinalStatus

from account_worker.models import account, accounts, among, rows_of, transfer_rows, transfers

IN_A_BATCH: Final = "________-____-____-____-____________-_____"
"""The form of an id that belongs to a batch, as LIKE knows it."""

_FIND_TRANSFER: Final = Statement("""
    SELECT json_build_object(
        'transfer', to_json(transfers),
        'rows', (
            SELECT coalesce(
                json_agg(decisions ORDER BY array_position(ARRAY['withdraw', 'deposit', 'release'], step)), '[]'
            ) FROM decisions WHERE decisions.transfer_id = transfers.transfer_id
        ),
        'final_status', final_status,
        'finished_at', finished_at
    )::text
    FROM transfers WHERE transfer_id = %(transfer_id)s
""")
"""A request reads it up to three times, so it isn't built from tables' columns: that takes three times as long."""


@dataclass(frozen=True)
class TransferFilter:
    """Each None lets everything through."""

    is_final: bool | None = None
    status: FinalStatus | None = None
    account: str | None = None
    after: TransferCursor | None = None
    oldest_first: bool = False
    of_batches: bool | None = None
    """False: those that somebody asked for one by one."""


def find_account(connection: Connection, account_id: str) -> Account | None:
    row = connection.execute(select(accounts).where(accounts.c.id == account_id)).mappings().one_or_none()
    return account(row) if row else None


def list_accounts(connection: Connection, *, after: str | None, limit: int) -> Page[Account]:
    """By id; the cursor is the last one's."""
    query = select(accounts).order_by(accounts.c.id).limit(limit + 1)
    if after is not None:
        query = query.where(accounts.c.id > after)
    items = [account(row) for row in connection.execute(query).mappings()]
    return Page(items=items[:limit], next_cursor=items[limit - 1].id if len(items) > limit else None)


def find_transfer(connection: Connection, transfer_id: str) -> TransferRows | None:
    found = _FIND_TRANSFER.run(connection, transfer_id=transfer_id)
    return TransferRows.model_validate_json(found[0][0]) if found else None


def known_transfers(connection: Connection, transfer_ids: Collection[str]) -> list[str]:
    """Those that have a row."""
    query = select(transfers.c.transfer_id).where(among(transfers.c.transfer_id, transfer_ids))
    return list(connection.scalars(query))


def final_transfers(connection: Connection, transfer_ids: Collection[str]) -> list[str]:
    """Those that are final."""
    asked = among(transfers.c.transfer_id, transfer_ids)
    return list(connection.scalars(select(transfers.c.transfer_id).where(asked, transfers.c.final_status.is_not(None))))


def list_transfers(connection: Connection, wanted: TransferFilter, *, limit: int) -> Page[TransferRows]:
    """Newest first by (created_at, transfer_id), or the other way round."""
    found = connection.execute(transfer_page(wanted, limit=limit + 1)).mappings()
    items = [transfer_rows(row) for row in found]
    return Page(items=items[:limit], next_cursor=_cursor(items[limit - 1]) if len(items) > limit else None)


def transfer_page(wanted: TransferFilter, *, limit: int) -> Select[tuple[object, ...]]:
    """An account's transfers are two lists, as source and as destination, each in the order of its own index."""
    conditions = matching(wanted)
    if wanted.account is None:
        page = _first(transfers, conditions, wanted, limit).subquery("page")
    else:
        sides = (transfers.c.source_account, transfers.c.destination_account)
        parts = [_first(transfers, [*conditions, side == wanted.account], wanted, limit).subquery() for side in sides]
        both = union(*(select(part) for part in parts)).subquery("both_sides")
        page = _first(both, [], wanted, limit).subquery("page")
    return select(page, rows_of(page.c.transfer_id)).order_by(*_order(page, wanted))


def matching(wanted: TransferFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.is_final is not None:
        status = transfers.c.final_status
        conditions.append(status.is_not(None) if wanted.is_final else status.is_(None))
    if wanted.status is not None:
        conditions.append(transfers.c.final_status == wanted.status)
    if wanted.of_batches is not None:
        in_a_batch = transfers.c.transfer_id.like(IN_A_BATCH)
        conditions.append(in_a_batch if wanted.of_batches else ~in_a_batch)
    if wanted.after is not None:
        position = tuple_(transfers.c.created_at, transfers.c.transfer_id)
        last = (wanted.after.created_at, wanted.after.transfer_id)
        conditions.append(position > last if wanted.oldest_first else position < last)
    return conditions


def _first(
    source: FromClause, conditions: Sequence[ColumnElement[bool]], wanted: TransferFilter, limit: int
) -> Select[tuple[object, ...]]:
    return select(source).where(*conditions).order_by(*_order(source, wanted)).limit(limit)


def _order(source: FromClause, wanted: TransferFilter) -> list[ColumnElement[object]]:
    columns = (source.c.created_at, source.c.transfer_id)
    return [column.asc() if wanted.oldest_first else column.desc() for column in columns]


def _cursor(item: TransferRows) -> str:
    return TransferCursor(created_at=item.transfer.created_at, transfer_id=item.transfer.transfer_id).encode()
