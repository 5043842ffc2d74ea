"""One step on a list of requests: lock, decide, write, inside the one transaction that the caller opens and commits."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeAlias, TypeVar

from service_runtime.activity_edge import Attempt
from sqlalchemy import Connection
from transfer_contract.steps import Step, StepRow
from transfer_contract.transfers import AbortRequest, TransferRequest

from account_worker import accounts, database
from account_worker.accounts import StepProblem
from account_worker.books import Asked, AskedToUndo, Books, LockedTransfer, Transfer

Request = TypeVar("Request", Asked, AskedToUndo)
Outcome: TypeAlias = StepRow | StepProblem
"""The answer to one request of a list. A problem is a value here: one request must not fail the others."""


@dataclass(frozen=True)
class AccountStep(Generic[Request]):
    """A step's rule, and what it needs under lock besides the transfer: the one account that it may move money on."""

    row: Step
    decide: Callable[[Books, Request, Attempt], StepRow]
    account: Callable[[Transfer], str]
    may_come_first: bool = True
    """It may write the transfer's first row, and then stores the request. `release` can't, and must leave nothing."""


def _source(transfer: Transfer) -> str:
    return transfer.source_account


def _destination(transfer: Transfer) -> str:
    return transfer.destination_account


WITHDRAW: Final = AccountStep(Step.WITHDRAW, accounts.withdraw, _source)
DEPOSIT: Final = AccountStep(Step.DEPOSIT, accounts.deposit, _destination)
RELEASE: Final = AccountStep(Step.RELEASE, accounts.release, _destination, may_come_first=False)
DEPOSIT_COMPENSATION: Final = AccountStep(Step.DEPOSIT, accounts.deposit_compensation, _destination)
WITHDRAW_COMPENSATION: Final = AccountStep(Step.WITHDRAW, accounts.withdraw_compensation, _source)


def run_step(
    connection: Connection, step: AccountStep[Request], requests: Sequence[Request], attempt: Attempt
) -> list[Outcome]:
    """Decides each request in the given order, and answers in it: the first ones get what an account can pay.

    Five statements with the commit, however many requests. Locks the transfers, then the accounts, each in the order
    of their ids (rule 1): two steps never wait for each other in a circle.
    """
    if not requests:
        return []
    asked = {transfer.transfer_id: transfer for transfer in map(_transfer_of, reversed(requests))}
    if step.may_come_first:
        database.store_and_lock_transfers(connection, asked.values())
    else:
        database.lock_transfers(connection, asked)
    books = _locked_books(connection, step, asked)
    outcomes = [_decide(step, books, request, attempt) for request in requests]
    database.write_changes(connection, books)
    return outcomes


def run_step_on_stored(
    connection: Connection,
    step: AccountStep[Request],
    transfer_ids: Sequence[str],
    ask: Callable[[LockedTransfer], Request],
    attempt: Attempt,
) -> list[Outcome]:
    """The same for transfers that are stored already, by a batch's order: `ask` says what is asked of each."""
    if not transfer_ids:
        return []
    database.lock_transfers(connection, transfer_ids)
    books = _locked_books(connection, step, transfer_ids)
    outcomes = [_decide(step, books, ask(books.transfers[each]), attempt) for each in transfer_ids]
    database.write_changes(connection, books)
    return outcomes


def _locked_books(connection: Connection, step: AccountStep[Request], transfer_ids: Collection[str]) -> Books:
    transfers, now = database.load_transfers(connection, transfer_ids, step.row)
    needed = {step.account(transfer.request) for transfer in transfers.values()}
    return Books(transfers.values(), database.lock_accounts(connection, needed), now=now)


def _decide(step: AccountStep[Request], books: Books, request: Request, attempt: Attempt) -> Outcome:
    try:
        return step.decide(books, request, attempt)
    except StepProblem as problem:
        return problem


def _transfer_of(request: object) -> TransferRequest:
    match request:
        case AbortRequest():
            return request.transfer
        case TransferRequest():
            return request
    raise TypeError(f"a request that isn't whole can't be stored: {request}")
