"""The model's state, small and hashable: rows, money, runs, reconcilers and requests under way, by the code's names."""

from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

from transfer_contract.steps import Compensation, Decision, FinalStatus, Step

Name: TypeAlias = Step | Compensation

FORWARD: Final = (Step.WITHDRAW, Step.DEPOSIT, Step.RECORD)
ABORT: Final = tuple(Compensation)


class Body(StrEnum):
    """Two requests that came with the same Idempotency-Key."""

    FIRST = "first"
    OTHER = "other"


class Problem(StrEnum):
    """The answers that are no decision."""

    KEY_REUSED = "idempotency_key_reused"
    GUARD = "guard_violated"


Answer: TypeAlias = Decision | Problem
Result: TypeAlias = FinalStatus | Problem


class Request(NamedTuple):
    name: Name
    body: Body

    def __str__(self) -> str:
        return self.name if self.body is Body.FIRST else f"{self.name} of the other request"


REQUESTS: Final = tuple(Request(name, body) for body in Body for name in (*Step, *Compensation))
BIT: Final = {request: 1 << number for number, request in enumerate(REQUESTS)}


class Order(NamedTuple):
    """What a request asks for; accounts by their index."""

    source: int
    destination: int
    amount: int


Orders: TypeAlias = dict[Body, Order]
"""What each request that came with a transfer's key asks for."""


class Account(NamedTuple):
    balance: int = 0
    held: int = 0
    is_open: bool = True


Accounts: TypeAlias = tuple[Account | None, ...]
"""None is an account that nobody opened."""


class Rows(NamedTuple):
    """A transfer's decision rows; `body` and `record_body` are the requests that each database stored."""

    withdraw: Decision | None = None
    deposit: Decision | None = None
    release: Decision | None = None
    body: Body | None = None
    record: Decision | None = None
    record_body: Body | None = None


NO_ROWS: Final = Rows()


class Run(NamedTuple):
    """The latest run that Temporal knows of. It runs while it awaits something.

    `heard` counts the forward steps that answered it `applied`: an operator can reset it to before any of these.
    """

    body: Body
    awaits: tuple[Name, ...]
    heard: int = 0
    result: Result | None = None

    @property
    def is_running(self) -> bool:
        return bool(self.awaits)


class Reconciling(NamedTuple):
    """A reconciler at work on the transfer, and what it awaits."""

    body: Body
    awaits: Name


class Writes(NamedTuple):
    """What a request does to the databases: the rows, and one account's balance and held credit."""

    rows: tuple[tuple[str, Decision | Body], ...] = ()
    account: int = 0
    balance: int = 0
    held: int = 0

    @property
    def move_money(self) -> bool:
        return bool(self.balance or self.held)


class Transfer(NamedTuple):
    """`sent` has a bit per request that anyone ever sent: each may execute at any time from then on, any number of
    times. That is every lost answer, late attempt and duplicate at once.

    `looked`: a `POST` with the request that is known has found that a run may start. It may start one at any later
    time, whatever has happened since, until Temporal forgets the runs of before: no `POST` takes days.

    `half_done` is used only where rule 1 is dropped.
    """

    rows: Rows = NO_ROWS
    run: Run | None = None
    runs: int = 0
    reconcilers: tuple[Reconciling, ...] = ()
    sent: int = 0
    looked: bool = False
    half_done: Writes | None = None

    @property
    def body(self) -> Body | None:
        """The request that is known of it."""
        return self.run.body if self.run else self.rows.body


class World(NamedTuple):
    accounts: Accounts
    transfers: tuple[Transfer, ...]


class Bounds(NamedTuple):
    """How much can happen to each transfer.

    `bodies`: more than one where a key is used for two requests. `deletion`: an operator deletes a closed run before
    the reconciler has found it. Such a transfer may be lost, but must do no harm. `stuck`: a run's tasks may fail, one
    after the other; then the reconciler doesn't wait for it.
    """

    runs: int = 3
    reconcilers: int = 2
    bodies: tuple[Body, ...] = (Body.FIRST,)
    closing: bool = True
    resets: bool = True
    deletion: bool = False
    stuck: bool = True


class Plan(NamedTuple):
    """A case to explore: the accounts as they begin, and the transfers.

    `calmer`: the bounds of the transfers after the first one, where less can happen to them.
    """

    accounts: Accounts
    orders: tuple[Orders, ...]
    bounds: Bounds = Bounds()
    calmer: Bounds | None = None

    def bounds_of(self, number: int) -> Bounds:
        return self.calmer if self.calmer and number else self.bounds


def final_status(rows: Rows) -> FinalStatus | None:
    """Rule 10, as `transfer_contract.steps.final_status` has it; a test compares the two."""
    if rows.release is Decision.APPLIED:
        return FinalStatus.COMPLETED
    if rows.withdraw is Decision.REJECTED:
        return FinalStatus.REJECTED
    undone = rows.withdraw is Decision.CANCELLED or rows.withdraw is Decision.COMPENSATED
    return FinalStatus.COMPENSATED if undone and rows.deposit is not Decision.APPLIED else None
