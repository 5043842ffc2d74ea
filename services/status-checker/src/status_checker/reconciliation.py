"""Rule 14: do the accounts and the ledger agree? Accounts are read first, and only what is final there is judged.

The other way round, what the ledger has applied the accounts must know: there the ledger is read first.
"""

from typing import Final, TypeVar

from pydantic import BaseModel
from service_runtime.internal_client import InternalClient
from transfer_contract.http import (
    AccountsReconciliation,
    AppliedTransfersQuery,
    Discrepancy,
    FinalTransfers,
    FinalTransfersQuery,
    LedgerReconciliation,
    Page,
    Reconciliation,
    TransferIds,
)

MAX_DISCREPANCIES: Final = 100
"""One is too many; more than these help nobody to find the cause."""

EXTRA_SECONDS: Final = 30
"""For sums over whole tables, beyond the time that an ordinary call may take."""

Answer = TypeVar("Answer", bound=BaseModel)


async def reconcile(account_api: InternalClient, ledger_api: InternalClient) -> Reconciliation:
    """By digests, bucket by bucket; one by one the transfers of the buckets that differ."""
    accounts = await account_api.get("/reconciliation", AccountsReconciliation, extra_seconds=EXTRA_SECONDS)
    ledger = await ledger_api.get("/reconciliation", LedgerReconciliation, extra_seconds=EXTRA_SECONDS)
    differing = sorted(dict(accounts.digests.items() ^ ledger.digests.items()))
    found = [
        *accounts.discrepancies,
        *await _contradictions(account_api, ledger_api, differing),
        *await _unknown_to_accounts(account_api, ledger_api, differing),
        *ledger.discrepancies,
    ]
    return Reconciliation(
        balanced=not found and all(totals.sum_minor == 0 for totals in accounts.currencies),
        currencies=accounts.currencies,
        discrepancies=found[:MAX_DISCREPANCIES],
    )


async def _contradictions(
    account_api: InternalClient, ledger_api: InternalClient, buckets: list[int]
) -> list[Discrepancy]:
    """Page by page; stops where enough has been found."""
    found: list[Discrepancy] = []
    after: str | None = "" if buckets else None
    while after is not None and len(found) < MAX_DISCREPANCIES:
        wanted = FinalTransfersQuery(buckets=buckets, after=after)
        page = await _ask(account_api, "/reconciliation/final-transfers", FinalTransfers, wanted)
        found += (await _ask(ledger_api, "/reconciliation/check", Page[Discrepancy], page)).items
        after = page.last
    return found


async def _unknown_to_accounts(
    account_api: InternalClient, ledger_api: InternalClient, buckets: list[int]
) -> list[Discrepancy]:
    """Applied records without a row in the accounts, where the withdraw's stood first: the accounts have lost it."""
    found: list[Discrepancy] = []
    after: str | None = "" if buckets else None
    while after is not None and len(found) < MAX_DISCREPANCIES:
        wanted = AppliedTransfersQuery(buckets=buckets, after=after)
        page = await _ask(ledger_api, "/reconciliation/applied-transfers", Page[str], wanted)
        known = await _ask(account_api, "/transfers/known", TransferIds, TransferIds(transfer_ids=page.items))
        found += map(_unknown, sorted({*page.items} - {*known.transfer_ids}))
        after = page.next_cursor
    return found


async def _ask(api: InternalClient, path: str, answer: type[Answer], body: BaseModel) -> Answer:
    return await api.post(path, answer, body=body, extra_seconds=EXTRA_SECONDS)


def _unknown(transfer_id: str) -> Discrepancy:
    return Discrepancy(
        kind="ledger_transfer_unknown_to_accounts",
        detail="the ledger's record is applied, and the accounts have no row of the transfer",
        transfer_id=transfer_id,
    )
