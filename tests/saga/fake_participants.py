"""Handwritten participants in memory: real fences and real money sums, with a fault for each step as a test asks."""

import contextlib
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Final

from service_runtime.activity_edge import answer
from temporalio import activity
from temporalio.exceptions import ApplicationError
from transfer_contract.activities import AccountActivities, LedgerActivities
from transfer_contract.steps import (
    Compensation,
    Decision,
    Failure,
    FailureCode,
    Occurrence,
    Step,
    StepError,
    StepRow,
    decision_of,
)
from transfer_contract.transfers import AbortRequest, TransferRequest

START_BALANCE: Final = 1_000
LATE_SECONDS: Final = 20

Name = Step | Compensation
Move = Callable[[], None]

_REFUSAL: Final = {
    Step.WITHDRAW: FailureCode.INSUFFICIENT_FUNDS,
    Step.DEPOSIT: FailureCode.UNKNOWN_ACCOUNT,
    Step.RECORD: FailureCode.LEDGER_REJECTED,
}


class Fault(Enum):
    """What happens to an attempt of a step."""

    REFUSED = auto()
    KEY_REUSED = auto()
    FAILS = auto()
    ANSWER_LOST = auto()
    """It applies, or is refused, and nobody hears which."""
    TIMES_OUT_AFTER_APPLYING = auto()
    TIMES_OUT_BEFORE_APPLYING = auto()
    """The attempt goes on when the test is over: it applies late, after everybody gave it up."""
    WAITS = auto()
    """Until the test says go; then it is done as usual."""


@dataclass
class Books:
    """Decision rows and money of all transfers of one test, under one lock: the fence."""

    rows: dict[tuple[str, Step], StepRow] = field(default_factory=dict)
    requests: dict[str, TransferRequest] = field(default_factory=dict)
    """As the first accounts row stored them."""
    recorded: dict[str, TransferRequest] = field(default_factory=dict)
    """As the ledger's row stored them."""
    balances: dict[str, int] = field(default_factory=lambda: defaultdict(lambda: START_BALANCE))
    held: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    entries: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, transfer_id: str) -> list[StepRow]:
        return [row for (owner, _), row in self.rows.items() if owner == transfer_id]

    def put(self, request: TransferRequest, row: StepRow) -> None:
        self.rows[request.transfer_id, row.step] = row
        stored = self.recorded if row.step is Step.RECORD else self.requests
        stored.setdefault(request.transfer_id, request)


class Faults:
    """Which attempts of which step meet which fault, and what was called in which order."""

    def __init__(self) -> None:
        self.calls: list[Name] = []
        self.late = threading.Event()
        self.go = threading.Event()
        self.waiting: dict[Name, threading.Event] = defaultdict(threading.Event)
        self._planned: dict[Name, tuple[Fault, int]] = {}

    def plan(self, name: Name, fault: Fault, attempts: int = 3) -> None:
        """The first `attempts` attempts of the step meet the fault."""
        self._planned[name] = (fault, attempts)

    def meets(self, name: Name) -> Fault | None:
        fault, attempts = self._planned.get(name, (None, 0))
        return fault if activity.info().attempt <= attempts else None

    @property
    def order(self) -> list[Name]:
        """The steps in the order of their first attempts."""
        return list(dict.fromkeys(self.calls))


class FakeAccounts(AccountActivities):
    def __init__(self, books: Books, faults: Faults) -> None:
        self._books = books
        self._faults = faults

    @activity.defn(name="withdraw", no_thread_cancel_exception=True)
    def withdraw(self, request: TransferRequest) -> StepRow:
        def pay() -> None:
            self._books.balances[request.source_account] -= request.amount_minor

        return _forward(self._books, self._faults, Step.WITHDRAW, request, pay)

    @activity.defn(name="deposit", no_thread_cancel_exception=True)
    def deposit(self, request: TransferRequest) -> StepRow:
        def hold() -> None:
            self._books.held[request.destination_account] += request.amount_minor

        return _forward(self._books, self._faults, Step.DEPOSIT, request, hold)

    @activity.defn(name="release", no_thread_cancel_exception=True)
    def release(self, request: TransferRequest) -> StepRow:
        def spendable() -> None:
            self._books.held[request.destination_account] -= request.amount_minor
            self._books.balances[request.destination_account] += request.amount_minor

        return _forward(self._books, self._faults, Step.RELEASE, request, spendable)

    @activity.defn(name="deposit_compensation", no_thread_cancel_exception=True)
    def deposit_compensation(self, request: AbortRequest) -> StepRow:
        def take_away() -> None:
            self._books.held[request.transfer.destination_account] -= request.transfer.amount_minor

        return _compensate(self._books, self._faults, Compensation.DEPOSIT, request, take_away)

    @activity.defn(name="withdraw_compensation", no_thread_cancel_exception=True)
    def withdraw_compensation(self, request: AbortRequest) -> StepRow:
        def put_back() -> None:
            self._books.balances[request.transfer.source_account] += request.transfer.amount_minor

        return _compensate(self._books, self._faults, Compensation.WITHDRAW, request, put_back)


