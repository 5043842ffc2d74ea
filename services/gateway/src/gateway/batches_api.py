"""The public calls on batches: POST, GET, their transfers."""

import asyncio
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request, Response
from service_runtime.problems import RETRY_AFTER_SECONDS, Problem
from service_runtime.turns import Turns
from transfer_contract.batches import ORDERS_AT_ONCE, Batch, BatchOrder, BatchStatus, BatchStored, BatchView
from transfer_contract.http import Page, ProblemCode
from transfer_contract.identity import batch_id_from_key
from transfer_contract.transfers import TransferStatus, TransferView

from gateway.batch_bodies import NewBatch, judge_batch
from gateway.batch_models import BatchCheck, TransferBatch
from gateway.batch_outcomes import BatchOutcomes
from gateway.downstream import Downstream
from gateway.event_stream import MEDIA_TYPE
from gateway.events_api import LastEventId
from gateway.idempotency import NAME as KEY_HEADER
from gateway.idempotency import IdempotencyKey
from gateway.openapi import LOCATION, RETRY_AFTER, WITH_A_BODY, Responses, header, problems
from gateway.parameters import PageCursor, PageLimit
from gateway.response_models import Transfer, TransferPage
from gateway.strict_route import batch_router, strict_router

EXTRA_SECONDS: Final = 20
"""What ten thousand transfers may take longer to be stored than one, on a machine that has other things to do."""

BatchIdInPath = Annotated[str, Path(alias="id", pattern=r"^[0-9a-f-]{36}$", description="The batch's id")]

_REPLAYED = {"Idempotent-Replayed": header("`true` where this key had ordered the batch before", "true")}
_A_BATCH: Final = 'event: batch\ndata: {"id": "…", "status": "running", "counts": {"completed": 4000, …}, …}\n\n'
_CSV_EXAMPLE: Final = "source_account,destination_account,amount,currency,reference\nalice,bob,25.00,EUR,rent\n"
_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": NewBatch.model_json_schema(ref_template="#/components/schemas/{model}")},
            "text/csv": {"schema": {"type": "string"}, "example": _CSV_EXAMPLE},
        },
    }
}


