"""What the accounts must say to any sequence of requests, kept in two dictionaries: the rules' table once more."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from account_worker.accounts import GuardViolated, IdempotencyKeyReused, StepProblem
from transfer_contract.steps import Compensation, Decision, Step
from transfer_contract.transfers import TransferRequest

Name: TypeAlias = Step | Compensation
Answer: TypeAlias = Decision | type[StepProblem]

_UNDONE: Final = {None: Decision.CANCELLED, Decision.APPLIED: Decision.COMPENSATED}


@dataclass
class Money:
    """`currency` is None for an account that takes nothing: it is closed."""

    currency: str | None
    balance: int = 0
    held: int = 0
    may_go_below_zero: bool = False


@dataclass
class Oracle:
    accounts: Mapping[str, Money]
    stored: dict[str, TransferRequest] = field(default_factory=dict)
    rows: dict[tuple[str, Step], Decision] = field(default_factory=dict)

    def answer(self, name: Name, asked: TransferRequest) -> Answer:
        id_ = asked.transfer_id
        if name is Step.RELEASE and self.rows.get((id_, Step.DEPOSIT)) is not Decision.APPLIED:
            return GuardViolated
        stored = self.stored.setdefault(id_, asked)
        if isinstance(name, Compensation):
            return self._undo(name.step, stored)
        if name is Step.WITHDRAW and stored.fingerprint != asked.fingerprint:
            return IdempotencyKeyReused
        if (id_, name) not in self.rows:
            self.rows[id_, name] = self._decide(name, stored)
        return self.rows[id_, name]

    def is_released(self, transfer_id: str) -> bool:
        return (transfer_id, Step.RELEASE) in self.rows

    def _decide(self, step: Step, stored: TransferRequest) -> Decision:
        amount = stored.amount_minor
        if step is Step.RELEASE:
            self._move(stored.destination_account, balance=amount, held=-amount)
            return Decision.APPLIED
        if step is Step.WITHDRAW:
            if not self._takes_part(stored.source_account, stored) or not self._can_pay(stored):
                return Decision.REJECTED
            self._move(stored.source_account, balance=-amount)
            return Decision.APPLIED
        if self.rows.get((stored.transfer_id, Step.WITHDRAW)) is not Decision.APPLIED:
            return Decision.CANCELLED
        if not self._takes_part(stored.destination_account, stored):
            return Decision.REJECTED
        self._move(stored.destination_account, held=amount)
        return Decision.APPLIED

    def _undo(self, step: Step, stored: TransferRequest) -> Answer:
        key = stored.transfer_id, step
        if self.is_released(stored.transfer_id):
            return GuardViolated
        if self.rows.get(key) is Decision.APPLIED and step is Step.WITHDRAW:
            self._move(stored.source_account, balance=stored.amount_minor)
        if self.rows.get(key) is Decision.APPLIED and step is Step.DEPOSIT:
            self._move(stored.destination_account, held=-stored.amount_minor)
        self.rows[key] = _UNDONE.get(self.rows.get(key)) or self.rows[key]
        return self.rows[key]

    def _takes_part(self, account_id: str, stored: TransferRequest) -> bool:
        return account_id in self.accounts and self.accounts[account_id].currency == stored.currency

    def _can_pay(self, stored: TransferRequest) -> bool:
        source = self.accounts[stored.source_account]
        return source.may_go_below_zero or source.balance >= stored.amount_minor

    def _move(self, account_id: str, *, balance: int = 0, held: int = 0) -> None:
        self.accounts[account_id].balance += balance
        self.accounts[account_id].held += held
