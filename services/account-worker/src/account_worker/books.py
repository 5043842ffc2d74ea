"""What a step decides on and changes: a snapshot of transfers and accounts that are under lock. Pure values."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from transfer_contract.steps import Decision, FinalStatus, Step, StepRow, final_status
from transfer_contract.transfers import TransferRequest


@dataclass(frozen=True)
class LockedAccount:
    """`held_minor` is credited but not spendable yet. Only a treasury may go below zero."""

    id: str
    currency: str
    balance_minor: int
    held_minor: int
    is_open: bool = True
    is_treasury: bool = False


@dataclass
class LockedTransfer:
    """The request and its fingerprint, as the transfer's first row stored them (rule 3), and its rows so far."""

    request: TransferRequest
    fingerprint: str
    rows: dict[Step, StepRow] = field(default_factory=dict)
    is_final: bool = False

    def decision(self, step: Step) -> Decision | None:
        row = self.rows.get(step)
        return row.decision if row else None


@dataclass(frozen=True)
class End:
    """A transfer became final (rule 10) by a row of this time."""

    transfer_id: str
    final_status: FinalStatus
    finished_at: datetime


class Books:
    """The transfers and accounts that one transaction holds under lock, and what it has changed in them so far.

    `now` is the database's clock after the transfers were locked, so a transfer's rows are in the order of their times.
    """

    def __init__(
        self, transfers: Iterable[LockedTransfer], accounts: Iterable[LockedAccount], *, now: datetime
    ) -> None:
        self.now = now
        self.transfers = {transfer.request.transfer_id: transfer for transfer in transfers}
        self.accounts = {account.id: account for account in accounts}
        self._written: dict[tuple[str, Step], StepRow] = {}
        self._moved: set[str] = set()
        self.ends: list[End] = []

    @property
    def written_rows(self) -> list[StepRow]:
        return list(self._written.values())

    @property
    def moved_accounts(self) -> list[LockedAccount]:
        return [self.accounts[account_id] for account_id in sorted(self._moved)]

    def write(self, row: StepRow) -> StepRow:
        """A row that is new or compensated (rule 2), and the transfer's end where this row makes it final (rule 10)."""
        transfer = self.transfers[row.transfer_id]
        transfer.rows[row.step] = row
        self._written[row.transfer_id, row.step] = row
        if not transfer.is_final and (status := final_status(transfer.rows.values())):
            transfer.is_final = True
            self.ends.append(End(row.transfer_id, status, row.finished_at))
        return row

    def move(self, account_id: str, *, balance: int = 0, held: int = 0) -> None:
        """Adds to an account's spendable balance and held credit, in minor units."""
        account = self.accounts[account_id]
        self.accounts[account_id] = replace(
            account, balance_minor=account.balance_minor + balance, held_minor=account.held_minor + held
        )
        self._moved.add(account_id)
