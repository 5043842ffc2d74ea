"""Books of any size, written set-based as rows past the services: for what is measured on a million entries.

`python tests/loader.py ACCOUNTS_URL LEDGER_URL COMPLETED` loads into databases that stand already, migrated.
"""

import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg
from transfer_contract.identity import opening_transfer_id, treasury_of

CURRENCY: Final = "EUR"
OPENING_MINOR: Final = 10**9
"""More than an account can spend: no order of its transfers brings it below zero."""

SECONDS_BETWEEN: Final = 0.04

_LOADED: Final = """
    CREATE TEMP TABLE loaded AS
    SELECT number, transfer_id, encode(sha256(transfer_id::bytea), 'hex') AS fingerprint, source_account,
           destination_account, amount_minor, %(currency)s::text AS currency, created_at, outcome,
           json_build_object('attempt', 1, 'scheduled_at', created_at + interval '20 ms', 'decided_at', decided_at,
                             'error', NULL, 'worker', 'worker@loaded:1')::jsonb AS attempt,
           decided_at
    FROM (
        SELECT number - %(accounts)s AS number, opening AS transfer_id, %(treasury)s::text AS source_account,
               account AS destination_account, %(opening_minor)s::bigint AS amount_minor, 'completed' AS outcome,
               %(began_at)s::timestamptz AS created_at
        FROM unnest(%(account_ids)s::text[], %(opening_ids)s::text[]) WITH ORDINALITY AS o (account, opening, number)
        UNION ALL
        SELECT number, md5(%(prefix)s || number)::uuid::text, %(prefix)s || (number * 7919 %% %(accounts)s),
               %(prefix)s || ((number * 7919 + 1 + number %% (%(accounts)s - 1)) %% %(accounts)s),
               1 + number %% 1000, CASE number %% 10 WHEN 3 THEN 'rejected' WHEN 7 THEN 'compensated'
                                                     ELSE 'completed' END,
               %(began_at)s::timestamptz + number * %(between)s::interval
        FROM generate_series(1::bigint, %(transfers)s) AS number
    ) AS made, LATERAL (SELECT created_at + interval '50 ms' AS decided_at) AS decided
"""
_STORE: Final = """
    INSERT INTO transfers (transfer_id, fingerprint, source_account, destination_account, amount_minor, currency,
                           created_at{more})
    SELECT transfer_id, fingerprint, source_account, destination_account, amount_minor, currency, created_at{values}
    FROM loaded {where} ORDER BY number
"""

