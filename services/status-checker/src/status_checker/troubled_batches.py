"""Which transfers of batches may need an operator: asked of what carries their batch, not transfer by transfer."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from service_runtime.internal_client import InternalClient, Query
from transfer_contract.batches import Batch, Ranges, position_of, positions_in
from transfer_contract.http import Page, TransferRows

from status_checker.batch_runs import BatchRuns

BATCHES: Final = 100
"""Each time: every one costs a description by Temporal."""

PAGE_SIZE: Final = 1000
"""Of one step's transfers: a batch's steps have no more."""


@dataclass(frozen=True)
class Span:
    """The transfers of a batch at these positions. `is_parked`: a step keeps failing for some of them."""

    positions: Ranges
    is_parked: bool


@dataclass(frozen=True)
class TroubledBatch:
    """`parked` and `lost`: its transfers that aren't final and wait for a step that keeps failing, or for nobody."""

    parked: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


class TroubledBatches:
    def __init__(self, account_api: InternalClient, runs: BatchRuns) -> None:
        self._account_api = account_api
        self._runs = runs

    async def unfinished(self, before: datetime) -> list[Batch]:
        """Those that were ordered before. Raises `Problem(unavailable)`."""
        query: Query = {"before": before.isoformat(), "limit": BATCHES}
        return (await self._account_api.get("/transfer-batches/unfinished", Page[Batch], query=query)).items

    async def look(self, batch: Batch) -> TroubledBatch:
        """Raises `Problem(unavailable)` where the batch's workflow or its rows can't be asked for."""
        found: dict[bool, dict[str, None]] = {True: {}, False: {}}
        for span in await self._spans(batch):
            found[span.is_parked] |= dict.fromkeys(await self._not_final(batch.batch_id, span))
        return TroubledBatch(parked=tuple(found[True]), lost=tuple(found[False]))

    async def _spans(self, batch: Batch) -> list[Span]:
        run = await self._runs.carrying(batch.batch_id)
        if run is None:
            return [Span(((1, batch.total),), is_parked=False)]
        return [Span(chunk.positions, is_parked=True) for chunk in run.open if chunk.step.is_parked]

    async def _not_final(self, batch_id: str, span: Span) -> Iterator[str]:
        """In their order, a page of them."""
        query: Query = {"final": "false", "after": span.positions[0][0] - 1, "limit": PAGE_SIZE}
        path = f"/transfer-batches/{batch_id}/transfers"
        page = await self._account_api.get(path, Page[TransferRows], query=query)
        ids, wanted = (known.transfer.transfer_id for known in page.items), {*positions_in(span.positions)}
        return (transfer_id for transfer_id in ids if position_of(transfer_id) in wanted)
