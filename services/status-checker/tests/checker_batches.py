"""What account-api tells of batches, from rows in memory."""

from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING

from fastapi import APIRouter
from service_runtime.problems import Problem
from transfer_contract.batches import Batch, BatchProgress, BatchTotal, batch_of, position_of
from transfer_contract.http import Page, ProblemCode, TransferRows
from transfer_contract.steps import FinalStatus
from transfer_contract.transfers import TransferStatus

if TYPE_CHECKING:
    from checker_databases import Database


def add_batches(router: APIRouter, accounts: "Database") -> None:
    """A batch is there as soon as one of its transfers is."""

    @router.get("/transfer-batches/unfinished")
    def unfinished(before: datetime, after: str = "", limit: int = 100) -> Page[Batch]:
        ids = {batch_of(known.transfer.transfer_id) for known in accounts.all() if known.final_status is None}
        found = [_batch(transfers_of(each)) for each in sorted(filter(None, ids)) if each > after]
        return Page(items=[batch for batch in found if batch.created_at < before][:limit])

    @router.get("/transfer-batches/{batch_id}")
    def progress(batch_id: str) -> BatchProgress:
        transfers = transfers_of(batch_id)
        if not transfers:
            raise Problem(ProblemCode.NOT_FOUND, "never heard of it")
        finished = [known.finished_at for known in transfers if known.finished_at is not None]
        is_finished = len(finished) == len(transfers)
        return BatchProgress(
            batch=_batch(transfers), totals=_totals(transfers), finished_at=max(finished) if is_finished else None
        )

    @router.get("/transfer-batches/{batch_id}/transfers")
    def page(
        batch_id: str, *, final: bool | None = None, status: FinalStatus | None = None, after: int = 0, limit: int = 100
    ) -> Page[TransferRows]:
        found = [
            known
            for known in transfers_of(batch_id)
            if position_of(known.transfer.transfer_id) > after
            and (final is None or (known.final_status is not None) is final)
            and status in (None, known.final_status)
        ]
        last = found[limit - 1].transfer.transfer_id if len(found) > limit else None
        return Page(items=found[:limit], next_cursor=str(position_of(last)) if last else None)

    def transfers_of(batch_id: str) -> list[TransferRows]:
        found = [known for known in accounts.all() if batch_of(known.transfer.transfer_id) == batch_id]
        return sorted(found, key=lambda known: known.transfer.transfer_id)


def _batch(transfers: list[TransferRows]) -> Batch:
    batch_id = batch_of(transfers[0].transfer.transfer_id) or ""
    last = position_of(transfers[-1].transfer.transfer_id)
    return Batch(batch_id=batch_id, total=last, created_at=transfers[0].transfer.created_at)


def _totals(transfers: list[TransferRows]) -> list[BatchTotal]:
    by_status = groupby(sorted(transfers, key=_status), key=_status)
    return [
        BatchTotal(currency="EUR", status=status, transfers=len(those), amount_minor=2500 * len(those))
        for status, those in ((status, [*those]) for status, those in by_status)
    ]


def _status(known: TransferRows) -> TransferStatus:
    if known.final_status is not None:
        return TransferStatus(known.final_status.value)
    return TransferStatus.RUNNING if known.rows else TransferStatus.ACCEPTED
