"""Transfers, decisions, accounts, entries. Plain SQL: this is what stands in the database, guard by guard."""

from alembic import op

revision = "0001"
down_revision = None

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
        created_at timestamptz NOT NULL
    )
"""

DECISIONS = """
    CREATE TABLE decisions (
        transfer_id text COLLATE "C" PRIMARY KEY REFERENCES transfers,
        decision text NOT NULL CHECK (decision IN ('applied', 'rejected', 'cancelled')),
        forward jsonb,
        compensation jsonb,
        CONSTRAINT written_by_record CHECK ((forward IS NOT NULL) = (decision <> 'cancelled')),
        CONSTRAINT written_by_its_compensation CHECK ((compensation IS NOT NULL) = (decision = 'cancelled'))
    )
"""

LEDGER_ACCOUNTS = """
    CREATE TABLE ledger_accounts (
        id text COLLATE "C" PRIMARY KEY,
        currency text,
        balance_minor bigint NOT NULL DEFAULT 0,
        UNIQUE (id, currency)
    )
"""

# The foreign key keeps an account's entries in one currency: the account has one, and can't change it any more.
ENTRIES = """
    CREATE TABLE entries (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        transfer_id text COLLATE "C" NOT NULL,
        account_id text COLLATE "C" NOT NULL,
        amount_minor bigint NOT NULL CHECK (amount_minor <> 0),
        balance_after_minor bigint NOT NULL,
        currency text NOT NULL,
        created_at timestamptz NOT NULL,
        UNIQUE (transfer_id, account_id),
        FOREIGN KEY (account_id, currency) REFERENCES ledger_accounts (id, currency)
    )
"""

ENTRIES_OF_ACCOUNT = "CREATE INDEX entries_of_account ON entries (account_id, id)"

REFUSE_CHANGE = """
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
    END $$
"""

# A stored request is locked by an update that changes no row, so its trigger looks at rows.
APPEND_ONLY = (
    "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entries EXECUTE FUNCTION refuse_change()",
    "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON decisions EXECUTE FUNCTION refuse_change()",
    "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON transfers FOR EACH ROW EXECUTE FUNCTION refuse_change()",
)

# A trigger sees all that its statement wrote in either table, and nothing of the next one. So the two checks together
# demand that an applied row and its entries are written by one statement.
CHECK_NEW_ENTRIES = """
    CREATE FUNCTION check_new_entries() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE wrong text;
    BEGIN
        SELECT transfer_id INTO wrong FROM new_entries
        GROUP BY transfer_id, currency HAVING sum(amount_minor) <> 0 LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'entries of transfer % do not sum to zero', wrong USING ERRCODE = 'check_violation';
        END IF;

        SELECT transfer_id INTO wrong FROM new_entries GROUP BY transfer_id
        HAVING count(*) <> (SELECT count(*) FROM entries WHERE entries.transfer_id = new_entries.transfer_id) LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'transfer % has entries already', wrong USING ERRCODE = 'check_violation';
        END IF;

        SELECT transfer_id INTO wrong FROM new_entries LEFT JOIN decisions USING (transfer_id)
        WHERE decision IS DISTINCT FROM 'applied' LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'transfer % is not applied, but has entries', wrong USING ERRCODE = 'check_violation';
        END IF;
        RETURN NULL;
    END $$
"""

CHECK_NEW_DECISIONS = """
    CREATE FUNCTION check_new_decisions() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE wrong text;
    BEGIN
        SELECT transfer_id INTO wrong FROM new_decisions LEFT JOIN entries USING (transfer_id)
        WHERE decision = 'applied' AND entries.id IS NULL LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'transfer % is applied, but has no entries', wrong USING ERRCODE = 'check_violation';
        END IF;
        RETURN NULL;
    END $$
"""

DOUBLE_ENTRY = (
    """CREATE TRIGGER double_entry AFTER INSERT ON entries
       REFERENCING NEW TABLE AS new_entries EXECUTE FUNCTION check_new_entries()""",
    """CREATE TRIGGER double_entry AFTER INSERT ON decisions
       REFERENCING NEW TABLE AS new_decisions EXECUTE FUNCTION check_new_decisions()""",
)


def upgrade() -> None:
    for statement in (TRANSFERS, DECISIONS, LEDGER_ACCOUNTS, ENTRIES, ENTRIES_OF_ACCOUNT):
        op.execute(statement)
    for statement in (REFUSE_CHANGE, *APPEND_ONLY, CHECK_NEW_ENTRIES, CHECK_NEW_DECISIONS, *DOUBLE_ENTRY):
        op.execute(statement)
