"""A batch of transfers: what is ordered, what is stored of it, and what its workflow and the participants say.

Its transfers are ordinary ones. Their ids say which batch they belong to and where they stand in it, so everybody who
has such an id knows the batch, and a range of positions is a range of ids.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import Final

from pydantic import Field, RootModel

from transfer_contract.steps import Decision, Failure, Payload, StepError
from transfer_contract.transfers import Scenario, TransferOrder, TransferRequest, TransferStatus

MAX_TRANSFERS: Final = 10_000
"""Of one batch. The ids have room for ten times as many."""

CHUNK: Final = 1000
"""Transfers that a step decides in one transaction: what a batch needs of memory, and how long it holds locks."""

ORDERS_AT_ONCE: Final = 4
"""Whole orders that a process holds while it takes them in; each is some 40 MB at most."""

_DIGITS: Final = 5
_TRANSFER_OF_A_BATCH: Final = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-([0-9]{5})")

Ranges = tuple[tuple[int, int], ...]
"""Positions from 1 on, as ranges from first to last: nearly all of a batch's transfers go the same way."""


def transfer_id_in(batch_id: str, position: int) -> str:
    """Ids of a batch sort by position."""
    return f"{batch_id}-{position:0{_DIGITS}}"


def batch_of(transfer_id: str) -> str | None:
    """The batch that a transfer belongs to; None for a transfer of its own."""
    match = _TRANSFER_OF_A_BATCH.fullmatch(transfer_id)
    return match[1] if match else None


def position_of(transfer_id: str) -> int:
    """Where a transfer stands in its batch. Only for an id that `transfer_id_in` made."""
    return int(transfer_id[-_DIGITS:])


def ranges_of(positions: Iterable[int]) -> Ranges:
    ordered = sorted(positions)
    if not ordered:
        return ()
    gaps = [(before, after) for before, after in pairwise(ordered) if after > before + 1]
    starts = [ordered[0], *(after for _, after in gaps)]
    ends = [*(before for before, _ in gaps), ordered[-1]]
    return tuple(zip(starts, ends, strict=True))


def positions_in(ranges: Ranges) -> Iterator[int]:
    for first, last in ranges:
        yield from range(first, last + 1)


class BatchItem(Payload):
    """One line of a batch, validated and normalised. `amount_minor` is in minor units of `currency`."""

    source_account: str
    destination_account: str
    amount_minor: int = Field(gt=0)
    currency: str
    reference: str | None = None
    scenario: Scenario | None = None


class BatchOrder(Payload):
    """What a client asks for. The order of the items is the order in which an account pays for them."""

    batch_id: str
    reference: str | None = None
    transfers: list[BatchItem] = Field(min_length=1, max_length=MAX_TRANSFERS)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the whole of it (rule 3): the same key with another one is refused."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def orders(self) -> Iterator[TransferOrder]:
        for position, item in enumerate(self.transfers, start=1):
            yield TransferOrder(transfer_id=transfer_id_in(self.batch_id, position), **vars(item))


class Batch(Payload):
    """A batch as it is stored; the input of its workflow, too."""

    batch_id: str
    total: int
    reference: str | None = None
    created_at: datetime


class BatchStatus(StrEnum):
    """`finished`: each transfer has its final status, whichever that is."""

    ACCEPTED = "accepted"
    RUNNING = "running"
    NEEDS_ATTENTION = "needs_attention"
    FINISHED = "finished"


class BatchTotal(Payload):
    """How many transfers of one currency have one status, and their sum in minor units."""

    currency: str
    status: TransferStatus
    transfers: int
    amount_minor: int


class BatchProgress(Payload):
    """What the accounts rows say of a batch. `finished_at`: when the last transfer became final, if all are."""

    batch: Batch
    totals: list[BatchTotal]
    finished_at: datetime | None


class BatchStored(BatchProgress):
    """The answer to an order. `replayed`: it had been stored before."""

    replayed: bool


class BatchView(BatchProgress):
    """A batch as status-checker tells it."""

    status: BatchStatus

    @property
    def version(self) -> str:
        """Changes exactly when anything that a client can see changes."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:32]


# between its workflow and the participants


class BatchItems(Payload):
    """Some transfers of a batch; the input of a forward step. `attempts_before`: of them, by earlier activities.

    `must_succeed`: the attempt fails where one of them does, and is repeated without limit. Else it is told apart.
    """

    batch_id: str
    positions: Ranges
    attempts_before: int = 0
    last_error: StepError | None = None
    must_succeed: bool = False


class Undo(Payload):
    """Transfers that abort for the same reason."""

    failure: Failure
    positions: Ranges


class BatchUndo(Payload):
    """Some transfers of a batch; the input of a compensation. `must_succeed` as in `BatchItems`."""

    batch_id: str
    undo: tuple[Undo, ...]
    must_succeed: bool = False

    @property
    def positions(self) -> Ranges:
        return ranges_of(position for each in self.undo for position in positions_in(each.positions))


class UnfinishedBatch(Payload):
    """A batch that nobody carries; the input of the workflow that finishes it."""

    batch_id: str
    failure: Failure


class Decided(Payload):
    """Transfers of which a step's rows say the same. `failure`: why they must abort, where a row tells it."""

    decision: Decision
    positions: Ranges
    failure: Failure | None = None


class Failing(Payload):
    """Transfers whose own decision failed technically; nothing is known of their outcome (rule 5)."""

    error: StepError
    positions: Ranges


class Decisions(Payload):
    """A step's answer for a list: each transfer that was asked for is in one of these."""

    decided: tuple[Decided, ...] = ()
    failing: tuple[Failing, ...] = ()

    def positions(self, *decisions: Decision) -> Ranges:
        return ranges_of(p for each in self.decided if each.decision in decisions for p in positions_in(each.positions))


class BatchRequests(RootModel[tuple[TransferRequest, ...]]):
    """Some transfers of a batch, by position, as they are stored."""
