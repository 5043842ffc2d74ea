"""Batches: a batch and all of its transfers are stored when it is ordered, before any step."""

from alembic import op

revision = "0003"
down_revision = "0002"

BATCHES = """
    CREATE TABLE batches (
        batch_id text COLLATE "C" PRIMARY KEY,
        fingerprint text NOT NULL,
        reference text,
        total integer NOT NULL CHECK (total > 0),
        created_at timestamptz NOT NULL
    )
"""

# What a batch has only ordered has no rows yet, and nothing is to be said of it; any other transfer has some.
TRANSFER_DECISIONS = """
    CREATE OR REPLACE VIEW transfer_decisions AS
    SELECT t.transfer_id, t.source_account, t.destination_account, t.amount_minor, t.currency, t.final_status,
           withdraw.decision AS withdraw, deposit.decision AS deposit, release.decision AS release
    FROM transfers t
    LEFT JOIN decisions withdraw ON withdraw.transfer_id = t.transfer_id AND withdraw.step = 'withdraw'
    LEFT JOIN decisions deposit ON deposit.transfer_id = t.transfer_id AND deposit.step = 'deposit'
    LEFT JOIN decisions release ON release.transfer_id = t.transfer_id AND release.step = 'release'
    WHERE coalesce(withdraw.decision, deposit.decision, release.decision) IS NOT NULL
       OR NOT EXISTS (SELECT FROM batches WHERE batch_id = left(t.transfer_id, -6))
"""


def upgrade() -> None:
    for statement in (BATCHES, TRANSFER_DECISIONS):
        op.execute(statement)
