"""The activity contracts: the saga calls them by these methods, the workers subclass them.

Every activity is idempotent per transfer and step: it decides once, and answers that decision ever after (rule 2).
A refusal (`steps.REFUSALS`) is raised as a non-retryable `ApplicationError` of that type, whose first
detail is the `StepRow`. Anything else that is raised says nothing about the outcome (rule 5).
"""

from abc import ABC, abstractmethod

from temporalio import activity

from transfer_contract.steps import StepRow
from transfer_contract.transfers import AbortRequest, TransferRequest


class AccountActivities(ABC):
    """On queue `accounts`, in the accounts database."""

    @activity.defn(name="withdraw")
    @abstractmethod
    def withdraw(self, request: TransferRequest) -> StepRow:
        """Takes the amount from the source's balance.

        Raises: ApplicationError `idempotency_key_reused` where the transfer's rows belong to another request.
        """

    @activity.defn(name="deposit")
    @abstractmethod
    def deposit(self, request: TransferRequest) -> StepRow:
        """Adds the amount to the destination's held credit: not spendable yet."""

    @activity.defn(name="release")
    @abstractmethod
    def release(self, request: TransferRequest) -> StepRow:
        """Turns the held credit into spendable balance; only after `record` has applied."""

    @activity.defn(name="deposit_compensation")
    @abstractmethod
    def deposit_compensation(self, request: AbortRequest) -> StepRow:
        """Takes the held credit away, or leaves a tombstone that a late deposit runs into."""

    @activity.defn(name="withdraw_compensation")
    @abstractmethod
    def withdraw_compensation(self, request: AbortRequest) -> StepRow:
        """Puts the amount back, or leaves a tombstone that a late withdraw runs into."""


class LedgerActivities(ABC):
    """On queue `ledger`, in the ledger database."""

    @activity.defn(name="record")
    @abstractmethod
    def record(self, request: TransferRequest) -> StepRow:
        """Writes the double entry. `applied` is the commit point: nobody undoes it (rule 4)."""

    @activity.defn(name="record_compensation")
    @abstractmethod
    def record_compensation(self, request: AbortRequest) -> StepRow:
        """Shuts the door with a tombstone, or answers `applied`: the transfer is past the point of no return."""