_IN_ACCOUNTS: Final = (
    """INSERT INTO accounts (id, kind, owner, currency, opening_balance_minor) VALUES (%(treasury)s, 'treasury',
       'treasury', %(currency)s, 0) ON CONFLICT DO NOTHING""",
    """INSERT INTO accounts (id, kind, owner, currency, opening_balance_minor)
       SELECT account, 'customer', 'Loaded', %(currency)s, %(opening_minor)s
       FROM unnest(%(account_ids)s::text[]) account""",
    _STORE.format(more=", final_status, finished_at", values=", outcome, decided_at", where=""),
    """INSERT INTO decisions (transfer_id, step, decision, forward, compensation, failure)
        SELECT transfer_id, step, CASE outcome WHEN 'completed' THEN 'applied' ELSE outcome END,
               CASE outcome WHEN 'rejected' THEN attempt || '{"error": {"code": "insufficient_funds", "detail": ""}}'
                            ELSE attempt END,
               CASE outcome WHEN 'compensated' THEN attempt END,
               CASE WHEN outcome = 'compensated' AND step = 'withdraw'
                    THEN '{"code": "ledger_rejected", "detail": "loaded", "step": "record", "attempts": 1}'::jsonb END
        FROM loaded, unnest(CASE outcome WHEN 'completed' THEN ARRAY['withdraw', 'deposit', 'release']
                                         WHEN 'rejected' THEN ARRAY['withdraw']
                                         ELSE ARRAY['withdraw', 'deposit'] END) AS step
        ORDER BY number""",
    """UPDATE accounts SET balance_minor = balance_minor + moved FROM (
           SELECT account, sum(amount) AS moved FROM loaded, LATERAL (VALUES (source_account, -amount_minor),
               (destination_account, amount_minor)) AS its (account, amount)
           WHERE outcome = 'completed' GROUP BY account) AS sums
       WHERE id = account""",
)
_IN_LEDGER: Final = (
    """INSERT INTO ledger_accounts (id, currency) SELECT account, %(currency)s
       FROM unnest(%(account_ids)s::text[] || %(treasury)s::text) AS account ON CONFLICT DO NOTHING""",
    _STORE.format(more="", values="", where="WHERE outcome <> 'rejected'"),
    """INSERT INTO decisions (transfer_id, decision, forward)
        SELECT transfer_id, CASE outcome WHEN 'completed' THEN 'applied' ELSE 'rejected' END,
               CASE outcome WHEN 'completed' THEN attempt
                            ELSE attempt || '{"error": {"code": "ledger_rejected", "detail": "loaded"}}' END
        FROM loaded WHERE outcome <> 'rejected' ORDER BY number""",
    """INSERT INTO entries (transfer_id, account_id, amount_minor, balance_after_minor, currency, created_at)
       SELECT transfer_id, account, amount, balance_minor + sum(amount) OVER (PARTITION BY account ORDER BY number),
              loaded.currency, decided_at
       FROM loaded, LATERAL (VALUES (source_account, -amount_minor), (destination_account, amount_minor))
            AS its (account, amount), LATERAL (SELECT balance_minor FROM ledger_accounts WHERE id = account) AS before
       WHERE outcome = 'completed' ORDER BY number""",
    """UPDATE ledger_accounts SET balance_minor = balance_minor + moved
       FROM (SELECT account_id, sum(entries.amount_minor) AS moved FROM entries JOIN loaded USING (transfer_id)
             GROUP BY account_id) AS sums WHERE id = account_id""",
)


@dataclass(frozen=True)
class Load:
    """`completed` transfers, with two entries each; for eight of them one that was rejected and one compensated.

    Two loads into the same databases need two prefixes: ids of accounts and transfers follow from it.
    """

    completed: int
    accounts: int = 1000
    prefix: str = "loaded-"

    @property
    def transfers(self) -> int:
        return self.completed * 10 // 8

    def transfer_ids(self, connection: psycopg.Connection[Any], *numbers: int) -> list[str]:
        """By their numbers, from 1; those that end in 3 are rejected, in 7 compensated."""
        query = "SELECT md5(%s || number)::uuid::text FROM unnest(%s::bigint[]) WITH ORDINALITY AS n (number, place)"
        return [row[0] for row in connection.execute(query + " ORDER BY place", (self.prefix, [*numbers]))]


def load(accounts_url: str, ledger_url: str, wanted: Load) -> None:
    """Into databases that are migrated, as a superuser: triggers and foreign keys would look at each row."""
    account_ids = [f"{wanted.prefix}{number}" for number in range(wanted.accounts)]
    values = {
        "currency": CURRENCY,
        "treasury": treasury_of(CURRENCY),
        "account_ids": account_ids,
        "opening_ids": [opening_transfer_id(account) for account in account_ids],
        "opening_minor": OPENING_MINOR,
        "accounts": wanted.accounts,
        "transfers": wanted.transfers,
        "prefix": wanted.prefix,
        "between": timedelta(seconds=SECONDS_BETWEEN),
        "began_at": datetime.now(UTC) - timedelta(seconds=SECONDS_BETWEEN * (wanted.transfers + 100)),
    }
    for url, statements in ((accounts_url, _IN_ACCOUNTS), (ledger_url, _IN_LEDGER)):
        with psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://"), autocommit=True) as connection:
            with connection.transaction():
                connection.execute("SET LOCAL session_replication_role = replica")
                for statement in (_LOADED, *statements):
                    connection.execute(statement.encode(), values if "%(" in statement else None)
            connection.execute("VACUUM (ANALYZE)")


if __name__ == "__main__":
    load(sys.argv[1], sys.argv[2], Load(completed=int(sys.argv[3])))