class BatchesApi:
    def __init__(self, downstream: Downstream, *, demo_faults: bool) -> None:
        self._downstream = downstream
        self._demo_faults = demo_faults
        self._outcomes = BatchOutcomes(downstream)
        self._orders = Turns(ORDERS_AT_ONCE)
        self._one_judge = asyncio.Lock()

    def routers(self) -> list[APIRouter]:
        sending, reading = batch_router("batches", self._orders), strict_router("batches")
        refused = problems(
            *WITH_A_BODY,
            ProblemCode.IDEMPOTENCY_KEY_REUSED,
            ProblemCode.TREASURY_NOT_ALLOWED,
            ProblemCode.SCENARIO_NOT_ALLOWED,
        )
        sending.post(
            "/transfer-batches",
            status_code=202,
            responses={
                202: {"description": "Accepted", "headers": {**LOCATION, **RETRY_AFTER, **_REPLAYED}},
                **refused,
            },
            openapi_extra=_BODY,
        )(self.start_batch)
        sending.post("/transfer-batches/check", responses=refused, openapi_extra=_BODY)(self.check_batch)
        missing = problems(ProblemCode.NOT_FOUND)
        reading.get("/transfer-batches/{id}", responses={200: {"headers": RETRY_AFTER}, **missing})(self.get_batch)
        reading.get("/transfer-batches/{id}/transfers", responses=missing)(self.list_batch_transfers)
        csv_file = {"description": "The outcomes", "content": {"text/csv": {"schema": {"type": "string"}}}}
        reading.get("/transfer-batches/{id}/outcomes", response_class=Response, responses={200: csv_file, **missing})(
            self.download_outcomes
        )
        events: Responses = {
            200: {"description": "The events", "content": {MEDIA_TYPE: {"example": _A_BATCH}}},
            204: {"description": "`Last-Event-ID` is the final one already: nothing will follow"},
        }
        reading.get("/transfer-batches/{id}/events", response_class=Response, responses={**events, **missing})(
            self.follow_batch
        )
        return [sending, reading]

    async def start_batch(self, request: Request, key: IdempotencyKey, response: Response) -> TransferBatch:
        """Start a batch of transfers.

        Up to 10,000, as JSON or as CSV. Each transfer has its own outcome: one that is refused or fails holds up no
        other. Where an account can't pay for all of them, the first ones in the given order are paid. A body with
        anything wrong in it is refused whole.
        """
        order = await self._judged(request, batch_id_from_key(key))
        try:
            async with self._downstream.deadline(extra_seconds=EXTRA_SECONDS):
                stored = await self._downstream.account_api.post(
                    "/transfer-batches", BatchStored, body=order, extra_seconds=EXTRA_SECONDS
                )
                if stored.finished_at is None:
                    await self._downstream.workflow_handler.post("/transfer-batches/run", Batch, body=stored.batch)
                view = await self._look_at_started(stored)
        except Problem as problem:
            raise _repeatable(problem, key, order) from problem
        response.headers["Location"] = f"/transfer-batches/{order.batch_id}"
        if stored.replayed:
            response.headers["Idempotent-Replayed"] = "true"
        _advise_to_look_again(view, response)
        return TransferBatch.of(view)

    async def check_batch(self, request: Request) -> BatchCheck:
        """Check a batch without sending it: what would be refused, or what it adds up to."""
        return BatchCheck.of(await self._judged(request, ""))

    async def get_batch(self, batch_id: BatchIdInPath, response: Response) -> TransferBatch:
        """Get a batch: how many of its transfers are how far."""
        async with self._downstream.deadline():
            view = await self._downstream.status_checker.get(f"/transfer-batches/{batch_id}", BatchView)
        _advise_to_look_again(view, response)
        return TransferBatch.of(view)

    async def list_batch_transfers(
        self,
        batch_id: BatchIdInPath,
        status: Annotated[TransferStatus | None, Query(description="Only transfers in this status")] = None,
        limit: PageLimit = 20,
        cursor: PageCursor = None,
    ) -> TransferPage:
        """List a batch's transfers, in the order in which they were given."""
        query = {"status": status, "limit": limit, "cursor": cursor}
        path = f"/transfer-batches/{batch_id}/transfers"
        async with self._downstream.deadline():
            page = await self._downstream.status_checker.get(path, Page[TransferView], query=query)
        return TransferPage(items=[Transfer.of(view) for view in page.items], next_cursor=page.next_cursor)

    async def download_outcomes(self, batch_id: BatchIdInPath) -> Response:
        """Download what has become of each transfer, as CSV, in the order in which they were given.

        A `reference` or `failure_detail` that a spreadsheet would take for a formula, or that begins with `'`, has a
        `'` put in front of it: drop the first character of a field that begins with `'`, and it is what was written.
        """
        return await self._outcomes.file(batch_id)

    async def follow_batch(
        self, request: Request, batch_id: BatchIdInPath, last_event_id: LastEventId = None
    ) -> Response:
        """Follow a batch.

        An event `batch` whenever its counts change, with the whole batch. The stream ends when all of its transfers
        are final.
        """
        return await self._outcomes.follow(request, batch_id, last_event_id)

    async def _judged(self, request: Request, batch_id: str) -> BatchOrder:
        """In a thread: ten thousand transfers take longer than others should wait for.

        One batch after the other: two threads of Python judge no faster than one, and hold two parsed bodies.
        """
        body, is_csv = await request.body(), request.headers["content-type"].startswith("text/csv")

        def judge() -> BatchOrder:
            judged = judge_batch(body, is_csv=is_csv, demo_faults=self._demo_faults)
            return BatchOrder(batch_id=batch_id, reference=judged.reference, transfers=judged.items)

        async with self._one_judge:
            return await asyncio.to_thread(judge)

    async def _look_at_started(self, stored: BatchStored) -> BatchView:
        """What has just been stored is accepted."""
        if stored.replayed:
            return await self._downstream.status_checker.get(f"/transfer-batches/{stored.batch.batch_id}", BatchView)
        return BatchView(**dict(stored), status=BatchStatus.ACCEPTED)


def _repeatable(problem: Problem, key: str, order: BatchOrder) -> Problem:
    """A 503 doesn't say whether the batch was stored: it tells the key that makes repeating it safe."""
    if problem.code is not ProblemCode.UNAVAILABLE:
        return problem
    detail = f"{problem.detail} Repeat it with the header `{KEY_HEADER}: {key}`: then it is the same batch."
    headers = {KEY_HEADER: key, "Location": f"/transfer-batches/{order.batch_id}"}
    return Problem(problem.code, detail, headers=headers)


def _advise_to_look_again(view: BatchView, response: Response) -> None:
    if view.finished_at is None:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
