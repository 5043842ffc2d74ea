"""What reconciliation reads with: the hashes that it adds up, and the transfers that it looks at one by one.

The hashes are the same functions in the ledger's database; PostgreSQL's own hash is the same everywhere.
"""

from alembic import op

revision = "0002"
down_revision = "0001"

BUCKET_OF = """
    CREATE FUNCTION bucket_of(transfer_id text, buckets integer) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT hashtextextended(transfer_id, 0) & (buckets - 1) $$
"""

# A quarter of what a bigint holds, so that the hashes of two entries may be added.
ENTRY_HASH = """
    CREATE FUNCTION entry_hash(transfer_id text, account_id text, amount_minor bigint, currency text) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT hashtextextended(account_id, hashtextextended(currency,
                                hashtextextended(transfer_id, amount_minor))) >> 2
    $$
"""

# Of a record that isn't applied: a bigint's quarter, too.
REFUSAL_HASH = """
    CREATE FUNCTION refusal_hash(transfer_id text) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT hashtextextended(transfer_id, 1) >> 2 $$
"""

LOOKED_AT = """
    CREATE FUNCTION looked_at(wrong_buckets bigint[], buckets integer) RETURNS SETOF transfer_decisions
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
        SELECT * FROM transfer_decisions WHERE final_status IS NULL
        UNION ALL
        SELECT * FROM transfer_decisions
        WHERE final_status IS NOT NULL AND bucket_of(transfer_id, buckets) = ANY(wrong_buckets)
    $$
"""


def upgrade() -> None:
    for statement in (BUCKET_OF, ENTRY_HASH, REFUSAL_HASH, LOOKED_AT):
        op.execute(statement)
