"""What reconciliation reads with: the hashes that it adds up, and an index that holds the running balances in order.

The hashes are the same functions in the accounts' database; PostgreSQL's own hash is the same everywhere.
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

# What the accounts tell, as they wrote it.
FINAL_TRANSFERS = """
    CREATE FUNCTION final_transfers(told json) RETURNS TABLE (
        transfer_id text, status text, deposit_shut boolean, source_account text, destination_account text,
        amount_minor bigint, currency text
    ) LANGUAGE sql IMMUTABLE AS $$
        SELECT * FROM json_to_recordset(told) AS its (
            transfer_id text COLLATE "C", status text, deposit_shut boolean, source_account text COLLATE "C",
            destination_account text COLLATE "C", amount_minor bigint, currency text)
    $$
"""

ENTRIES_OF_ACCOUNT = """
    CREATE INDEX entries_of_account ON entries (account_id, id) INCLUDE (amount_minor, balance_after_minor)
"""


def upgrade() -> None:
    for statement in (
        BUCKET_OF,
        ENTRY_HASH,
        REFUSAL_HASH,
        FINAL_TRANSFERS,
        "DROP INDEX entries_of_account",
        ENTRIES_OF_ACCOUNT,
    ):
        op.execute(statement)
