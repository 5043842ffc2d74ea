"""Transfers on their way through both databases, by the participants' own steps, some of them undone."""

from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from typing import Any

from account_worker import steps as account_steps
from account_worker.steps import AccountStep
from integration.loaded_books import LoadedBooks
from ledger_worker import steps as ledger_steps
from ledger_worker.demo_faults import DemoFaults
from service_runtime.activity_edge import Attempt
from service_runtime.database import create_database_engine, in_transaction
from sqlalchemy import Engine
from transfer_contract.steps import Decision, Failure, FailureCode
from transfer_contract.transfers import AbortRequest, Scenario, TransferRequest


def move_transfers(books: LoadedBooks, random: Random, goes_on: Callable[[], bool]) -> int:
    """One after the other for as long as `goes_on` says; answers how many."""
    accounts, ledger = (create_database_engine(url, pool_size=1) for url in (books.accounts_url, books.ledger_url))
    moved = 0
    while goes_on():
        source, destination = random.sample(range(books.loaded.accounts), 2)
        transfer = TransferRequest(
            transfer_id=f"moving-{random.getrandbits(64):x}",
            source_account=f"{books.loaded.prefix}{source}",
            destination_account=random.choice([f"{books.loaded.prefix}{destination}", "nobody"]),
            amount_minor=random.randint(1, 100),
            currency="EUR",
            scenario=random.choice([None, Scenario.LEDGER_REJECTS]),
            created_at=datetime.now(UTC),
        )
        _Moving(accounts, ledger, transfer).move(gives_up=random.random() < 0.2)
        moved += 1
    accounts.dispose()
    ledger.dispose()
    return moved


class _Moving:
    def __init__(self, accounts: Engine, ledger: Engine, transfer: TransferRequest) -> None:
        self._accounts = accounts
        self._ledger = ledger
        self._transfer = transfer
        failure = Failure(code=FailureCode.CANCELLED, detail="by the test")
        self._abort = AbortRequest(transfer=transfer, failure=failure)
        self._attempt = Attempt(number=1, scheduled_at=datetime.now(UTC))

    def move(self, *, gives_up: bool) -> None:
        """Or withdraws and gives up: then the door is closed first, and all is undone (rule 5)."""
        self._in_accounts(account_steps.WITHDRAW, self._transfer)
        if not gives_up:
            self._in_accounts(account_steps.DEPOSIT, self._transfer)
            if self._is_recorded():
                self._in_accounts(account_steps.RELEASE, self._transfer)
                return
        else:
            in_transaction(self._ledger, lambda c: ledger_steps.record_compensation(c, [self._abort], self._attempt))
        self._in_accounts(account_steps.DEPOSIT_COMPENSATION, self._abort)
        self._in_accounts(account_steps.WITHDRAW_COMPENSATION, self._abort)

    def _is_recorded(self) -> bool:
        if self._transfer.destination_account == "nobody":  # its deposit was refused, and shuts the door
            return False
        rows = in_transaction(
            self._ledger, lambda c: ledger_steps.record(c, [self._transfer], self._attempt, DemoFaults().refuse)
        )
        return rows[0].decision is Decision.APPLIED

    def _in_accounts(self, step: AccountStep[Any], request: TransferRequest | AbortRequest) -> None:
        in_transaction(self._accounts, lambda c: account_steps.run_step(c, step, [request], self._attempt))
