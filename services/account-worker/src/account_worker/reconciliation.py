"""The accounts database judged by its own rows, in one snapshot: totals per currency, and all that must not be."""

from typing import Final

from sqlalchemy import Connection, Engine, text
from transfer_contract.http import AccountsReconciliation, CurrencyTotals, Discrepancy, FinalTransfer, Page

DISCREPANCIES_SHOWN: Final = 100
"""Of accounts, and of transfers: one is an alarm already, and a thousand are no clearer than a hundred."""

_TOTALS = text("""
    WITH on_accounts AS (
        SELECT currency, sum(balance_minor) AS balances_minor, sum(held_minor) AS held_minor
        FROM accounts GROUP BY currency
    ), on_the_way AS (
        SELECT currency, sum(CASE WHEN withdraw = 'applied' THEN amount_minor ELSE 0 END
                             - CASE WHEN deposit = 'applied' THEN amount_minor ELSE 0 END) AS in_transit_minor
        FROM transfer_decisions GROUP BY currency
    )
    SELECT currency, coalesce(balances_minor, 0) AS balances_minor, coalesce(held_minor, 0) AS held_minor,
           coalesce(in_transit_minor, 0) AS in_transit_minor,
           coalesce(balances_minor, 0) + coalesce(held_minor, 0) + coalesce(in_transit_minor, 0) AS sum_minor
    FROM on_accounts FULL JOIN on_the_way USING (currency) ORDER BY currency
""")
"""In transit is what has left its source and not arrived. Rule 6 lets a withdraw be undone before its deposit, while
that one is parked: such a held credit has nothing behind it, and counts against what is in transit."""

_WRONG_ACCOUNTS = text("""
    WITH moves AS (
        SELECT source_account AS id, -amount_minor AS balance_minor, 0 AS held_minor
        FROM transfer_decisions WHERE withdraw = 'applied'
        UNION ALL
        SELECT destination_account, CASE WHEN release = 'applied' THEN amount_minor ELSE 0 END,
               CASE WHEN release = 'applied' THEN 0 ELSE amount_minor END
        FROM transfer_decisions WHERE deposit = 'applied'
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
    WITH judged AS (
        SELECT *, CASE WHEN release = 'applied' THEN 'completed'
                       WHEN withdraw = 'rejected' THEN 'rejected'
                       WHEN withdraw IN ('cancelled', 'compensated') AND deposit IS DISTINCT FROM 'applied'
                            THEN 'compensated' END AS status_by_rule_10
        FROM transfer_decisions
    ), named AS (
        SELECT *, CASE
            WHEN coalesce(withdraw, deposit) IS NULL THEN 'transfer_without_rows'
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
    FROM named WHERE kind IS NOT NULL ORDER BY transfer_id LIMIT :shown
""")

_NO_NESTED_LOOPS = text("SET LOCAL enable_nestloop = off")
"""Every row is read. After a large batch PostgreSQL's statistics lag, and a nested loop chosen by them is quadratic."""

_FINAL_TRANSFERS = text("""
    SELECT transfer_id, final_status AS status, source_account, destination_account, amount_minor, currency,
           EXISTS (SELECT FROM decisions WHERE decisions.transfer_id = transfers.transfer_id AND step = 'deposit'
                   AND decision IN ('rejected', 'cancelled')) AS deposit_shut
    FROM transfers
    WHERE final_status IS NOT NULL AND transfer_id > :after ORDER BY transfer_id LIMIT :limit
""")


def reconcile(engine: Engine) -> AccountsReconciliation:
    with engine.connect() as connection:
        snapshot = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        snapshot.execute(_NO_NESTED_LOOPS)
        totals = snapshot.execute(_TOTALS).mappings().all()
        wrong = [
            row
            for query in (_WRONG_ACCOUNTS, _WRONG_TRANSFERS)
            for row in snapshot.execute(query, {"shown": DISCREPANCIES_SHOWN}).mappings()
        ]
    return AccountsReconciliation(
        currencies=[CurrencyTotals.model_validate(dict(row)) for row in totals],
        discrepancies=[Discrepancy.model_validate(dict(row)) for row in wrong],
    )


def final_transfers(connection: Connection, *, after: str, limit: int) -> Page[FinalTransfer]:
    """By id, those that are final now: the ledger is judged by them afterwards, never before (rule 14)."""
    rows = connection.execute(_FINAL_TRANSFERS, {"after": after, "limit": limit + 1}).mappings()
    items = [FinalTransfer.model_validate(dict(row)) for row in rows]
    return Page(items=items[:limit], next_cursor=items[limit - 1].transfer_id if len(items) > limit else None)
