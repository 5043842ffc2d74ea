"""The snapshot that one transaction of a step decides on: what it holds under lock, and what is decided on it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from service_runtime.activity_edge import Attempt
from transfer_contract.steps import Decision, Occurrence, Step, StepError, StepRow


class Transfer(Protocol):
    """A stored request, as much of it as a rule needs."""

    @property
    def transfer_id(self) -> str: ...
    @property
    def source_account(self) -> str: ...
    @property
    def destination_account(self) -> str: ...
    @property
    def amount_minor(self) -> int: ...
    @property
    def currency(self) -> str: ...
    @property
    def scenario(self) -> str | None: ...


class StoredTransfer(NamedTuple):
    transfer_id: str
    source_account: str
    destination_account: str
    amount_minor: int
    currency: str
    scenario: str | None


@dataclass
class LedgerAccount:
    """`currency` is that of the account's entries: None before the first."""

    id: str
    currency: str | None = None
    balance_minor: int = 0


@dataclass(frozen=True)
class LedgerEntry:
    """One side of a double entry. A negative amount debits the account."""

    transfer_id: str
    account_id: str
    amount_minor: int
    balance_after_minor: int
    currency: str
    created_at: datetime


@dataclass
class Ledger:
    """`transfers` are the requests as their first row stored them (rule 3), `rows` the decision rows that there are.

    `now` is the database's clock after the last lock was had, so the times of an account's entries never go back.
    """

    now: datetime
    transfers: Mapping[str, Transfer]
    rows: dict[str, StepRow]
    accounts: dict[str, LedgerAccount]
    new_rows: list[StepRow] = field(default_factory=list)
    new_entries: list[LedgerEntry] = field(default_factory=list)
    _occurrence: Occurrence | None = None

    @property
    def changed_accounts(self) -> list[LedgerAccount]:
        return [self.accounts[account_id] for account_id in {entry.account_id for entry in self.new_entries}]

    def decided(self, attempt: Attempt, refusal: StepError | None = None) -> Occurrence:
        """What the rows keep of the attempt. One value for all rows of a transaction that aren't refusals."""
        if refusal is not None:
            return attempt.decided(self.now, refusal)
        if self._occurrence is None:
            self._occurrence = attempt.decided(self.now)
        return self._occurrence

    def decide(
        self,
        transfer_id: str,
        decision: Decision,
        *,
        forward: Occurrence | None = None,
        compensation: Occurrence | None = None,
    ) -> StepRow:
        row = StepRow(
            transfer_id=transfer_id, step=Step.RECORD, decision=decision, forward=forward, compensation=compensation
        )
        self.rows[transfer_id] = row
        self.new_rows.append(row)
        return row

    def enter(self, transfer: Transfer) -> None:
        """The double entry: debits the source, credits the destination."""
        self._post(transfer, transfer.source_account, -transfer.amount_minor)
        self._post(transfer, transfer.destination_account, transfer.amount_minor)

    def _post(self, transfer: Transfer, account_id: str, amount_minor: int) -> None:
        account = self.accounts[account_id]
        account.currency = transfer.currency
        account.balance_minor += amount_minor
        entry = LedgerEntry(
            transfer_id=transfer.transfer_id,
            account_id=account_id,
            amount_minor=amount_minor,
            balance_after_minor=account.balance_minor,
            currency=transfer.currency,
            created_at=self.now,
        )
        self.new_entries.append(entry)
