"""The public bodies of batches. Amounts are decimal strings here, and integers everywhere further in."""

from collections import Counter, defaultdict
from typing import Final, Self

from pydantic import BaseModel, Field
from transfer_contract.batches import BatchOrder, BatchStatus, BatchView
from transfer_contract.transfers import TransferStatus

from gateway.money import to_decimal
from gateway.parameters import Amount, Timestamp

_COUNTED: Final = tuple(status for status in TransferStatus if status is not TransferStatus.NEEDS_ATTENTION)


class BatchTotals(BaseModel):
    currency: str
    amount: Amount = Field(description="Of all of its transfers in this currency")
    completed: Amount
    rejected: Amount
    compensated: Amount


class TransferBatch(BaseModel):
    id: str
    status: BatchStatus = Field(description="`finished`: each transfer has its final status, whichever that is")
    reference: str | None
    total: int = Field(description="How many transfers it has")
    counts: dict[TransferStatus, int] = Field(
        description="How many are how far. One that needs attention counts as what it waits to become"
    )
    totals: list[BatchTotals] = Field(description="By currency")
    created_at: Timestamp
    finished_at: Timestamp | None

    @classmethod
    def of(cls, view: BatchView) -> Self:
        counts: Counter[TransferStatus] = Counter(dict.fromkeys(_COUNTED, 0))
        for each in view.totals:
            counts[each.status] += each.transfers
        return cls(
            id=view.batch.batch_id,
            status=view.status,
            reference=view.batch.reference,
            total=view.batch.total,
            counts=dict(counts),
            totals=_totals(view),
            created_at=view.batch.created_at,
            finished_at=view.finished_at,
        )


class BatchSum(BaseModel):
    currency: str
    transfers: int
    amount: Amount


class BatchCheck(BaseModel):
    """A batch that nothing is wrong with, and that hasn't been sent."""

    total: int
    totals: list[BatchSum] = Field(description="By currency")

    @classmethod
    def of(cls, order: BatchOrder) -> Self:
        amounts: dict[str, list[int]] = defaultdict(list)
        for item in order.transfers:
            amounts[item.currency].append(item.amount_minor)
        sums = [
            BatchSum(currency=currency, transfers=len(given), amount=to_decimal(sum(given), currency))
            for currency, given in sorted(amounts.items())
        ]
        return cls(total=len(order.transfers), totals=sums)


def _totals(view: BatchView) -> list[BatchTotals]:
    by_currency: dict[str, Counter[TransferStatus]] = defaultdict(Counter)
    for each in view.totals:
        by_currency[each.currency][each.status] += each.amount_minor
    return [
        BatchTotals(
            currency=currency,
            amount=to_decimal(amounts.total(), currency),
            completed=to_decimal(amounts[TransferStatus.COMPLETED], currency),
            rejected=to_decimal(amounts[TransferStatus.REJECTED], currency),
            compensated=to_decimal(amounts[TransferStatus.COMPENSATED], currency),
        )
        for currency, amounts in sorted(by_currency.items())
    ]
