"""One step on a list of requests: lock, decide, write, inside the one transaction that the caller opens and commits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeAlias, TypeVar

from service_runtime.activity_edge import Attempt
from sqlalchemy import Connection
from transfer_contract.steps import StepRow
from transfer_contract.transfers import AbortRequest, TransferRequest

from account_worker import accounts, database
from account_worker.accounts import StepProblem
from account_worker.books import Books

Request = TypeVar("Request", TransferRequest, AbortRequest)
Outcome: TypeAlias = StepRow | StepProblem
"""The answer to one request of a list. A problem is a value here: one request must not fail the others."""


@dataclass(frozen=True)
class AccountStep(Generic[Request]):
    """A step's rule, and what it needs under lock besides the transfer: the one account that it may move money on."""

    decide: Callable[[Books, Request, Attempt], StepRow]
    account: Callable[[TransferRequest], str]
    may_come_first: bool = True
    """It may write the transfer's first row, and then stores the request. `release` can't, and must leave nothing."""


def _source(transfer: TransferRequest) -> str:
    return transfer.source_account


def _destination(transfer: TransferRequest) -> str:
    return transfer.destination_account


WITHDRAW: Final = AccountStep(accounts.withdraw, _source)
DEPOSIT: Final = AccountStep(accounts.deposit, _destination)
RELEASE: Final = AccountStep(accounts.release, _destination, may_come_first=False)
DEPOSIT_COMPENSATION: Final = AccountStep(accounts.deposit_compensation, _destination)
WITHDRAW_COMPENSATION: Final = AccountStep(accounts.withdraw_compensation, _source)


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
    transfers, now = database.load_transfers(connection, asked)
    needed = {step.account(transfer.request) for transfer in transfers}
    books = Books(transfers, database.lock_accounts(connection, needed), now=now)
    outcomes = [_decide(step, books, request, attempt) for request in requests]
    database.write_changes(connection, books)
    return outcomes


def _decide(step: AccountStep[Request], books: Books, request: Request, attempt: Attempt) -> Outcome:
    try:
        return step.decide(books, request, attempt)
    except StepProblem as problem:
        return problem


def _transfer_of(request: TransferRequest | AbortRequest) -> TransferRequest:
    return request.transfer if isinstance(request, AbortRequest) else request
