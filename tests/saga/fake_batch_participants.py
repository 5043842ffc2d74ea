"""Handwritten participants of a batch, in memory: real fences and money sums, faults for single transfers or lists."""

import asyncio
import threading
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from saga.fake_participants import Fault, Name
from service_runtime.batch_edge import answer_for, attempt_on, transfer_ids
from temporalio import activity
from temporalio.exceptions import ApplicationError
from transfer_contract.activities import AccountBatchActivities, LedgerBatchActivities
from transfer_contract.batches import BatchItems, BatchUndo, Decisions, Ranges, position_of, positions_in, ranges_of
from transfer_contract.steps import (
    Compensation,
    Decision,
    Failure,
    FailureCode,
    Step,
    StepError,
    StepRow,
    status_by,
)

AMOUNT: Final = 10
LATE_SECONDS: Final = 20

_REFUSAL: Final = {
    Step.WITHDRAW: FailureCode.INSUFFICIENT_FUNDS,
    Step.DEPOSIT: FailureCode.UNKNOWN_ACCOUNT,
    Step.RECORD: FailureCode.LEDGER_REJECTED,
}


class FakeBatch(AccountBatchActivities, LedgerBatchActivities):
    """Every transfer moves AMOUNT. `withdrawn` has the positions in the order in which they were paid."""

    def __init__(self) -> None:
        self.total = 0
        self.rows: dict[tuple[int, Step], StepRow] = {}
        self.calls: list[tuple[Name, tuple[int, ...]]] = []
        self.withdrawn: list[int] = []
        self.undone_because: dict[int, Failure] = {}
        self.in_transit = self.held = self.received = self.recorded = 0
        self.late, self.go = threading.Event(), threading.Event()
        self.waiting: defaultdict[Name, threading.Event] = defaultdict(threading.Event)
        self._lists: dict[Name, tuple[Fault, int]] = {}
        self._singles: dict[tuple[Name, int], tuple[Fault, int]] = {}
        self._tried: Counter[tuple[Name, int]] = Counter()
        self._lock = threading.Lock()

    def plan(self, name: Name, fault: Fault, attempts: int = 3) -> None:
        """The first attempts at a list meet it."""
        self._lists[name] = (fault, attempts)

    def plan_for(self, position: int, name: Name, fault: Fault, attempts: int = 3) -> None:
        """The first attempts at this transfer meet it, whatever list it is in."""
        self._singles[name, position] = (fault, attempts)

    def shut(self, position: int, step: Step) -> None:
        """Somebody else has left a tombstone."""
        self.rows[position, step] = StepRow(transfer_id="", step=step, decision=Decision.CANCELLED)

    def decisions(self, position: int) -> Mapping[Step, Decision]:
        return {step: row.decision for (owner, step), row in self.rows.items() if owner == position}

    def statuses(self, total: int) -> list[str | None]:
        return [status_by(self.decisions(position)) for position in range(1, total + 1)]

    def unfinished(self, total: int) -> Ranges:
        return ranges_of(at for at, status in enumerate(self.statuses(total), start=1) if status is None)

    def forget(self) -> None:
        """All of a batch that has ended."""
        self.rows.clear()
        self.received = self.recorded = 0

    def check_money(self) -> None:
        completed = sum(
            row.decision is Decision.APPLIED for (_, step), row in self.rows.items() if step is Step.RELEASE
        )
        moved = {"in transit": self.in_transit, "held": self.held, "received": self.received, "recorded": self.recorded}
        right = {"in transit": 0, "held": 0, "received": completed * AMOUNT, "recorded": completed * AMOUNT}
        assert moved == right, f"{moved} instead of {right}"

    @activity.defn(name="withdraw_many", no_thread_cancel_exception=True)
    def withdraw_many(self, items: BatchItems) -> Decisions:
        return self._decide_all(Step.WITHDRAW, items)

    @activity.defn(name="deposit_many", no_thread_cancel_exception=True)
    def deposit_many(self, items: BatchItems) -> Decisions:
        return self._decide_all(Step.DEPOSIT, items)

    @activity.defn(name="release_many", no_thread_cancel_exception=True)
    def release_many(self, items: BatchItems) -> Decisions:
        return self._decide_all(Step.RELEASE, items)

    @activity.defn(name="deposit_compensation_many", no_thread_cancel_exception=True)
    def deposit_compensation_many(self, items: BatchUndo) -> Decisions:
        return self._decide_all(Compensation.DEPOSIT, items)

    @activity.defn(name="withdraw_compensation_many", no_thread_cancel_exception=True)
    def withdraw_compensation_many(self, items: BatchUndo) -> Decisions:
        return self._decide_all(Compensation.WITHDRAW, items)

    @activity.defn(name="find_unfinished", no_thread_cancel_exception=True)
    def find_unfinished(self, batch_id: str) -> Ranges:
        return self.unfinished(self.total)

    @activity.defn(name="record_many")
    async def record_many(self, items: BatchItems) -> Decisions:
        return await asyncio.to_thread(self._decide_all, Step.RECORD, items)

    @activity.defn(name="record_compensation_many")
    async def record_compensation_many(self, items: BatchUndo) -> Decisions:
        return await asyncio.to_thread(self._decide_all, Compensation.RECORD, items)

    def _decide_all(self, name: Name, items: BatchItems | BatchUndo) -> Decisions:
        asked = transfer_ids(items)
        self.calls.append((name, tuple(map(position_of, asked))))
        fault = self._fault_of_list(name)
        if fault is Fault.FAILS:
            raise ApplicationError("the test makes it fail", type="test_fault")
        if fault is Fault.TIMES_OUT_BEFORE_APPLYING:
            self.late.wait(LATE_SECONDS)
        if fault is Fault.WAITS:
            self.waiting[name].set()
            self.go.wait(LATE_SECONDS)
        rows: dict[str, StepRow] = {}
        errors: dict[str, StepError] = {}
        with self._lock:
            for transfer_id in asked:
                single = self._fault_of_single(name, position_of(transfer_id))
                if single is Fault.FAILS:
                    errors[transfer_id] = StepError(code="test_fault", detail="the test makes it fail")
                else:
                    rows[transfer_id] = self._decide(name, transfer_id, items, single)
        if fault is Fault.TIMES_OUT_AFTER_APPLYING:
            self.late.wait(LATE_SECONDS)
        return answer_for(items, rows, errors)

    def _fault_of_list(self, name: Name) -> Fault | None:
        fault, attempts = self._lists.get(name, (None, 0))
        return fault if activity.info().attempt <= attempts else None

    def _fault_of_single(self, name: Name, position: int) -> Fault | None:
        fault, attempts = self._singles.get((name, position), (None, 0))
        self._tried[name, position] += 1
        return fault if self._tried[name, position] <= attempts else None

    def _decide(self, name: Name, transfer_id: str, items: BatchItems | BatchUndo, fault: Fault | None) -> StepRow:
        position = position_of(transfer_id)
        if isinstance(name, Compensation):
            return self._undo(name, position, transfer_id, items)
        row = self.rows.get((position, name))
        if row is not None:
            return row.model_copy(update={"transfer_id": transfer_id})
        decision, error = Decision.APPLIED, None
        if fault is Fault.REFUSED:
            decision, error = Decision.REJECTED, StepError(code=_REFUSAL[name], detail="refused by the test")
        elif name is Step.DEPOSIT and self.decisions(position).get(Step.WITHDRAW) is not Decision.APPLIED:
            decision = Decision.CANCELLED
        forward = attempt_on(items).decided(datetime.now(UTC), error)
        row = StepRow(transfer_id=transfer_id, step=name, decision=decision, forward=forward)
        self.rows[position, name] = row
        if decision is Decision.APPLIED:
            self._move(name, position)
        return row

    def _undo(self, name: Compensation, position: int, transfer_id: str, items: BatchItems | BatchUndo) -> StepRow:
        if name is Compensation.WITHDRAW and isinstance(items, BatchUndo):
            self.undone_because |= {at: each.failure for each in items.undo for at in positions_in(each.positions)}
        row = self.rows.get((position, name.step))
        done = attempt_on(items).decided(datetime.now(UTC))
        if row is None:
            row = StepRow(transfer_id=transfer_id, step=name.step, decision=Decision.CANCELLED, compensation=done)
        elif row.decision is Decision.APPLIED and name is not Compensation.RECORD:
            row = row.model_copy(update={"decision": Decision.COMPENSATED, "compensation": done})
            if name is Compensation.DEPOSIT:
                self.held -= AMOUNT
            else:
                self.in_transit -= AMOUNT
            if name is Compensation.DEPOSIT:
                self.in_transit += AMOUNT
        self.rows[position, name.step] = row
        return row.model_copy(update={"transfer_id": transfer_id})

    def _move(self, step: Step, position: int) -> None:
        match step:
            case Step.WITHDRAW:
                self.in_transit += AMOUNT
                self.withdrawn.append(position)
            case Step.DEPOSIT:
                self.in_transit -= AMOUNT
                self.held += AMOUNT
            case Step.RECORD:
                self.recorded += AMOUNT
            case Step.RELEASE:
                self.held -= AMOUNT
                self.received += AMOUNT
