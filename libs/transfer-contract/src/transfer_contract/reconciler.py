"""What the reconciler's workflow and its activity tell each other, and what it reports of a run."""

from abc import ABC, abstractmethod
from datetime import datetime
from enum import StrEnum

from temporalio import activity

from transfer_contract.http import TransferCursor
from transfer_contract.steps import FinalStatus, Payload
from transfer_contract.transfers import TransferRequest


class Finding(StrEnum):
    """Why a transfer's workflow can't finish it any more, while its rows aren't final."""

    TERMINATED = "terminated"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELED = "canceled"
    COMPLETED = "completed"
    FORGOTTEN = "forgotten"
    """Deleted, or past the retention period."""
    STUCK = "stuck"
    """Open, but one workflow task after the other fails."""
    OTHER = "other"
    """Not open, by a status that isn't known here."""


class Abandoned(Payload):
    """A transfer that nobody carries. `has_rows`: in the accounts database; without, nothing has moved yet."""

    transfer: TransferRequest
    found: Finding
    has_rows: bool


class AbandonedBatch(Payload):
    """A batch that nobody carries. `transfers`: how many of it aren't final."""

    batch_id: str
    found: Finding
    transfers: int


class SearchPosition(Payload):
    """Where a search goes on where the one before it ended.

    `closed_since`: what closed earlier has been judged; None: nothing has. `after`: the one that was examined last, in
    the list of transfers that aren't final; None: it begins anew. `shut_after`: the same in the ledger's tombstones, by
    transfer id. `batches_after`: the same in the batches that aren't finished, by id.
    """

    closed_since: datetime | None = None
    after: TransferCursor | None = None
    shut_after: str = ""
    batches_after: str = ""


class Search(Payload):
    position: SearchPosition = SearchPosition()
    grace_seconds: float
    """A younger transfer isn't looked for by its rows: it is most likely on its way."""
    limit: int
    """Of abandoned ones in one answer."""


class Findings(Payload):
    """`under_way`: those that an earlier run of the reconciler has taken over and that aren't final yet."""

    abandoned: tuple[Abandoned, ...] = ()
    batches: tuple[AbandonedBatch, ...] = ()
    carried: int = 0
    under_way: tuple[str, ...] = ()
    is_complete: bool = True
    """False where there is more than one answer holds, or the ledger was away: the next search has the rest."""
    position: SearchPosition = SearchPosition()


class ReconcilerActivities(ABC):
    """On queue `transfers`, in the process of the workflows."""

    @activity.defn(name="find_abandoned_transfers")
    @abstractmethod
    async def find_abandoned_transfers(self, search: Search) -> Findings:
        """Only reads: whatever it says may be outdated when it is heard, and the rows decide.

        Raises: any error where the account-api or Temporal can't be asked; then nothing is known.
        """


class TakenOver(Payload):
    """One transfer that a run of the reconciler took over. `status` is None while it isn't final yet.

    It is tried without limit; `error` is there where it could not even be begun, or ended in a defect.
    """

    transfer_id: str
    found: Finding
    has_rows: bool
    status: FinalStatus | None = None
    error: str | None = None


class BatchTakenOver(Payload):
    """One batch that a run of the reconciler took over. `ended` transfers of it, None while it isn't through."""

    batch_id: str
    found: Finding
    transfers: int
    ended: int | None = None
    error: str | None = None


class ReconciliationReport(Payload):
    """The result of `ReconcileTransfers`: what it did, and what it left alone.

    `carried`: how many transfers and batches of those examined have a workflow that goes on, parked ones included.
    `under_way`: the ids of those that an earlier run took over.
    """

    taken_over: tuple[TakenOver, ...] = ()
    batches: tuple[BatchTakenOver, ...] = ()
    carried: int = 0
    under_way: tuple[str, ...] = ()
    is_complete: bool = True
    position: SearchPosition = SearchPosition()


class LastPosition(Payload):
    """What a run reads of the report before it, and all of it, so that the rest of a report may change."""

    position: SearchPosition = SearchPosition()
