"""Accounts, transfers, decision rows. Plain SQL: this is what stands in the database, constraint by constraint."""

from alembic import op

revision = "0001"
down_revision = None

ACCOUNTS = """
    CREATE TABLE accounts (
        id text COLLATE "C" PRIMARY KEY,
        kind text NOT NULL CHECK (kind IN ('customer', 'treasury')),
        owner text NOT NULL,
        currency text NOT NULL,
        balance_minor bigint NOT NULL DEFAULT 0,
        held_minor bigint NOT NULL DEFAULT 0,
        opening_balance_minor bigint NOT NULL CHECK (opening_balance_minor >= 0),
        status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'closed')),
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT held_not_below_zero CHECK (held_minor >= 0),
        CONSTRAINT customer_not_below_zero CHECK (balance_minor >= 0 OR kind = 'treasury'),
        CONSTRAINT closed_is_empty CHECK (status = 'open' OR (balance_minor = 0 AND held_minor = 0))
    )
"""

# No foreign key to accounts: an unknown account must be storable (rule 2).
TRANSFERS = """
    CREATE TABLE transfers (
        transfer_id text COLLATE "C" PRIMARY KEY,
        fingerprint text NOT NULL,
        source_account text COLLATE "C" NOT NULL,
        destination_account text COLLATE "C" NOT NULL,
        amount_minor bigint NOT NULL CHECK (amount_minor > 0),
        currency text NOT NULL,
        reference text,
        scenario text,
        created_at timestamptz NOT NULL,
        final_status text CHECK (final_status IN ('completed', 'rejected', 'compensated')),
        finished_at timestamptz,
        CONSTRAINT finished_when_final CHECK ((final_status IS NULL) = (finished_at IS NULL))
    )
"""

DECISIONS = """
    CREATE TABLE decisions (
        transfer_id text COLLATE "C" REFERENCES transfers,
        step text CHECK (step IN ('withdraw', 'deposit', 'release')),
        decision text NOT NULL,
        forward jsonb,
        compensation jsonb,
        failure jsonb,
        PRIMARY KEY (transfer_id, step),
        CONSTRAINT decision_of_step CHECK (
            decision = 'applied'
            OR decision IN ('rejected', 'cancelled', 'compensated') AND step IN ('withdraw', 'deposit')
        ),
        CONSTRAINT written_by_somebody CHECK (forward IS NOT NULL OR compensation IS NOT NULL),
        CONSTRAINT failure_stands_in_withdraw CHECK (failure IS NULL OR step = 'withdraw')
    )
"""

# One index for each way in which transfers are listed, all newest first. Account lists are a union of two.
INDEXES = """
    CREATE INDEX transfers_newest ON transfers (created_at, transfer_id);
    CREATE INDEX transfers_not_final ON transfers (created_at, transfer_id) WHERE final_status IS NULL;
    CREATE INDEX transfers_by_status ON transfers (final_status, created_at, transfer_id)
        WHERE final_status IS NOT NULL;
    CREATE INDEX transfers_by_source ON transfers (source_account, created_at, transfer_id);
    CREATE INDEX transfers_by_destination ON transfers (destination_account, created_at, transfer_id)
"""

TRANSFER_DECISIONS = """
    CREATE VIEW transfer_decisions AS
    SELECT t.transfer_id, t.source_account, t.destination_account, t.amount_minor, t.currency, t.final_status,
           withdraw.decision AS withdraw, deposit.decision AS deposit, release.decision AS release
    FROM transfers t
    LEFT JOIN decisions withdraw ON withdraw.transfer_id = t.transfer_id AND withdraw.step = 'withdraw'
    LEFT JOIN decisions deposit ON deposit.transfer_id = t.transfer_id AND deposit.step = 'deposit'
    LEFT JOIN decisions release ON release.transfer_id = t.transfer_id AND release.step = 'release'
"""

# Demo only: transfers whose scenario `compensation_fails` an operator has ended.
LIFTED_FAULTS = "CREATE TABLE lifted_faults (transfer_id text PRIMARY KEY)"


def upgrade() -> None:
    for statement in (ACCOUNTS, TRANSFERS, DECISIONS, *INDEXES.split(";"), TRANSFER_DECISIONS, LIFTED_FAULTS):
        op.execute(statement)
