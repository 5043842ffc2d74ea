"""Rule 14: the ledger judged by the transfers that were final in the accounts before this looks at it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, text
from transfer_contract.http import BUCKETS, AppliedTransfersQuery, Discrepancy, FinalTransfers, Page
from transfer_contract.steps import Decision, FinalStatus

from ledger_worker.reconciliation import DISCREPANCIES_SHOWN, Kind


@dataclass(frozen=True)
class Judged:
    """What the accounts say of a transfer, and what the ledger has of it.

    `deposit_shut`: its row there is `rejected` or `cancelled`. `as_asked`: those of its entries that are one of the two
    that the accounts' transfer asks for.
    """

    status: FinalStatus
    deposit_shut: bool
    decision: Decision | None
    entries: int
    as_asked: int


_ALIKE = text("""
    SELECT status, deposit_shut, decision, entries, as_asked,
           (array_agg(transfer_id))[1:CAST(:shown AS integer)] AS transfer_ids
    FROM final_transfers(CAST(:transfers AS json)) AS asked LEFT JOIN decisions USING (transfer_id), LATERAL (
        SELECT count(*) AS entries, count(*) FILTER (
                   WHERE entries.currency = asked.currency AND (account_id, entries.amount_minor)
                   IN ((source_account, -asked.amount_minor), (destination_account, asked.amount_minor))) AS as_asked
        FROM entries WHERE entries.transfer_id = asked.transfer_id
    ) AS entered
    GROUP BY status, deposit_shut, decision, entries, as_asked
""")
"""Of fifty thousand transfers a handful of kinds, which are judged one by one."""

_BY_ACCOUNT = text("""
    WITH asked AS (
        SELECT * FROM final_transfers(CAST(:transfers AS json))
        WHERE status = 'completed' AND transfer_id = ANY(:wrong)
    ), moved AS (
        SELECT transfer_id, account_id, 0 AS in_accounts, amount_minor AS in_ledger FROM entries
        WHERE transfer_id = ANY(:wrong)
        UNION ALL
        SELECT transfer_id, source_account, -amount_minor, 0 FROM asked
        UNION ALL
        SELECT transfer_id, destination_account, amount_minor, 0 FROM asked
    )
    SELECT transfer_id, account_id AS account, 'account_contradicts_ledger' AS kind,
           format('the transfer moved %s by the accounts, %s by the ledger', sum(in_accounts), sum(in_ledger)) AS detail
    FROM moved GROUP BY transfer_id, account_id HAVING sum(in_accounts) <> sum(in_ledger)
    ORDER BY transfer_id, account_id LIMIT :shown
""")

_APPLIED = text("""
    SELECT transfer_id FROM decisions
    WHERE decision = 'applied' AND transfer_id > :after AND bucket_of(transfer_id, :of) = ANY(:buckets)
    ORDER BY transfer_id LIMIT :limit
""")


def check(connection: Connection, final: FinalTransfers) -> list[Discrepancy]:
    """Transfer by transfer, and each account that they moved otherwise here than there."""
    found = connection.execute(_ALIKE, {"transfers": final.transfers, "shown": DISCREPANCIES_SHOWN})
    wrong = sorted((each for alike in found for each in _wrong(alike)), key=lambda each: each.transfer_id or "")
    if not wrong:
        return []
    asked = {"transfers": final.transfers, "wrong": [each.transfer_id for each in wrong], "shown": DISCREPANCIES_SHOWN}
    accounts = connection.execute(_BY_ACCOUNT, asked).mappings()
    return [*wrong, *(Discrepancy.model_validate(dict(row)) for row in accounts)]


def _wrong(alike: Row[Any]) -> Iterator[Discrepancy]:
    judged = Judged(
        status=FinalStatus(alike.status),
        deposit_shut=alike.deposit_shut,
        decision=Decision(alike.decision) if alike.decision else None,
        entries=alike.entries,
        as_asked=alike.as_asked,
    )
    if (kind := judge(judged)) is None:
        return
    record = alike.decision or "none"
    detail = f"{judged.status}, record {record}, {judged.entries} entries, {judged.as_asked} of them as asked"
    for transfer_id in alike.transfer_ids:
        yield Discrepancy(kind=kind, detail=detail, transfer_id=transfer_id)


def judge(judged: Judged) -> Kind | None:
    """Rule 14 for one transfer."""
    is_applied = judged.decision is Decision.APPLIED
    if judged.decision not in _decisions_that_fit(judged):
        return Kind.RECORD_CONTRADICTS_STATUS
    if is_applied and (judged.entries, judged.as_asked) != (2, 2):
        return Kind.ENTRIES_NOT_AS_ASKED
    if not is_applied and judged.entries:
        return Kind.ENTRIES_WITHOUT_RECORD
    return None


def _decisions_that_fit(judged: Judged) -> set[Decision | None]:
    match judged.status:
        case FinalStatus.COMPLETED:
            return {Decision.APPLIED}
        case FinalStatus.REJECTED:
            return {None, Decision.CANCELLED}
        case FinalStatus.COMPENSATED if judged.deposit_shut:
            return {None, Decision.CANCELLED, Decision.REJECTED}
        case FinalStatus.COMPENSATED:
            return {Decision.CANCELLED, Decision.REJECTED}


def applied_transfers(connection: Connection, wanted: AppliedTransfersQuery) -> Page[str]:
    """By id. The accounts are asked for them afterwards: a withdraw's row is committed before its record's."""
    found = list(connection.scalars(_APPLIED, {"of": BUCKETS, **wanted.model_dump()}))
    return Page(items=found, next_cursor=found[-1] if len(found) == wanted.limit else None)
