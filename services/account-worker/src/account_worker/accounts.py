"""The accounts' rules, pure: what each request does to its decision row and to the money.

Each of the five functions is one line of the table "What each request does to its row" in docs/protocol.md: the row
that is there decides, and only where there is none does anything new happen. They run inside one transaction that
holds the transfer and the account under lock (rule 1), so nothing changes between the look and the decision. The
first writer has won (rule 2): an attempt that arrives late finds its compensation's tombstone and moves nothing.
The amounts and accounts are always the stored request's (rule 3).
"""

from service_runtime.activity_edge import Attempt
from transfer_contract.steps import Decision, Failure, FailureCode, Step, StepError, StepRow

from account_worker.books import Asked, AskedToUndo, Books, LockedTransfer, Transfer


class StepProblem(Exception):  # noqa: N818 - neither a decision nor a technical error: the request itself is wrong
    """A request that its step must not act upon. Raised before anything has changed."""

    def __init__(self, transfer_id: str, detail: str) -> None:
        super().__init__(detail)
        self.transfer_id = transfer_id


class IdempotencyKeyReused(StepProblem):
    """The transfer's rows belong to another request (rule 3)."""

    def __init__(self, transfer_id: str) -> None:
        super().__init__(transfer_id, "the idempotency key belongs to another request")


class GuardViolated(StepProblem):
    """Rule 7's alarm: never raised in a correct system. `found` is the decision that should not be there."""

    def __init__(self, transfer_id: str, *, step: Step, found: Decision | None) -> None:
        super().__init__(transfer_id, f"{step} is {found.value if found else 'undecided'}")
        self.step = step
        self.found = found


def withdraw(books: Books, request: Asked, attempt: Attempt) -> StepRow:
    """Takes the amount from the source (rules 2 and 3).

    | none                                 | applied | rejected | cancelled | compensated |
    | pay → applied; refused → rejected    | applied | rejected | cancelled | compensated |
    """
    transfer = books.transfers[request.transfer_id]
    if transfer.fingerprint != request.fingerprint:
        raise IdempotencyKeyReused(request.transfer_id)
    if row := transfer.rows.get(Step.WITHDRAW):
        return row
    stored = transfer.request
    if refusal := _why_not_pay(books, stored):
        return _decide(books, transfer, Step.WITHDRAW, Decision.REJECTED, attempt, refusal)
    books.move(stored.source_account, balance=-stored.amount_minor)
    return _decide(books, transfer, Step.WITHDRAW, Decision.APPLIED, attempt)


def deposit(books: Books, request: Asked, attempt: Attempt) -> StepRow:
    """Adds the amount to the destination's held credit: not spendable yet (rules 2 and 7).

    | none                                    | applied | rejected | cancelled | compensated |
    | withdraw ≠ applied → cancelled;         | applied | rejected | cancelled | compensated |
    | unknown or closed account → rejected;   |         |          |           |             |
    | else held + → applied                   |         |          |           |             |
    """
    transfer = books.transfers[request.transfer_id]
    if row := transfer.rows.get(Step.DEPOSIT):
        return row
    if transfer.decision(Step.WITHDRAW) is not Decision.APPLIED:
        return _decide(books, transfer, Step.DEPOSIT, Decision.CANCELLED, attempt)
    stored = transfer.request
    if refusal := _why_not_use(books, stored.destination_account, stored):
        return _decide(books, transfer, Step.DEPOSIT, Decision.REJECTED, attempt, refusal)
    books.move(stored.destination_account, held=stored.amount_minor)
    return _decide(books, transfer, Step.DEPOSIT, Decision.APPLIED, attempt)


def release(books: Books, request: Asked, attempt: Attempt) -> StepRow:
    """Turns the held credit into spendable balance, after the commit point (rules 4 and 7).

    | none                                                    | applied |
    | deposit applied: held → balance → applied; else guard   | applied |
    """
    transfer = books.transfers.get(request.transfer_id)
    found = transfer.decision(Step.DEPOSIT) if transfer else None
    if transfer is None or found is not Decision.APPLIED:
        raise GuardViolated(request.transfer_id, step=Step.DEPOSIT, found=found)
    if row := transfer.rows.get(Step.RELEASE):
        return row
    stored = transfer.request
    books.move(stored.destination_account, held=-stored.amount_minor, balance=stored.amount_minor)
    return _decide(books, transfer, Step.RELEASE, Decision.APPLIED, attempt)


