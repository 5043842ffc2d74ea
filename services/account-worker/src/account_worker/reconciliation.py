"""The accounts database judged by its own rows, in one snapshot: totals per currency, and all that must not be.

Rows are many, and nearly all of them are right. So one pass over them proves that, bucket by bucket; in a bucket whose
proof fails, and for what isn't final, the rows of each transfer are looked at. Nothing is remembered between two calls.
"""

from typing import Any, Final

from sqlalchemy import Engine, text
from transfer_contract.http import BUCKETS, AccountsReconciliation, CurrencyTotals, Discrepancy

DISCREPANCIES_SHOWN: Final = 100
"""Of accounts, and of transfers: one is an alarm already, and a thousand are no clearer than a hundred."""

READ_WHOLE: Final = text("SELECT set_config('jit', 'off', true), set_config('work_mem', '32MB', true)")
"""Compiling these queries takes longer than running them, and what they sort and hash isn't written to disk first."""

_WRONG_BUCKETS = text("""
    WITH rows AS (
        SELECT transfer_id, step, decision, 1 AS factor FROM decisions
        UNION ALL
        SELECT transfer_id, step, decision, -1 FROM transfers JOIN decisions USING (transfer_id)
        WHERE final_status IS NULL
    ), weighed AS (
        SELECT transfer_id, factor * CASE WHEN decision = 'applied'
                                          THEN CASE step WHEN 'withdraw' THEN 1 WHEN 'deposit' THEN 2 ELSE 4 END
                                          WHEN step <> 'withdraw' THEN 0
                                          WHEN decision = 'rejected' THEN 8 ELSE 16 END AS weight
        FROM rows
        UNION ALL
        SELECT transfer_id, CASE final_status WHEN 'completed' THEN -7 WHEN 'rejected' THEN -8 ELSE -16 END
        FROM transfers WHERE final_status IS NOT NULL
    )
    SELECT bucket_of(transfer_id, :of) AS bucket FROM weighed
    GROUP BY bucket HAVING sum((hashtextextended(transfer_id, 0) >> 16) * weight) <> 0
""")
"""Final transfers have exactly the rows that rule 10 asks for: 1 + 2 + 4 is what a completed one weighs, and no other
set of rows does. Times a hash of the id, so that what one lacks isn't made up for by another."""

_TOTALS = text("""
    WITH odd AS MATERIALIZED (
        SELECT * FROM looked_at(:buckets, :of)
    ), on_accounts AS (
        SELECT currency, sum(balance_minor) AS balances_minor, sum(held_minor) AS held_minor
        FROM accounts GROUP BY currency
    ), on_the_way AS (
        SELECT currency, sum(CASE WHEN withdraw = 'applied' THEN amount_minor ELSE 0 END
                             - CASE WHEN deposit = 'applied' THEN amount_minor ELSE 0 END) AS in_transit_minor
        FROM odd GROUP BY currency
    )
    SELECT currency, coalesce(balances_minor, 0) AS balances_minor, coalesce(held_minor, 0) AS held_minor,
           coalesce(in_transit_minor, 0) AS in_transit_minor,
           coalesce(balances_minor, 0) + coalesce(held_minor, 0) + coalesce(in_transit_minor, 0) AS sum_minor
    FROM on_accounts FULL JOIN on_the_way USING (currency) ORDER BY currency
""")
"""In transit is what has left its source and not arrived. Rule 6 lets a withdraw be undone before its deposit, while
that one is parked: such a held credit has nothing behind it, and counts against what is in transit. Of the transfers
that aren't looked at, the completed ones have arrived, and the others have left nothing."""

_WRONG_ACCOUNTS = text("""
    WITH odd AS MATERIALIZED (
        SELECT * FROM looked_at(:buckets, :of)
    ), completed AS NOT MATERIALIZED (
        SELECT source_account, destination_account, amount_minor FROM transfers
        WHERE final_status = 'completed' AND bucket_of(transfer_id, :of) <> ALL(:buckets)
    ), moves AS (
        SELECT source_account AS id, -sum(amount_minor) AS balance_minor, 0 AS held_minor
        FROM completed GROUP BY source_account
        UNION ALL
        SELECT destination_account, sum(amount_minor), 0 FROM completed GROUP BY destination_account
        UNION ALL
        SELECT source_account, -amount_minor, 0 FROM odd WHERE withdraw = 'applied'
        UNION ALL
        SELECT destination_account, CASE WHEN release = 'applied' THEN amount_minor ELSE 0 END,
               CASE WHEN release = 'applied' THEN 0 ELSE amount_minor END
        FROM odd WHERE deposit = 'applied'
    ), expected AS (
        SELECT id, sum(balance_minor) AS balance_minor, sum(held_minor) AS held_minor FROM moves GROUP BY id
    ), compared AS (
        SELECT id, kind, coalesce(a.balance_minor, 0) AS balance, coalesce(e.balance_minor, 0) AS expected_balance,
               coalesce(a.held_minor, 0) AS held, coalesce(e.held_minor, 0) AS expected_held
        FROM accounts a FULL JOIN expected e USING (id)
    )
    SELECT CASE WHEN balance <> expected_balance THEN 'balance_not_from_rows'
                WHEN held <> expected_held THEN 'held_not_from_rows'
                ELSE 'customer_below_zero' END AS kind,
           id AS account, CAST(NULL AS text) AS transfer_id,
           format('balance %s, by the rows %s; held %s, by the rows %s',
                  balance, expected_balance, held, expected_held) AS detail
    FROM compared
    WHERE balance <> expected_balance OR held <> expected_held OR (balance < 0 AND kind IS DISTINCT FROM 'treasury')
    ORDER BY id LIMIT :shown
""")

