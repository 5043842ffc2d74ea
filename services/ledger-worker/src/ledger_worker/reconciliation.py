"""The ledger judged by its own rows, in one snapshot: what its triggers keep from happening, and the running balances.

Rows are many, and nearly all of them are right. So one pass over them proves that, bucket by bucket; in a bucket whose
proof fails, the rows of each transfer are looked at. Nothing is remembered between two calls.
"""

from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Engine, text
from transfer_contract.http import BUCKETS, Discrepancy, LedgerReconciliation

DISCREPANCIES_SHOWN: Final = 100
"""Of transfers, and of accounts, in the whole ledger: one is an alarm already, and a thousand are no clearer."""

READ_WHOLE: Final = text("SELECT set_config('jit', 'off', true), set_config('work_mem', '32MB', true)")
"""Compiling these queries takes longer than running them, and what they sort and hash isn't written to disk first."""


class Kind(StrEnum):
    """The stable words for what must not be."""

    RECORD_CONTRADICTS_STATUS = "record_contradicts_status"
    ACCOUNT_CONTRADICTS_LEDGER = "account_contradicts_ledger"
    ENTRIES_NOT_AS_ASKED = "entries_not_as_asked"
    ENTRIES_WITHOUT_RECORD = "entries_without_record"
    ENTRIES_NOT_ZERO = "entries_not_zero"
    RECORD_WITHOUT_TRANSFER = "record_without_transfer"
    TRANSFER_WITHOUT_RECORD = "transfer_without_record"
    BALANCE_NOT_FROM_ENTRIES = "balance_not_from_entries"
    RUNNING_BALANCE_NOT_FROM_ENTRIES = "running_balance_not_from_entries"


_BUCKETS = text("""
    WITH asked AS NOT MATERIALIZED (
        SELECT transfer_id, entry_hash(transfer_id, source_account, -amount_minor, currency)
                            + entry_hash(transfer_id, destination_account, amount_minor, currency) AS hash
        FROM transfers
    ), hashed AS (
        SELECT transfer_id, entry_hash(transfer_id, account_id, amount_minor, currency) AS entered, 0 AS asked,
               0 AS refused, 0 AS records
        FROM entries
        UNION ALL
        SELECT transfer_id, 0, hash, 0, 1 FROM asked
        UNION ALL
        SELECT transfer_id, 0, -hash, 0, 0 FROM asked JOIN decisions USING (transfer_id) WHERE decision <> 'applied'
        UNION ALL
        SELECT transfer_id, 0, 0, CASE WHEN decision = 'applied' THEN 0 ELSE refusal_hash(transfer_id) END, -1
        FROM decisions
    )
    SELECT bucket_of(transfer_id, :of) AS bucket, sum(entered) + sum(refused) AS digest,
           sum(entered) <> sum(asked) OR sum((hashtextextended(transfer_id, 0) >> 16) * records) <> 0 AS is_wrong
    FROM hashed GROUP BY bucket
""")
"""Each transfer has one record, and the two entries that it asked for where that is applied, none where it isn't."""

_WRONG_TRANSFERS = text("""
    WITH entered AS (
        SELECT transfer_id, sum(amount_minor) AS total, count(*) AS entries
        FROM entries WHERE bucket_of(transfer_id, :of) = ANY(:buckets) GROUP BY transfer_id
    ), fitting AS (
        SELECT transfer_id, count(*) AS as_asked FROM entries JOIN transfers AS asked USING (transfer_id)
        WHERE bucket_of(transfer_id, :of) = ANY(:buckets) AND entries.currency = asked.currency
              AND (account_id, entries.amount_minor)
              IN ((source_account, -asked.amount_minor), (destination_account, asked.amount_minor))
        GROUP BY transfer_id
    ), decided AS (
        SELECT transfer_id, decision, fingerprint
        FROM decisions FULL JOIN transfers USING (transfer_id) WHERE bucket_of(transfer_id, :of) = ANY(:buckets)
    ), named AS (
        SELECT *, CASE
            WHEN total <> 0 THEN 'entries_not_zero'
            WHEN entries > 0 AND decision IS DISTINCT FROM 'applied' THEN 'entries_without_record'
            WHEN decision = 'applied' AND (entries, as_asked) IS DISTINCT FROM (2, 2) THEN 'entries_not_as_asked'
            WHEN decision IS NULL THEN 'transfer_without_record'
            WHEN fingerprint IS NULL THEN 'record_without_transfer'
        END AS kind
        FROM decided FULL JOIN entered USING (transfer_id) LEFT JOIN fitting USING (transfer_id)
    )
    SELECT kind, CAST(NULL AS text) AS account, transfer_id,
           format('record %s, %s entries, %s of them as asked, sum %s', coalesce(decision, 'none'),
                  coalesce(entries, 0), coalesce(as_asked, 0), coalesce(total, 0)) AS detail
    FROM named WHERE kind IS NOT NULL ORDER BY transfer_id LIMIT :shown
""")

_WRONG_ACCOUNTS = text("""
    WITH running AS (
        SELECT account_id, amount_minor, balance_after_minor - amount_minor
               <> lag(balance_after_minor, 1, 0::bigint) OVER (PARTITION BY account_id ORDER BY id) AS is_wrong
        FROM entries
    ), summed AS (
        SELECT account_id AS id, sum(amount_minor) AS total, count(*) FILTER (WHERE is_wrong) AS wrong_entries
        FROM running GROUP BY account_id
    ), compared AS (
        SELECT id, coalesce(balance_minor, 0) AS balance, coalesce(total, 0) AS total,
               coalesce(wrong_entries, 0) AS wrong
        FROM ledger_accounts FULL JOIN summed USING (id)
    )
    SELECT CASE WHEN balance <> total THEN 'balance_not_from_entries'
                ELSE 'running_balance_not_from_entries' END AS kind,
           id AS account, CAST(NULL AS text) AS transfer_id,
           format('balance %s, by the entries %s; %s entries with a wrong balance', balance, total, wrong) AS detail
    FROM compared WHERE balance <> total OR wrong > 0 ORDER BY id LIMIT :shown
""")


def reconcile(engine: Engine) -> LedgerReconciliation:
    with engine.connect() as connection:
        snapshot = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        snapshot.execute(READ_WHOLE)
        buckets = snapshot.execute(_BUCKETS, {"of": BUCKETS}).all()
        wrong_buckets = [row.bucket for row in buckets if row.is_wrong]
        looked_at: dict[str, Any] = {"buckets": wrong_buckets, "of": BUCKETS, "shown": DISCREPANCIES_SHOWN}
        wrong = list(snapshot.execute(_WRONG_TRANSFERS, looked_at).mappings()) if wrong_buckets else []
        wrong += snapshot.execute(_WRONG_ACCOUNTS, {"shown": DISCREPANCIES_SHOWN}).mappings()
    return LedgerReconciliation(
        discrepancies=[Discrepancy.model_validate(dict(row)) for row in wrong],
        digests={row.bucket: row.digest for row in buckets if row.digest},
    )
