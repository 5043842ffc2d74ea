"""The kill matrix's cells for batches: each step of a list, and each request of its way in, killed before and after.

And once parked, and in the reconciler's hands, where a list goes two ways at once.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from chaos.kill_cells import Asked, Cell, Moment
from chaos.kill_parked import Parked
from chaos.kill_points import (
    Point,
    after,
    batch_is_started,
    batch_is_stored,
    batch_step,
    batch_task,
    before,
    request,
)
from chaos.kill_situations import Situation, abandoned, abandoned_past_its_record
from chaos.kill_subjects import IN_A_BATCH, Scene, Subject
from transfer_contract.steps import Compensation, Step

POST: Final = "POST /transfer-batches"

WITHDRAW: Final = batch_step("account-worker", "withdraw", leaves="applied")
DEPOSIT: Final = batch_step("account-worker", "deposit", leaves="applied")
RECORD: Final = batch_step("ledger-worker", "record", leaves="applied")
RELEASE: Final = batch_step("account-worker", "release", leaves="applied")
SHUT_THE_DOOR: Final = batch_step("ledger-worker", "record_compensation", leaves="cancelled")
UNDO_DEPOSIT: Final = batch_step("account-worker", "deposit_compensation", leaves="compensated")
UNDO_WITHDRAW: Final = batch_step("account-worker", "withdraw_compensation", leaves="compensated")
STORE: Final = request("account-api", POST, trace=batch_is_stored)
READ_REQUESTS: Final = request("account-api", "POST /transfer-batches/requests", of_client=False)

FINISH_SHUT: Final = batch_step("ledger-worker", "record_compensation", leaves="cancelled", by="finish-batch")
FINISH_DEPOSIT: Final = batch_step("account-worker", "deposit_compensation", leaves="compensated", by="finish-batch")

BEFORE, AFTER, COMPENSATING, PARKED, RECONCILING = Moment
AT_THE_DOOR, IN_RELEASE = Parked(Compensation.RECORD, of_a_batch=True), Parked(Step.RELEASE, of_a_batch=True)


def new_batch(**fields_of_the_first: str) -> Situation:
    """Nothing has been asked for yet."""

    @asynccontextmanager
    async def situation(scene: Scene) -> AsyncIterator[Subject]:
        subject = await scene.batch(fields_of_the_first)
        subject.go_on = subject.post
        yield subject

    return situation


@asynccontextmanager
async def abandoned_batch(scene: Scene) -> AsyncIterator[Subject]:
    """Its workflow is terminated in the deposit, which then applies: all of it is undone."""
    async with abandoned(scene, await scene.batch({}, undone=IN_A_BATCH)) as subject:
        yield subject


@asynccontextmanager
async def batch_abandoned_past_its_record(scene: Scene) -> AsyncIterator[Subject]:
    """But for the first, which the ledger has refused: one is undone while the others are released."""
    async with abandoned_past_its_record(scene, await scene.batch({"scenario": "ledger_rejects"})) as subject:
        yield subject


def batch_cells_of_workers() -> list[Cell]:
    account_worker, ledger_worker, workflow_worker = "account-worker", "ledger-worker", "workflow-worker"
    return [
        _cell(account_worker, BEFORE, before(WITHDRAW), before(DEPOSIT), before(RELEASE)),
        _cell(account_worker, AFTER, after(WITHDRAW), after(DEPOSIT), after(RELEASE)),
        _undone(
            account_worker, COMPENSATING, new_batch(scenario="ledger_rejects"),
            before(UNDO_DEPOSIT), after(UNDO_DEPOSIT), before(UNDO_WITHDRAW), after(UNDO_WITHDRAW),
        ),
        Cell(account_worker, PARKED, IN_RELEASE, (after(RELEASE),), Asked(Subject.read), of_a_batch=True),
        _undone(account_worker, RECONCILING, batch_abandoned_past_its_record, after(FINISH_DEPOSIT)),
        _cell(ledger_worker, BEFORE, before(RECORD)),
        _cell(ledger_worker, AFTER, after(RECORD)),
        _undone(
            ledger_worker, COMPENSATING, new_batch(scenario="deposit_fails"),
            before(SHUT_THE_DOOR), after(SHUT_THE_DOOR),
        ),
        _undone(ledger_worker, PARKED, AT_THE_DOOR, before(SHUT_THE_DOOR)),
        _undone(ledger_worker, RECONCILING, abandoned_batch, after(FINISH_SHUT)),
        _cell(workflow_worker, BEFORE, before(batch_task())),
        _cell(workflow_worker, AFTER, after(batch_task())),
    ]  # fmt: skip


def batch_cells_of_others() -> list[Cell]:
    """Whoever takes a batch in, and the servers while a worker stands in the middle of a step."""
    posting = request("gateway", POST, trace=batch_is_started)
    starting = request("workflow-handler", "POST /transfer-batches/run", trace=batch_is_started)
    return [
        _cell("gateway", BEFORE, before(posting)),
        _cell("gateway", AFTER, after(posting)),
        _cell("workflow-handler", BEFORE, before(starting)),
        _cell("workflow-handler", AFTER, after(starting)),
        _cell("account-api", BEFORE, before(STORE), before(READ_REQUESTS)),
        _cell("account-api", AFTER, after(STORE), after(READ_REQUESTS)),
        *(_cell(server, BEFORE, before(DEPOSIT), before(RECORD)) for server in ("postgres", "temporal")),
        *(_cell(server, AFTER, after(DEPOSIT), after(RECORD)) for server in ("postgres", "temporal")),
    ]


def _cell(process: str, moment: Moment, *on_its_way: Point) -> Cell:
    return Cell(process, moment, new_batch(), on_its_way, of_a_batch=True)


def _undone(process: str, moment: Moment, situation: Situation, *on_its_way: Point) -> Cell:
    """A cell whose first transfer, at least, ends `compensated`."""
    return Cell(process, moment, situation, on_its_way, ends="compensated", of_a_batch=True)