_WRONG_TRANSFERS = text("""
    WITH odd AS MATERIALIZED (
        SELECT * FROM looked_at(:buckets, :of)
    ), judged AS (
        SELECT *, CASE WHEN release = 'applied' THEN 'completed'
                       WHEN withdraw = 'rejected' THEN 'rejected'
                       WHEN withdraw IN ('cancelled', 'compensated') AND deposit IS DISTINCT FROM 'applied'
                            THEN 'compensated' END AS status_by_rule_10
        FROM odd
    ), named AS (
        SELECT *, CASE
            WHEN coalesce(withdraw, deposit, release) IS NULL THEN 'transfer_without_rows'
            WHEN release = 'applied' AND (withdraw, deposit) IS DISTINCT FROM ('applied', 'applied')
                THEN 'released_without_both'
            WHEN deposit = 'applied' AND withdraw IS DISTINCT FROM 'applied' AND withdraw IS DISTINCT FROM 'compensated'
                THEN 'deposit_without_withdraw'
            WHEN final_status IS DISTINCT FROM status_by_rule_10 THEN 'status_not_from_rows'
        END AS kind FROM judged
    )
    SELECT kind, CAST(NULL AS text) AS account, transfer_id,
           format('withdraw %s, deposit %s, release %s, status %s, by rule 10 %s', coalesce(withdraw, 'none'),
                  coalesce(deposit, 'none'), coalesce(release, 'none'), coalesce(final_status, 'none'),
                  coalesce(status_by_rule_10, 'none')) AS detail
    FROM named WHERE kind IS NOT NULL
    UNION ALL
    SELECT 'row_without_transfer', NULL, transfer_id, format('%s %s', step, decision)
    FROM decisions LEFT JOIN transfers USING (transfer_id)
    WHERE cardinality(CAST(:buckets AS bigint[])) > 0 AND bucket_of(transfer_id, :of) = ANY(:buckets)
          AND transfers.created_at IS NULL
    ORDER BY transfer_id LIMIT :shown
""")


_DIGESTS = text("""
    WITH final AS (
        SELECT transfer_id, entry_hash(transfer_id, source_account, -amount_minor, currency)
                            + entry_hash(transfer_id, destination_account, amount_minor, currency) AS hash
        FROM transfers WHERE final_status = 'completed'
        UNION ALL
        SELECT transfer_id, refusal_hash(transfer_id)
        FROM transfers LEFT JOIN (SELECT * FROM decisions WHERE step = 'deposit') AS deposits USING (transfer_id)
        WHERE final_status = 'compensated' AND decision IS DISTINCT FROM 'rejected'
    )
    SELECT bucket_of(transfer_id, :of) AS bucket, sum(hash) AS digest FROM final GROUP BY bucket
""")
"""What the ledger has by rule 14 where nothing raced: the two entries of each completed transfer, a shut door for each
that was undone, unless its deposit was refused. Where something did race, the bucket differs and is looked at."""


def reconcile(engine: Engine) -> AccountsReconciliation:
    with engine.connect() as connection:
        snapshot = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        snapshot.execute(READ_WHOLE)
        wrong_buckets = list(snapshot.scalars(_WRONG_BUCKETS, {"of": BUCKETS}))
        looked_at: dict[str, Any] = {"buckets": wrong_buckets, "of": BUCKETS, "shown": DISCREPANCIES_SHOWN}
        totals = snapshot.execute(_TOTALS, looked_at).mappings().all()
        wrong = [
            row
            for query in (_WRONG_ACCOUNTS, _WRONG_TRANSFERS)
            for row in snapshot.execute(query, looked_at).mappings()
        ]
        digests = snapshot.execute(_DIGESTS, {"of": BUCKETS}).all()
    return AccountsReconciliation(
        currencies=[CurrencyTotals.model_validate(dict(row)) for row in totals],
        discrepancies=[Discrepancy.model_validate(dict(row)) for row in wrong],
        digests={row.bucket: row.digest for row in digests},
    )
