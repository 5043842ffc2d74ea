"""What a step decides on and changes: a snapshot of transfers and accounts that are under lock. Pure values."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple, Protocol

from service_runtime.activity_edge import Attempt
from transfer_contract.steps import Decision, Failure, FinalStatus, Occurrence, Step, StepError, StepRow, status_by


class Asked(Protocol):
    """A forward step's request, as much of it as a rule looks at. What is moved is the stored request's (rule 3)."""

    @property
    def transfer_id(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...


class AskedToUndo(Protocol):
    """A compensation's request."""

    @property
    def transfer(self) -> Asked: ...
    @property
    def failure(self) -> Failure: ...


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


class StoredTransfer(NamedTuple):
    """A transfer as its first row stored it (rule 3)."""

    transfer_id: str
    source_account: str
    destination_account: str
    amount_minor: int
    currency: str


class StoredRequest(NamedTuple):
    """The stored request itself, where a batch asks for its step."""

    transfer_id: str
    fingerprint: str


class StoredUndo(NamedTuple):
    transfer: StoredRequest
    failure: Failure


@dataclass
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
    """The request and its fingerprint, as the transfer's first row stored them (rule 3), and what is decided so far.

    `rows` has at least the row of the step at hand; of the other steps' rows the decisions are enough.
    """

    request: Transfer
    fingerprint: str
    rows: dict[Step, StepRow] = field(default_factory=dict)
    is_final: bool = False
    decisions: dict[Step, Decision] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for step, row in self.rows.items():
            self.decisions[step] = row.decision

    def decision(self, step: Step) -> Decision | None:
        return self.decisions.get(step)

    @property
    def as_asked(self) -> StoredRequest:
        return StoredRequest(self.request.transfer_id, self.fingerprint)


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
        self.transfers: Mapping[str, LockedTransfer] = {each.request.transfer_id: each for each in transfers}
        self.accounts = {account.id: replace(account) for account in accounts}
        self.written_rows: list[StepRow] = []
        self.ends: list[End] = []
        self._moved: set[str] = set()
        self._occurrence: Occurrence | None = None

    @property
    def moved_accounts(self) -> list[LockedAccount]:
        return [self.accounts[account_id] for account_id in sorted(self._moved)]

    def decided(self, attempt: Attempt, refusal: StepError | None = None) -> Occurrence:
        """What the rows keep of the attempt. One value for all rows of a transaction that aren't refusals."""
        if refusal is not None:
            return attempt.decided(self.now, refusal)
        if self._occurrence is None:
            self._occurrence = attempt.decided(self.now)
        return self._occurrence

    def write(self, row: StepRow) -> StepRow:
        """A row that is new or compensated (rule 2), and the transfer's end where this row makes it final (rule 10)."""
        transfer = self.transfers[row.transfer_id]
        transfer.rows[row.step] = row
        transfer.decisions[row.step] = row.decision
        self.written_rows.append(row)
        if not transfer.is_final and (status := status_by(transfer.decisions)):
            transfer.is_final = True
            self.ends.append(End(row.transfer_id, status, row.finished_at))
        return row

    def move(self, account_id: str, *, balance: int = 0, held: int = 0) -> None:
        """Adds to an account's spendable balance and held credit, in minor units."""
        account = self.accounts[account_id]
        account.balance_minor += balance
        account.held_minor += held
        self._moved.add(account_id)
