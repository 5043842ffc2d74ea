"""The participants' own activities, each attempt of which meets the fault that a test plans for it."""

from account_worker.activities import AccountStepActivities
from account_worker.demo_faults import NoFaults
from ledger_worker.activities import LedgerStepActivities
from ledger_worker.demo_faults import DemoFaults as LedgerDemoFaults
from prometheus_client import CollectorRegistry
from saga.fake_participants import Faults, meet_fault
from sqlalchemy import Engine
from temporalio import activity
from transfer_contract.steps import Compensation, Step, StepRow
from transfer_contract.transfers import AbortRequest, TransferRequest


class FaultyAccounts(AccountStepActivities):
    def __init__(self, engine: Engine, planned: Faults) -> None:
        super().__init__(engine, NoFaults(), CollectorRegistry())
        self._planned = planned

    @activity.defn(name="withdraw", no_thread_cancel_exception=True)
    def withdraw(self, request: TransferRequest) -> StepRow:
        step = super().withdraw
        return meet_fault(self._planned, Step.WITHDRAW, lambda _: step(request))

    @activity.defn(name="deposit", no_thread_cancel_exception=True)
    def deposit(self, request: TransferRequest) -> StepRow:
        step = super().deposit
        return meet_fault(self._planned, Step.DEPOSIT, lambda _: step(request))

    @activity.defn(name="release", no_thread_cancel_exception=True)
    def release(self, request: TransferRequest) -> StepRow:
        step = super().release
        return meet_fault(self._planned, Step.RELEASE, lambda _: step(request))

    @activity.defn(name="deposit_compensation", no_thread_cancel_exception=True)
    def deposit_compensation(self, request: AbortRequest) -> StepRow:
        step = super().deposit_compensation
        return meet_fault(self._planned, Compensation.DEPOSIT, lambda _: step(request))

    @activity.defn(name="withdraw_compensation", no_thread_cancel_exception=True)
    def withdraw_compensation(self, request: AbortRequest) -> StepRow:
        step = super().withdraw_compensation
        return meet_fault(self._planned, Compensation.WITHDRAW, lambda _: step(request))


class FaultyLedger(LedgerStepActivities):
    """Plays the scenarios in which the ledger refuses."""

    def __init__(self, engine: Engine, planned: Faults) -> None:
        super().__init__(engine, LedgerDemoFaults(slow_seconds=0))
        self._planned = planned

    @activity.defn(name="record", no_thread_cancel_exception=True)
    def record(self, request: TransferRequest) -> StepRow:
        step = super().record
        return meet_fault(self._planned, Step.RECORD, lambda _: step(request))

    @activity.defn(name="record_compensation", no_thread_cancel_exception=True)
    def record_compensation(self, request: AbortRequest) -> StepRow:
        step = super().record_compensation
        return meet_fault(self._planned, Compensation.RECORD, lambda _: step(request))
