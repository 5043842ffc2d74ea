"""The demo scenarios that the ledger plays, in one place, and nothing of them where they are switched off."""

from typing import Final, Protocol

from service_runtime.activity_edge import Attempt
from service_runtime.demo_faults import SLOW_SECONDS, demo_fault, slow_compensation, slow_step
from transfer_contract.steps import StepError
from transfer_contract.transfers import Scenario, TransferRequest

from ledger_worker.entries import ledger_rejected
from ledger_worker.ledger import Transfer

_REJECTED: Final = (Scenario.LEDGER_REJECTS, Scenario.SLOW_COMPENSATION, Scenario.COMPENSATION_FAILS)
_FAILING_ATTEMPTS: Final = 2


class Faults(Protocol):
    """The first two are called before a step's transaction; what they raise is a technical error like any other."""

    def before_record(self, transfer: TransferRequest, attempt: Attempt) -> None: ...

    def before_record_compensation(self, transfer: TransferRequest) -> None: ...

    def refuse(self, transfer: Transfer) -> StepError | None:
        """A `RefusalRule`: a demo's refusal takes the same way through the database as a real one."""


class NoFaults:
    def before_record(self, transfer: TransferRequest, attempt: Attempt) -> None: ...

    def before_record_compensation(self, transfer: TransferRequest) -> None: ...

    def refuse(self, transfer: Transfer) -> StepError | None: ...


class DemoFaults:
    def __init__(self, *, slow_seconds: float = SLOW_SECONDS) -> None:
        self._slow_seconds = slow_seconds

    def before_record(self, transfer: TransferRequest, attempt: Attempt) -> None:
        if transfer.scenario is Scenario.SLOW:
            slow_step(self._slow_seconds)
        if transfer.scenario is Scenario.LEDGER_FAILS_TWICE and attempt.number <= _FAILING_ATTEMPTS:
            raise demo_fault("record fails twice, as the scenario asks")

    def before_record_compensation(self, transfer: TransferRequest) -> None:
        if transfer.scenario is Scenario.SLOW_COMPENSATION:
            slow_compensation(self._slow_seconds)

    def refuse(self, transfer: Transfer) -> StepError | None:
        if transfer.scenario in _REJECTED:
            return ledger_rejected("the ledger rejects this transfer, as the scenario asks")
        return None
