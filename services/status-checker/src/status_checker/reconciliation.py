"""Rule 14: do the accounts and the ledger agree? Accounts are read first, and only what is final there is judged.

The other way round, what the ledger has applied the accounts must know: there the ledger is read first.
"""

from typing import Final

from service_runtime.internal_client import InternalClient
from transfer_contract.http import (
    AccountsReconciliation,
    Discrepancy,
    FinalTransfer,
    FinalTransfers,
    Page,
    Reconciliation,
    TransferIds,
)

PAGE_SIZE: Final = 5000
"""Half of what the calls that take a page allow."""

MAX_DISCREPANCIES: Final = 100
"""One is too many; more than these help nobody to find the cause."""

EXTRA_SECONDS: Final = 30
"""For sums over whole tables, beyond the time that an ordinary call may take."""


async def reconcile(account_api: InternalClient, ledger_api: InternalClient) -> Reconciliation:
    accounts = await account_api.get("/reconciliation", AccountsReconciliation, extra_seconds=EXTRA_SECONDS)
    found = [*accounts.discrepancies, *await _between(account_api, ledger_api)]
    found += await _unknown_to_accounts(account_api, ledger_api)
    ledger = await ledger_api.get("/reconciliation", Page[Discrepancy], extra_seconds=EXTRA_SECONDS)
    found += ledger.items
    return Reconciliation(
        balanced=not found and all(totals.sum_minor == 0 for totals in accounts.currencies),
        currencies=accounts.currencies,
        discrepancies=found[:MAX_DISCREPANCIES],
    )


async def _between(account_api: InternalClient, ledger_api: InternalClient) -> list[Discrepancy]:
    """Every final transfer of the accounts, page by page, against the ledger; stops where enough has been found."""
    found: list[Discrepancy] = []
    after: str | None = None
    while len(found) < MAX_DISCREPANCIES:
        page = await account_api.get(
            "/reconciliation/final-transfers",
            Page[FinalTransfer],
            query={"after": after, "limit": PAGE_SIZE},
            extra_seconds=EXTRA_SECONDS,
        )
        if page.items:
            judged = await ledger_api.post(
                "/reconciliation/check",
                Page[Discrepancy],
                body=FinalTransfers(transfers=page.items),
                extra_seconds=EXTRA_SECONDS,
            )
            found += judged.items
        if page.next_cursor is None or not page.items:
            break
        after = page.items[-1].transfer_id
    return found


async def _unknown_to_accounts(account_api: InternalClient, ledger_api: InternalClient) -> list[Discrepancy]:
    """Applied records without a row in the accounts, where the withdraw's stood first: the accounts have lost it."""
    found: list[Discrepancy] = []
    after: str | None = None
    while len(found) < MAX_DISCREPANCIES:
        page = await ledger_api.get(
            "/reconciliation/applied-transfers",
            Page[str],
            query={"after": after, "limit": PAGE_SIZE},
            extra_seconds=EXTRA_SECONDS,
        )
        if page.items:
            asked = TransferIds(transfer_ids=page.items)
            known = await account_api.post("/transfers/known", TransferIds, body=asked, extra_seconds=EXTRA_SECONDS)
            found += map(_unknown, sorted({*page.items} - {*known.transfer_ids}))
        if page.next_cursor is None:
            break
        after = page.next_cursor
    return found


def _unknown(transfer_id: str) -> Discrepancy:
    return Discrepancy(
        kind="ledger_transfer_unknown_to_accounts",
        detail="the ledger's record is applied, and the accounts have no row of the transfer",
        transfer_id=transfer_id,
    )
