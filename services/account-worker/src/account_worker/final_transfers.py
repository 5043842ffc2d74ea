"""The final transfers that the ledger is judged by one by one, where digests don't tell (rule 14)."""

from sqlalchemy import Connection, text
from transfer_contract.http import BUCKETS, FinalTransfers, FinalTransfersQuery

_PAGE = text("""
    WITH page AS (
        SELECT * FROM transfers
        WHERE final_status IS NOT NULL AND transfer_id > :after AND bucket_of(transfer_id, :of) = ANY(:buckets)
        ORDER BY transfer_id LIMIT :limit
    ), told AS (
        SELECT transfer_id, final_status AS status, source_account, destination_account, amount_minor, currency,
               EXISTS (SELECT FROM decisions WHERE decisions.transfer_id = page.transfer_id AND step = 'deposit'
                       AND decision IN ('rejected', 'cancelled')) AS deposit_shut
        FROM page
    )
    SELECT coalesce(json_agg(told), '[]')::text AS transfers, count(*) AS size, max(transfer_id) AS last FROM told
""")


def final_transfers(connection: Connection, wanted: FinalTransfersQuery) -> FinalTransfers:
    """By id. They are final now: the ledger is asked for them afterwards, never before."""
    found = connection.execute(_PAGE, {"of": BUCKETS, **wanted.model_dump()}).one()
    return FinalTransfers(transfers=found.transfers, last=found.last if found.size == wanted.limit else None)
