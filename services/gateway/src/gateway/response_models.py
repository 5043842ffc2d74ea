"""The public response bodies. Amounts are decimal strings here, and integers everywhere further in."""

from typing import Literal, Self

from pydantic import BaseModel, Field
from transfer_contract import attention, http
from transfer_contract.attention import AttentionKind
from transfer_contract.names import Process, TaskQueue
from transfer_contract.steps import Compensation, Step, StepError
from transfer_contract.transfers import FailureView, StepName, StepStatus, TransferStatus, TransferView

from gateway.money import to_decimal
from gateway.parameters import Amount, Timestamp


class TransferStep(BaseModel):
    name: StepName
    kind: Literal["forward", "compensation"]
    status: StepStatus
    attempts: int
    started_at: Timestamp | None
    finished_at: Timestamp | None
    error: StepError | None = Field(description="The last error of its attempts")
    worker: str | None = Field(description="The worker process that made its last attempt")
    next_attempt_at: Timestamp | None = Field(description="While it waits for its next attempt")


class Transfer(BaseModel):
    id: str
    status: TransferStatus
    source_account: str
    destination_account: str
    amount: Amount
    currency: str
    reference: str | None
    created_at: Timestamp
    finished_at: Timestamp | None
    steps: list[TransferStep] = Field(
        description="The four forward steps in order, then the compensations that were started"
    )
    failure: FailureView | None = Field(description="Why the transfer was rejected or compensated")
    waiting_for: Process | None = Field(description="The process of which none is alive while this transfer needs it")

    @classmethod
    def of(cls, view: TransferView) -> Self:
        fields = view.model_dump(exclude={"amount_minor"})
        return cls(**fields, amount=to_decimal(view.amount_minor, view.currency))


class TransferPage(BaseModel):
    items: list[Transfer]
    next_cursor: str | None


class LatestTransfers(BaseModel):
    items: list[Transfer]


class Account(BaseModel):
    id: str
    owner: str
    currency: str
    balance: Amount = Field(description="What can be spent")
    held: Amount = Field(description="Credited by transfers that could still be undone: not spendable yet")
    status: Literal["open", "closed"]
    created_at: Timestamp

    @classmethod
    def of(cls, account: http.Account) -> Self:
        return cls(
            id=account.id,
            owner=account.owner,
            currency=account.currency,
            balance=to_decimal(account.balance_minor, account.currency),
            held=to_decimal(account.held_minor, account.currency),
            status=account.status,
            created_at=account.created_at,
        )


class CreatedAccount(Account):
    opening_transfer: str | None = Field(
        default=None, description="The id of the transfer that brings the opening balance, where there is one"
    )


class AccountPage(BaseModel):
    items: list[Account]
    next_cursor: str | None


class Entry(BaseModel):
    transfer_id: str
    amount: Amount = Field(description="Signed: negative where the account paid", examples=["-25.00"])
    balance_after: Amount
    created_at: Timestamp

    @classmethod
    def of(cls, entry: http.Entry) -> Self:
        return cls(
            transfer_id=entry.transfer_id,
            amount=to_decimal(entry.amount_minor, entry.currency),
            balance_after=to_decimal(entry.balance_after_minor, entry.currency),
            created_at=entry.created_at,
        )


class EntryPage(BaseModel):
    items: list[Entry]
    next_cursor: str | None


class CurrencyTotals(BaseModel):
    currency: str
    balances: Amount
    held: Amount
    in_transit: Amount = Field(description="Withdrawn and not deposited yet")
    sum: Amount = Field(description="Zero, or money was lost or made")

    @classmethod
    def of(cls, totals: http.CurrencyTotals) -> Self:
        currency = totals.currency
        return cls(
            currency=currency,
            balances=to_decimal(totals.balances_minor, currency),
            held=to_decimal(totals.held_minor, currency),
            in_transit=to_decimal(totals.in_transit_minor, currency),
            sum=to_decimal(totals.sum_minor, currency),
        )


class Reconciliation(BaseModel):
    """Accounts against ledger. `balanced` is false where anything doesn't add up; `discrepancies` says what."""

    balanced: bool
    currencies: list[CurrencyTotals]
    discrepancies: list[http.Discrepancy]

    @classmethod
    def of(cls, reconciliation: http.Reconciliation) -> Self:
        return cls(
            balanced=reconciliation.balanced,
            currencies=[CurrencyTotals.of(totals) for totals in reconciliation.currencies],
            discrepancies=reconciliation.discrepancies,
        )


class Worker(BaseModel):
    identity: str
    host: str
    pid: str
    started_at: Timestamp
    last_heartbeat_at: Timestamp


class WorkerGap(BaseModel):
    began_at: Timestamp
    ended_at: Timestamp


class WorkerGroup(BaseModel):
    process: Process
    queue: TaskQueue
    workers: list[Worker] = Field(description="The live ones")
    gone_since: Timestamp | None = Field(description="The last heartbeat of the last one, while none is alive")
    last_gap: WorkerGap | None = Field(description="The latest time without a live one that is over")
    backlog: int | None = Field(description="Tasks that wait for a worker")


class Workers(BaseModel):
    items: list[WorkerGroup]

    @classmethod
    def of(cls, view: http.WorkersView) -> Self:
        return cls.model_validate(view.model_dump())


class AttentionItem(BaseModel):
    kind: AttentionKind
    since: Timestamp | None
    detail: str = Field(description="Why, in a sentence")
    runbook: str = Field(description="Where it says what to do", examples=["docs/runbook.md#parked"])
    transfer_id: str | None
    process: Process | None
    step: Step | Compensation | None
    failures: int | None = Field(description="In a row: of the step's attempts, or of the workflow's task")
    error: StepError | None = Field(description="Of the last attempt")
    next_attempt_at: Timestamp | None


class Attention(BaseModel):
    """What needs an operator, the most urgent and oldest first."""

    observed_at: Timestamp
    counts: dict[AttentionKind, int] = Field(description="Of all that there is; a transfer counts once for each kind")
    unexamined: int = Field(description="Transfers that may need attention, too, and weren't looked at one by one")
    items: list[AttentionItem]

    @classmethod
    def of(cls, told: attention.Attention) -> Self:
        return cls.model_validate(told.model_dump())


class HttpProcess(BaseModel):
    process: Process
    ready: bool = Field(description="It is alive, and what it needs itself is there")
    gone_since: Timestamp | None = Field(
        description="While it isn't alive: when it last was, or since when that is known"
    )


class HttpProcesses(BaseModel):
    items: list[HttpProcess]
