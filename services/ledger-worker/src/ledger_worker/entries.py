"""The ledger's rules, pure: what each request does to its decision row and to the double entry.

Each function is one line of the table "What each request does to its row" in docs/protocol.md: a row that is there
is the answer, whoever asks, for its first writer has won (rule 2). They run on a snapshot under lock (rule 1).
"""

from collections.abc import Callable

from service_runtime.activity_edge import Attempt
from transfer_contract.steps import Decision, FailureCode, StepError, StepRow

from ledger_worker.ledger import Ledger, Transfer

RefusalRule = Callable[[Transfer], StepError | None]
"""Why a transfer is to be refused beyond the ledger's own reasons, or None."""


def record(ledger: Ledger, transfer_id: str, attempt: Attempt, refuse: RefusalRule) -> StepRow:
    """The one commit decision: where it is `applied`, the transfer completes and nobody undoes it (rule 4).

    | none                                  | applied | rejected | cancelled |
    | entries → applied; refused → rejected | applied | rejected | cancelled |
    """
    if row := ledger.rows.get(transfer_id):
        return row
    transfer = ledger.transfers[transfer_id]
    if refusal := refuse(transfer) or _why_not_enter(ledger, transfer):
        return ledger.decide(transfer_id, Decision.REJECTED, forward=ledger.decided(attempt, refusal))
    ledger.enter(transfer)
    return ledger.decide(transfer_id, Decision.APPLIED, forward=ledger.decided(attempt))


def record_compensation(ledger: Ledger, transfer_id: str, attempt: Attempt) -> StepRow:
    """Shuts the door (rule 6), or learns that the transfer is past it: there is no reversing entry (rule 4).

    | none            | applied                         | rejected | cancelled |
    | write cancelled | answers applied, writes nothing | rejected | cancelled |
    """
    if row := ledger.rows.get(transfer_id):
        return row
    return ledger.decide(transfer_id, Decision.CANCELLED, compensation=ledger.decided(attempt))


def ledger_rejected(detail: str) -> StepError:
    return StepError(code=FailureCode.LEDGER_REJECTED, detail=detail)


def _why_not_enter(ledger: Ledger, transfer: Transfer) -> StepError | None:
    """A double entry has two accounts, and a ledger account keeps one currency."""
    if transfer.source_account == transfer.destination_account:
        return ledger_rejected(f"account {transfer.source_account} can't be both debited and credited")
    for account_id in (transfer.source_account, transfer.destination_account):
        currency = ledger.accounts[account_id].currency
        if currency not in (None, transfer.currency):
            return ledger_rejected(f"account {account_id} has entries in {currency}, not in {transfer.currency}")
    return None
