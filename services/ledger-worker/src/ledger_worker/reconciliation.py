"""The ledger judged: by the transfers that are final in the accounts (rule 14), and by its own rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pydantic_core import to_json
from sqlalchemy import Connection, Engine, text
from transfer_contract.http import Discrepancy, FinalTransfer, Page
from transfer_contract.steps import Decision, FinalStatus

DISCREPANCIES_SHOWN: Final = 100
"""Of transfers, and of accounts, in the whole ledger: one is an alarm already, and a thousand are no clearer."""


class Kind(StrEnum):
    """The stable words for what must not be."""

    RECORD_CONTRADICTS_STATUS = "record_contradicts_status"
    ENTRIES_NOT_AS_ASKED = "entries_not_as_asked"
    ENTRIES_WITHOUT_RECORD = "entries_without_record"
    ENTRIES_NOT_ZERO = "entries_not_zero"
    BALANCE_NOT_FROM_ENTRIES = "balance_not_from_entries"
    RUNNING_BALANCE_NOT_FROM_ENTRIES = "running_balance_not_from_entries"


@dataclass(frozen=True)
class Recorded:
    """What the ledger has of a transfer. `as_asked` are those of its entries that are one of the two asked for."""

    decision: Decision | None
    entries: int
    as_asked: int


_RECORDED = text("""
    SELECT decision, count(entries.id) AS entries, count(entries.id) FILTER (
               WHERE entries.currency = asked.currency AND (account_id, entries.amount_minor)
               IN ((source_account, -asked.amount_minor), (destination_account, asked.amount_minor))) AS as_asked
    FROM json_populate_recordset(NULL::transfers, CAST(:transfers AS json)) WITH ORDINALITY AS asked
    LEFT JOIN decisions USING (transfer_id)
    LEFT JOIN entries USING (transfer_id)
    GROUP BY ordinality, decision ORDER BY ordinality
""")

_WRONG_TRANSFERS = text("""
    WITH entered AS (
        SELECT transfer_id, sum(entries.amount_minor) AS total, count(*) AS entries, count(*) FILTER (
                   WHERE entries.currency = asked.currency AND (account_id, entries.amount_minor)
                   IN ((source_account, -asked.amount_minor), (destination_account, asked.amount_minor))) AS as_asked
        FROM entries LEFT JOIN transfers AS asked USING (transfer_id) GROUP BY transfer_id
    ), named AS (
        SELECT *, CASE
            WHEN total <> 0 THEN 'entries_not_zero'
            WHEN entries > 0 AND decision IS DISTINCT FROM 'applied' THEN 'entries_without_record'
            WHEN decision = 'applied' AND (entries, as_asked) IS DISTINCT FROM (2, 2) THEN 'entries_not_as_asked'
        END AS kind
        FROM decisions FULL JOIN entered USING (transfer_id)
    )
    SELECT kind, CAST(NULL AS text) AS account, transfer_id,
           format('record %s, %s entries, %s of them as asked, sum %s', coalesce(decision, 'none'),
                  coalesce(entries, 0), coalesce(as_asked, 0), coalesce(total, 0)) AS detail
    FROM named WHERE kind IS NOT NULL ORDER BY transfer_id LIMIT :shown
""")

_WRONG_ACCOUNTS = text("""
    WITH running AS (
        SELECT account_id, amount_minor,
               balance_after_minor <> sum(amount_minor) OVER (PARTITION BY account_id ORDER BY id) AS is_wrong
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


_APPLIED = text("""
    SELECT transfer_id FROM decisions
    WHERE decision = 'applied' AND transfer_id > :after ORDER BY transfer_id LIMIT :limit
""")


def check(connection: Connection, transfers: Sequence[FinalTransfer]) -> list[Discrepancy]:
    """Rule 14. They were final in the accounts before this looks at the ledger, so what it finds is final too."""
    found = connection.execute(_RECORDED, {"transfers": to_json(transfers).decode()})
    recorded = [Recorded(Decision(row.decision) if row.decision else None, row.entries, row.as_asked) for row in found]
    judged = [judge(transfer, its) for transfer, its in zip(transfers, recorded, strict=True)]
    return [discrepancy for discrepancy in judged if discrepancy]


def judge(transfer: FinalTransfer, recorded: Recorded) -> Discrepancy | None:
    """Rule 14 for one transfer."""
    is_applied = recorded.decision is Decision.APPLIED
    if recorded.decision not in _decisions_that_fit(transfer):
        kind = Kind.RECORD_CONTRADICTS_STATUS
    elif is_applied and (recorded.entries, recorded.as_asked) != (2, 2):
        kind = Kind.ENTRIES_NOT_AS_ASKED
    elif not is_applied and recorded.entries:
        kind = Kind.ENTRIES_WITHOUT_RECORD
    else:
        return None
    record = recorded.decision.value if recorded.decision else "none"
    detail = f"{transfer.status}, record {record}, {recorded.entries} entries, {recorded.as_asked} of them as asked"
    return Discrepancy(kind=kind, detail=detail, transfer_id=transfer.transfer_id)


def _decisions_that_fit(transfer: FinalTransfer) -> set[Decision | None]:
    match transfer.status:
        case FinalStatus.COMPLETED:
            return {Decision.APPLIED}
        case FinalStatus.REJECTED:
            return {None, Decision.CANCELLED}
        case FinalStatus.COMPENSATED if transfer.deposit_shut:
            return {None, Decision.CANCELLED, Decision.REJECTED}
        case FinalStatus.COMPENSATED:
            return {Decision.CANCELLED, Decision.REJECTED}


def applied_transfers(connection: Connection, *, after: str, limit: int) -> Page[str]:
    """By id. The accounts are asked for them afterwards: a withdraw's row is committed before its record's."""
    found = list(connection.scalars(_APPLIED, {"after": after, "limit": limit + 1}))
    return Page(items=found[:limit], next_cursor=found[limit - 1] if len(found) > limit else None)


def reconcile(engine: Engine) -> list[Discrepancy]:
    """The whole ledger, in one snapshot: what its triggers keep from happening, and the running balances."""
    with engine.connect() as connection:
        snapshot = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        found = [
            row
            for query in (_WRONG_TRANSFERS, _WRONG_ACCOUNTS)
            for row in snapshot.execute(query, {"shown": DISCREPANCIES_SHOWN}).mappings()
        ]
    return [Discrepancy.model_validate(dict(row)) for row in found]
