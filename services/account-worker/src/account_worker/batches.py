"""Batches as account-api stores and reads them. The stored order is a batch's one truth: its steps only name positions.

A range of positions is a range of ids, so the transfers' own key finds a batch, a part of it, or a page.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection, RowMapping, select, text
from sqlalchemy.dialects.postgresql import insert as insert_unless_there
from transfer_contract.batches import (
    Batch,
    BatchItems,
    BatchOrder,
    BatchProgress,
    BatchStored,
    BatchTotal,
    Ranges,
    position_of,
    ranges_of,
    transfer_id_in,
)
from transfer_contract.http import Page, TransferRows
from transfer_contract.transfers import TransferRequest

from account_worker.models import batches, rows_of, transfer_rows, transfers
from account_worker.queries import IN_A_BATCH, TransferFilter, matching

_COPY: Final = """
    COPY transfers (transfer_id, fingerprint, source_account, destination_account, amount_minor, currency, reference,
                    scenario, created_at) FROM STDIN
"""

_TOTALS = text("""
    SELECT currency, coalesce(final_status, CASE
               WHEN withdraw.decision IS NULL AND deposit.decision IS NULL THEN 'accepted'
               WHEN withdraw.decision IN ('cancelled', 'compensated')
                    OR deposit.decision IN ('rejected', 'cancelled', 'compensated') THEN 'compensating'
               ELSE 'running' END) AS status,
           count(*) AS transfers, sum(amount_minor) AS amount_minor, max(finished_at) AS finished_at
    FROM transfers
    LEFT JOIN decisions withdraw ON final_status IS NULL
        AND withdraw.transfer_id = transfers.transfer_id AND withdraw.step = 'withdraw'
    LEFT JOIN decisions deposit ON final_status IS NULL
        AND deposit.transfer_id = transfers.transfer_id AND deposit.step = 'deposit'
    WHERE transfers.transfer_id BETWEEN :first AND :last
    GROUP BY 1, 2 ORDER BY 1, 2
""")

_BY_KEY: Final = "SET LOCAL enable_seqscan = off; SET LOCAL max_parallel_workers_per_gather = 0"
"""For the totals, which a client may ask for every second. The planner takes a batch for a large part of all transfers
where it has last looked before there were many, and reads all of them, with two processes more."""

_UNFINISHED = text("""
    SELECT * FROM batches
    WHERE batch_id IN (
        SELECT left(transfer_id, 36) FROM transfers
        WHERE final_status IS NULL AND created_at < :before AND transfer_id LIKE :in_a_batch
    ) AND batch_id > :after
    ORDER BY batch_id LIMIT :limit
""")

_REQUESTS = text("""
    SELECT coalesce(json_agg(asked), '[]')::text FROM (
        SELECT transfer_id, source_account, destination_account, amount_minor, currency, reference, scenario,
               created_at
        FROM unnest(CAST(:firsts AS text[]), CAST(:lasts AS text[])) AS range (first, last)
        JOIN transfers ON transfer_id BETWEEN first AND last
        ORDER BY transfer_id
    ) AS asked
