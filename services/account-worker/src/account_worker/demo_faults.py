"""The demo scenarios that this service plays, in one place, and nothing of them where they are switched off."""

from collections.abc import Collection, Sequence
from typing import Protocol

from service_runtime.activity_edge import decide
from service_runtime.database import in_transaction
from service_runtime.demo_faults import SLOW_SECONDS, demo_fault, slow_compensation, slow_step
from sqlalchemy import Engine, text
from transfer_contract.steps import Compensation, Step
from transfer_contract.transfers import Scenario, TransferRequest

from account_worker.batches import with_scenario


class Faults(Protocol):
    """Called before a step's transaction; what it raises is a technical error like any other."""

    def before_step(self, step: Step, transfer: TransferRequest) -> None: ...

    def before_compensation(self, compensation: Compensation, transfer: TransferRequest) -> None: ...

    def scenarios(self, transfer_ids: Collection[str]) -> Sequence[TransferRequest]:
        """Of these, the transfers of a batch that ask for a fault."""

    def lift(self, transfer_id: str) -> None:
        """From now on `compensation_fails` no longer applies to this transfer."""


class NoFaults:
    def before_step(self, step: Step, transfer: TransferRequest) -> None: ...

    def before_compensation(self, compensation: Compensation, transfer: TransferRequest) -> None: ...

    def scenarios(self, transfer_ids: Collection[str]) -> Sequence[TransferRequest]:  # noqa: ARG002
        return ()

    def lift(self, transfer_id: str) -> None: ...


class DemoFaults:
    def __init__(self, engine: Engine, *, slow_seconds: float = SLOW_SECONDS) -> None:
        self._engine = engine
        self._slow_seconds = slow_seconds

    def before_step(self, step: Step, transfer: TransferRequest) -> None:
        if transfer.scenario is Scenario.SLOW:
            slow_step(self._slow_seconds)
        if transfer.scenario is Scenario.DEPOSIT_FAILS and step is Step.DEPOSIT:
            raise demo_fault("deposit fails, as the scenario asks")

    def before_compensation(self, compensation: Compensation, transfer: TransferRequest) -> None:
        if transfer.scenario is Scenario.SLOW_COMPENSATION:
            slow_compensation(self._slow_seconds)
        fails = transfer.scenario is Scenario.COMPENSATION_FAILS and compensation is Compensation.WITHDRAW
        if fails and not self._is_lifted(transfer.transfer_id):
            raise demo_fault("withdraw_compensation fails until an operator's retry, as the scenario asks")

    def scenarios(self, transfer_ids: Collection[str]) -> Sequence[TransferRequest]:
        return decide(self._engine, lambda connection: with_scenario(connection, transfer_ids))

    def lift(self, transfer_id: str) -> None:
        statement = text("INSERT INTO lifted_faults (transfer_id) VALUES (:transfer_id) ON CONFLICT DO NOTHING")
        in_transaction(self._engine, lambda connection: connection.execute(statement, {"transfer_id": transfer_id}))

    def _is_lifted(self, transfer_id: str) -> bool:
        query = text("SELECT EXISTS (SELECT FROM lifted_faults WHERE transfer_id = :transfer_id)")
        return bool(decide(self._engine, lambda connection: connection.scalar(query, {"transfer_id": transfer_id})))