class FakeLedger(LedgerActivities):
    def __init__(self, books: Books, faults: Faults) -> None:
        self._books = books
        self._faults = faults

    @activity.defn(name="record", no_thread_cancel_exception=True)
    def record(self, request: TransferRequest) -> StepRow:
        def enter() -> None:
            self._books.entries[request.source_account] -= request.amount_minor
            self._books.entries[request.destination_account] += request.amount_minor

        return _forward(self._books, self._faults, Step.RECORD, request, enter)

    @activity.defn(name="record_compensation", no_thread_cancel_exception=True)
    def record_compensation(self, request: AbortRequest) -> StepRow:
        return _compensate(self._books, self._faults, Compensation.RECORD, request, None)


def _forward(books: Books, faults: Faults, step: Step, request: TransferRequest, move: Move) -> StepRow:
    def decide(fault: Fault | None) -> StepRow:
        with books.lock:
            row = books.rows.get((request.transfer_id, step))
            if row is None:
                row = _decision(books, step, request, fault)
                books.put(request, row)
                if row.decision is Decision.APPLIED:
                    move()
            return row

    return answer(meet_fault(faults, step, decide))


def _decision(books: Books, step: Step, request: TransferRequest, fault: Fault | None) -> StepRow:
    decision, error = Decision.APPLIED, None
    if fault is Fault.REFUSED:
        decision, error = Decision.REJECTED, StepError(code=_REFUSAL[step], detail="refused by the test")
    elif step is Step.DEPOSIT and decision_of(books.of(request.transfer_id), Step.WITHDRAW) is not Decision.APPLIED:
        decision = Decision.CANCELLED
    return StepRow(transfer_id=request.transfer_id, step=step, decision=decision, forward=_occurrence(error))


def _compensate(
    books: Books, faults: Faults, compensation: Compensation, request: AbortRequest, move: Move | None
) -> StepRow:
    step = compensation.step

    def decide(_fault: Fault | None) -> StepRow:
        with books.lock:
            row = books.rows.get((request.transfer.transfer_id, step))
            if row is None:
                row = _tombstone(step, request)
            elif row.decision is Decision.APPLIED and move is not None:
                move()
                row = row.model_copy(
                    update={
                        "decision": Decision.COMPENSATED,
                        "compensation": _occurrence(),
                        "failure": _kept(step, request.failure),
                    }
                )
            books.put(request.transfer, row)
            return row

    return meet_fault(faults, compensation, decide)


def meet_fault(faults: Faults, name: Name, decide: Callable[[Fault | None], StepRow]) -> StepRow:
    faults.calls.append(name)
    fault = faults.meets(name)
    if fault is Fault.KEY_REUSED:
        raise ApplicationError("another request's rows", type=FailureCode.IDEMPOTENCY_KEY_REUSED, non_retryable=True)
    if fault is Fault.FAILS:
        raise ApplicationError("the test makes it fail", type="test_fault")
    if fault is Fault.TIMES_OUT_BEFORE_APPLYING:
        faults.late.wait(LATE_SECONDS)
    if fault is Fault.WAITS:
        faults.waiting[name].set()
        faults.go.wait(LATE_SECONDS)
    if fault is Fault.ANSWER_LOST:
        with contextlib.suppress(ApplicationError):
            decide(fault)
        raise ApplicationError("the test loses the answer", type="test_fault")
    row = decide(fault)
    if fault is Fault.TIMES_OUT_AFTER_APPLYING:
        faults.late.wait(LATE_SECONDS)
    return row


def _tombstone(step: Step, request: AbortRequest) -> StepRow:
    return StepRow(
        transfer_id=request.transfer.transfer_id,
        step=step,
        decision=Decision.CANCELLED,
        compensation=_occurrence(),
        failure=_kept(step, request.failure),
    )


def _kept(step: Step, failure: Failure) -> Failure | None:
    return failure if step is Step.WITHDRAW else None


def _occurrence(error: StepError | None = None) -> Occurrence:
    info = activity.info()
    return Occurrence(attempt=info.attempt, scheduled_at=info.scheduled_time, decided_at=datetime.now(UTC), error=error)