""")


def store_batch(connection: Connection, order: BatchOrder) -> BatchStored | None:
    """The batch with all of its transfers, or nothing. None where its key belongs to another order (rule 3)."""
    batch = Batch(
        batch_id=order.batch_id,
        total=len(order.transfers),
        reference=order.reference,
        created_at=datetime.now(UTC),
    )
    values = batch.model_dump() | {"fingerprint": order.fingerprint}
    statement = insert_unless_there(batches).values(values).on_conflict_do_nothing().returning(batches.c.batch_id)
    if connection.scalar(statement) is None:
        return _stored_before(connection, order)
    with connection.connection.cursor() as cursor, cursor.copy(_COPY) as copy:  # type: ignore[attr-defined] # psycopg's
        for transfer in order.orders():
            transfer_id, *asked = vars(transfer).values()
            copy.write_row((transfer_id, transfer.fingerprint, *asked, batch.created_at))
    return BatchStored(**dict(_progress(connection, batch)), replayed=False)


def _stored_before(connection: Connection, order: BatchOrder) -> BatchStored | None:
    row = _find(connection, order.batch_id)
    if row is None or row["fingerprint"] != order.fingerprint:
        return None
    return BatchStored(**dict(_progress(connection, _batch(row))), replayed=True)


def find_progress(connection: Connection, batch_id: str) -> BatchProgress | None:
    row = _find(connection, batch_id)
    return _progress(connection, _batch(row)) if row else None


def unfinished_batches(connection: Connection, *, before: datetime, after: str, limit: int) -> Page[Batch]:
    """Those that were ordered before and have a transfer that isn't final, by id; the cursor is the last one's."""
    asked = {"before": before, "after": after, "limit": limit, "in_a_batch": IN_A_BATCH}
    items = [_batch(row) for row in connection.execute(_UNFINISHED, asked).mappings()]
    return Page(items=items, next_cursor=items[-1].batch_id if len(items) == limit else None)


def unfinished_positions(connection: Connection, batch_id: str) -> Ranges:
    """Where its transfers stand that aren't final."""
    id_ = transfers.c.transfer_id
    in_batch = (id_ >= transfer_id_in(batch_id, 1), id_ <= _last_id(batch_id))
    query = select(id_).where(*in_batch, transfers.c.final_status.is_(None))
    return ranges_of(map(position_of, connection.scalars(query)))


def list_transfers(
    connection: Connection, batch_id: str, wanted: TransferFilter, *, after: int, limit: int
) -> Page[TransferRows]:
    """In the order in which they were given; the cursor is the last one's position."""
    query = transfers.select().add_columns(rows_of(transfers.c.transfer_id)).order_by(transfers.c.transfer_id)
    from_here = transfers.c.transfer_id >= transfer_id_in(batch_id, after + 1)
    in_batch = transfers.c.transfer_id <= _last_id(batch_id)
    query = query.where(from_here, in_batch, *matching(wanted)).limit(limit + 1)
    items = [transfer_rows(row) for row in connection.execute(query).mappings()]
    goes_on = len(items) > limit
    last = items[limit - 1].transfer.transfer_id if goes_on else None
    return Page(items=items[:limit], next_cursor=str(position_of(last)) if last else None)


def requests_as_json(connection: Connection, items: BatchItems) -> str:
    """A list of `TransferRequest`, as PostgreSQL writes it: the ledger reads a chunk of a batch here."""
    firsts = [transfer_id_in(items.batch_id, first) for first, _ in items.positions]
    lasts = [transfer_id_in(items.batch_id, last) for _, last in items.positions]
    return str(connection.scalar(_REQUESTS, {"firsts": firsts, "lasts": lasts}))


def with_scenario(connection: Connection, transfer_ids: Collection[str]) -> list[TransferRequest]:
    """Demo only: those that ask for a fault."""
    query = text("""
        SELECT transfers.* FROM unnest(CAST(:ids AS text[])) AS asked (transfer_id) JOIN transfers USING (transfer_id)
        WHERE scenario IS NOT NULL
    """)
    found = connection.execute(query, {"ids": list(transfer_ids)}).mappings()
    return [TransferRequest.model_validate(dict(row)) for row in found]


def _find(connection: Connection, batch_id: str) -> RowMapping | None:
    return connection.execute(batches.select().where(batches.c.batch_id == batch_id)).mappings().one_or_none()


def _batch(row: RowMapping) -> Batch:
    return Batch.model_validate(dict(row))


def _progress(connection: Connection, batch: Batch) -> BatchProgress:
    span = {"first": transfer_id_in(batch.batch_id, 1), "last": _last_id(batch.batch_id)}
    connection.exec_driver_sql(_BY_KEY)
    found = connection.execute(_TOTALS, span).mappings().all()
    totals = [BatchTotal.model_validate(dict(row)) for row in found]
    is_finished = all(total.status.is_final for total in totals)
    finished_at = max(row["finished_at"] for row in found) if is_finished else None
    return BatchProgress(batch=batch, totals=totals, finished_at=finished_at)


def _last_id(batch_id: str) -> str:
    return transfer_id_in(batch_id, 99_999)
