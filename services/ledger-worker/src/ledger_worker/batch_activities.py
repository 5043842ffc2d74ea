"""The edge to Temporal for a batch: the same steps for a list, in one transaction. account-api knows the requests."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from service_runtime.batch_edge import answer_for, attempt_on, decide_apart, play_faults
from service_runtime.internal_client import InternalClient
from service_runtime.problems import Problem
from sqlalchemy import Connection, Engine
from temporalio import activity
from temporalio.exceptions import ApplicationError
from transfer_contract.activities import LedgerBatchActivities
from transfer_contract.batches import BatchItems, BatchRequests, BatchUndo, Decisions
from transfer_contract.steps import Failure, FailureCode, StepRow
from transfer_contract.transfers import AbortRequest, TransferRequest

from ledger_worker import steps
from ledger_worker.demo_faults import Faults

AWAY_SECONDS: Final = 30.0
"""How long an attempt waits for account-api: its restart must not make a batch abort. Below start-to-close."""
_PAUSE_SECONDS: Final = 0.5

Requests = Sequence[TransferRequest]


class LedgerBatchStepActivities(LedgerBatchActivities):
    """The contract on PostgreSQL. All decisions of a list are committed before its activity answers."""

    def __init__(self, engine: Engine, faults: Faults, account_api: InternalClient) -> None:
        self._engine = engine
        self._faults = faults
        self._account_api = account_api

    @activity.defn(name="record_many")
    async def record_many(self, items: BatchItems) -> Decisions:
        attempt = attempt_on(items)

        def record(connection: Connection, requests: Requests) -> list[StepRow]:
            return steps.record(connection, requests, attempt, self._faults.refuse)

        return await self._run(items, lambda transfer: self._faults.before_record(transfer, attempt), record)

    @activity.defn(name="record_compensation_many")
    async def record_compensation_many(self, items: BatchUndo) -> Decisions:
        attempt = attempt_on(items)

        def shut_the_door(connection: Connection, requests: Requests) -> list[StepRow]:
            return steps.record_compensation(connection, [_undo(each) for each in requests], attempt)

        return await self._run(items, self._faults.before_record_compensation, shut_the_door)

    async def _run(
        self,
        items: BatchItems | BatchUndo,
        before: Callable[[TransferRequest], None],
        work: Callable[[Connection, Requests], list[StepRow]],
    ) -> Decisions:
        asked = {each.transfer_id: each for each in await self._requests(items)}

        def decide_all() -> Decisions:
            failing = play_faults(asked.values(), before)
            going = [transfer_id for transfer_id in asked if transfer_id not in failing]
            rows, errors = decide_apart(
                self._engine, going, lambda connection, part: work(connection, [asked[each] for each in part])
            )
            return answer_for(items, rows, failing | errors)

        return await asyncio.to_thread(decide_all)

    async def _requests(self, items: BatchItems | BatchUndo) -> Requests:
        wanted = BatchItems(batch_id=items.batch_id, positions=items.positions)
        deadline = time.monotonic() + AWAY_SECONDS
        while True:
            try:
                return (await self._account_api.post("/transfer-batches/requests", BatchRequests, body=wanted)).root
            except Problem as problem:
                if time.monotonic() > deadline:
                    raise ApplicationError(problem.detail, type="account_api_unavailable") from problem
            await asyncio.sleep(_PAUSE_SECONDS)


def _undo(transfer: TransferRequest) -> AbortRequest:
    """The ledger keeps no failure: the accounts' withdraw row does."""
    return AbortRequest(transfer=transfer, failure=Failure(code=FailureCode.INTERRUPTED, detail=""))