def deposit_compensation(books: Books, request: AskedToUndo, attempt: Attempt) -> StepRow:
    """Takes the held credit away, or leaves a tombstone that a late deposit runs into (rules 2 and 7).

    | none             | applied                | rejected | cancelled | compensated |
    | write cancelled  | held - → compensated   | rejected | cancelled | compensated |
    """
    transfer = books.transfers[request.transfer.transfer_id]
    _guard_not_released(transfer)
    stored = transfer.request
    if transfer.decision(Step.DEPOSIT) is Decision.APPLIED:
        books.move(stored.destination_account, held=-stored.amount_minor)
    return _undo(books, transfer, Step.DEPOSIT, attempt)


def withdraw_compensation(books: Books, request: AskedToUndo, attempt: Attempt) -> StepRow:
    """Puts the amount back, or leaves a tombstone that a late withdraw runs into (rules 2 and 7).

    | none             | applied                  | rejected | cancelled | compensated |
    | write cancelled  | balance + → compensated  | rejected | cancelled | compensated |

    The row that it writes keeps the failure that made the transfer abort.
    """
    transfer = books.transfers[request.transfer.transfer_id]
    _guard_not_released(transfer)
    stored = transfer.request
    if transfer.decision(Step.WITHDRAW) is Decision.APPLIED:
        books.move(stored.source_account, balance=stored.amount_minor)
    return _undo(books, transfer, Step.WITHDRAW, attempt, request.failure)


def _decide(
    books: Books,
    transfer: LockedTransfer,
    step: Step,
    decision: Decision,
    attempt: Attempt,
    refusal: StepError | None = None,
) -> StepRow:
    """The step writes the row that wasn't there (rule 2)."""
    occurrence = books.decided(attempt, refusal)
    return books.write(
        StepRow(transfer_id=transfer.request.transfer_id, step=step, decision=decision, forward=occurrence)
    )


def _undo(
    books: Books, transfer: LockedTransfer, step: Step, attempt: Attempt, failure: Failure | None = None
) -> StepRow:
    """No row → cancelled, applied → compensated; any other row is the answer as it stands (rule 2)."""
    row = transfer.rows.get(step)
    if row is not None and row.decision is not Decision.APPLIED:
        return row
    return books.write(
        StepRow(
            transfer_id=transfer.request.transfer_id,
            step=step,
            decision=Decision.COMPENSATED if row else Decision.CANCELLED,
            forward=row.forward if row else None,
            compensation=books.decided(attempt),
            failure=failure,
        )
    )


def _guard_not_released(transfer: LockedTransfer) -> None:
    """Rule 7: no compensation after release."""
    if transfer.decision(Step.RELEASE) is Decision.APPLIED:
        raise GuardViolated(transfer.request.transfer_id, step=Step.RELEASE, found=Decision.APPLIED)


def _why_not_pay(books: Books, transfer: Transfer) -> StepError | None:
    if refusal := _why_not_use(books, transfer.source_account, transfer):
        return refusal
    source = books.accounts[transfer.source_account]
    if source.is_treasury or source.balance_minor >= transfer.amount_minor:
        return None
    return StepError(code=FailureCode.INSUFFICIENT_FUNDS, detail=f"account {source.id} has less than the amount")


def _why_not_use(books: Books, account_id: str, transfer: Transfer) -> StepError | None:
    """The refusals that a source and a destination share."""
    account = books.accounts.get(account_id)
    if account is None:
        return StepError(code=FailureCode.UNKNOWN_ACCOUNT, detail=f"there is no account {account_id}")
    if not account.is_open:
        return StepError(code=FailureCode.ACCOUNT_CLOSED, detail=f"account {account_id} is closed")
    if account.currency != transfer.currency:
        detail = f"account {account_id} is in {account.currency}, the transfer in {transfer.currency}"
        return StepError(code=FailureCode.CURRENCY_MISMATCH, detail=detail)
    return None
