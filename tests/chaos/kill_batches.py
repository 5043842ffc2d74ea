"""The kill matrix's cells for batches: each step of a list, and each request of its way in, killed before and after."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

import httpx
from chaos.kill_cells import Cell, Moment
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
from chaos.kill_situations import Situation
from chaos.kill_subjects import Scene, Subject
from system.public_api import new_transfer
from transfer_contract.batches import transfer_id_in
from transfer_contract.identity import batch_id_from_key

TRANSFERS: Final = 20
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

BEFORE, AFTER, COMPENSATING, *_ = Moment


@dataclass
class BatchSubject(Subject):
    """A batch, looked at by its first transfer: what is undone is that one, and all others complete."""

    @property
    def transfer_ids(self) -> list[str]:
        return [transfer_id_in(self.batch_id, position) for position in range(1, TRANSFERS + 1)]

    @property
    def destination(self) -> str:
        return str(self.body["transfers"][0]["destination_account"])

    async def read(self) -> httpx.Response:
        """Its first transfer, once all of them are final; the batch until then."""
        batch = await self._answer("GET", f"/transfer-batches/{self.batch_id}")
        assert batch.status_code == 200, batch.text
        return await super().read() if batch.json()["status"] == "finished" else batch


def new_batch(**fields_of_the_first: str) -> Situation:
    """Nothing has been asked for yet."""

    @asynccontextmanager
    async def situation(scene: Scene) -> AsyncIterator[Subject]:
        source, destination = await scene.system.api.open_pair()
        key = str(uuid4())
        others = [new_transfer(source, destination)] * (TRANSFERS - 1)
        subject = BatchSubject(
            scene.system.api.http,
            transfer_id_in(batch_id_from_key(key), 1),
            {"transfers": [new_transfer(source, destination, **fields_of_the_first), *others]},
            {
                "completed": {source: ("80.00", "0.00"), destination: ("20.00", "0.00")},
                "compensated": {source: ("81.00", "0.00"), destination: ("19.00", "0.00")},
            },
            path="/transfer-batches",
            key=key,
        )
        subject.go_on = subject.post
        yield subject

    return situation


def batch_cells_of_workers() -> list[Cell]:
    account_worker, ledger_worker, workflow_worker = "account-worker", "ledger-worker", "workflow-worker"
    return [
        _cell(account_worker, BEFORE, before(WITHDRAW), before(DEPOSIT), before(RELEASE)),
        _cell(account_worker, AFTER, after(WITHDRAW), after(DEPOSIT), after(RELEASE)),
        _undone(
            account_worker, "ledger_rejects",
            before(UNDO_DEPOSIT), after(UNDO_DEPOSIT), before(UNDO_WITHDRAW), after(UNDO_WITHDRAW),
        ),
        _cell(ledger_worker, BEFORE, before(RECORD)),
        _cell(ledger_worker, AFTER, after(RECORD)),
        _undone(ledger_worker, "deposit_fails", before(SHUT_THE_DOOR), after(SHUT_THE_DOOR)),
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


def _undone(process: str, scenario: str, *on_its_way: Point) -> Cell:
    return Cell(process, COMPENSATING, new_batch(scenario=scenario), on_its_way, ends="compensated", of_a_batch=True)
