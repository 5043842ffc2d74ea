"""The internal HTTP API of workflow-handler: start, cancel and retry a transfer."""

from typing import Final

from fastapi import APIRouter
from service_runtime.temporal import ask_temporal
from transfer_contract.batches import Batch
from transfer_contract.http import TransferStarted
from transfer_contract.transfers import TransferOrder

from workflow_handler.batches import Batches
from workflow_handler.transfers import Transfers

ANSWER_SECONDS: Final = 2.5
"""Everything that one call does, Temporal and rows together: then it's 503, and the caller repeats it."""


def batches_router(batches: Batches) -> APIRouter:
    router = APIRouter()

    @router.post("/transfer-batches/run", status_code=202)
    async def run(batch: Batch) -> Batch:
        await ask_temporal(lambda: batches.run(batch), timeout_seconds=ANSWER_SECONDS)
        return batch

    return router


def transfers_router(transfers: Transfers) -> APIRouter:
    router = APIRouter()

    @router.post("/transfers")
    async def start(order: TransferOrder) -> TransferStarted:
        return await ask_temporal(lambda: transfers.start(order), timeout_seconds=ANSWER_SECONDS)

    @router.post("/transfers/{transfer_id}/cancel", status_code=202)
    async def cancel(transfer_id: str) -> None:
        await ask_temporal(lambda: transfers.cancel(transfer_id), timeout_seconds=ANSWER_SECONDS)

    @router.post("/transfers/{transfer_id}/retry", status_code=202)
    async def retry(transfer_id: str) -> None:
        await ask_temporal(lambda: transfers.retry(transfer_id), timeout_seconds=ANSWER_SECONDS)

    return router
