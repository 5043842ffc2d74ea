"""The activity contracts: the saga calls them by these methods, the workers subclass them.

Every activity is idempotent per transfer and step: it decides once, and answers that decision ever after (rule 2).
A refusal (`steps.REFUSALS`) is raised as a non-retryable `ApplicationError` of that type, whose first
detail is the `StepRow`. Anything else that is raised says nothing about the outcome (rule 5).
"""

from abc import ABC, abstractmethod

from temporalio import activity

from transfer_contract.batches import BatchItems, BatchUndo, Decisions, Ranges
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


class AccountBatchActivities(ABC):
    """The same steps for a list of a batch's transfers, in one transaction: the same rules, rows and fences for each.

    Each answers `Decisions`: a refused transfer is a row like the others, one that fails technically is told apart and
    holds up nobody. What is raised says nothing about any of them.
    """

    @activity.defn(name="withdraw_many")
    @abstractmethod
    def withdraw_many(self, items: BatchItems) -> Decisions:
        """In the order of their positions: the first ones get what an account can pay."""

    @activity.defn(name="deposit_many")
    @abstractmethod
    def deposit_many(self, items: BatchItems) -> Decisions: ...

    @activity.defn(name="release_many")
    @abstractmethod
    def release_many(self, items: BatchItems) -> Decisions: ...

    @activity.defn(name="deposit_compensation_many")
    @abstractmethod
    def deposit_compensation_many(self, items: BatchUndo) -> Decisions: ...

    @activity.defn(name="withdraw_compensation_many")
    @abstractmethod
    def withdraw_compensation_many(self, items: BatchUndo) -> Decisions: ...

    @activity.defn(name="find_unfinished")
    @abstractmethod
    def find_unfinished(self, batch_id: str) -> Ranges:
        """Those of the batch that aren't final: only reads, and what is final stays so."""


class LedgerBatchActivities(ABC):
    """The same for the ledger's steps."""

    @activity.defn(name="record_many")
    @abstractmethod
    async def record_many(self, items: BatchItems) -> Decisions: ...

    @activity.defn(name="record_compensation_many")
    @abstractmethod
    async def record_compensation_many(self, items: BatchUndo) -> Decisions: ...
