"""GET /transfer-batches/{id}: what the rows say of a batch, and what only Temporal knows: that it needs attention."""

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

import httpx
import pytest
from checker_batch_saga import PutBack, carried
from checker_databases import Databases
from checker_rows import applied, completed_rows, refused_by_ledger_rows, rejected, request
from temporalio.client import Client
from transfer_contract.batches import BatchStatus, BatchView, batch_of, transfer_id_in
from transfer_contract.http import Page
from transfer_contract.steps import FailureCode, Step, StepRow
from transfer_contract.transfers import TransferRequest, TransferStatus, TransferView

pytestmark = pytest.mark.usefixtures("saga_workers")

SOON_SECONDS = 20


class BatchOf:
    """A batch of three transfers, as its rows are."""

    def __init__(self, databases: Databases) -> None:
        self.batch_id = str(uuid4())
        self.transfers = [self._transfer(position) for position in (1, 2, 3)]
        self._databases = databases
        for transfer in self.transfers:
            databases.accounts.put(transfer)

    def _transfer(self, position: int) -> TransferRequest:
        update = {"transfer_id": transfer_id_in(self.batch_id, position)}
        return request(created_at=datetime.now(UTC)).model_copy(update=update)

    def put(self, position: int, *rows: StepRow) -> None:
        self._databases.put(self.transfers[position - 1], *rows)

    def end(self) -> None:
        self.put(1, *completed_rows())
        self.put(2, rejected(Step.WITHDRAW, 0, FailureCode.INSUFFICIENT_FUNDS))
        self.put(3, *refused_by_ledger_rows())


@pytest.fixture
def batch(databases: Databases) -> BatchOf:
    return BatchOf(databases)


async def look(checker: httpx.AsyncClient, batch: BatchOf) -> BatchView:
    answer = await checker.get(f"/transfer-batches/{batch.batch_id}")
    assert answer.status_code == 200, answer.text
    return BatchView.model_validate_json(answer.content)


async def page(checker: httpx.AsyncClient, batch: BatchOf, **query: str | int) -> Page[TransferView]:
    answer = await checker.get(f"/transfer-batches/{batch.batch_id}/transfers", params=query)
    assert answer.status_code == 200, answer.text
    return Page[TransferView].model_validate_json(answer.content)


def counts(view: BatchView) -> dict[str, int]:
    return {total.status.value: total.transfers for total in view.totals}


async def test_a_batch_is_accepted_then_running_then_finished(checker: httpx.AsyncClient, batch: BatchOf) -> None:
    assert (await look(checker, batch)).status is BatchStatus.ACCEPTED
    batch.put(1, applied(Step.WITHDRAW, 0))
    view = await look(checker, batch)
    assert (view.status, counts(view)) == (BatchStatus.RUNNING, {"accepted": 2, "running": 1})
    assert view.finished_at is None
    batch.end()
    view = await look(checker, batch)
    assert (view.status, counts(view)) == (BatchStatus.FINISHED, {"completed": 1, "compensated": 1, "rejected": 1})
    assert view.finished_at is not None


async def test_a_batch_whose_step_is_parked_needs_attention_until_it_goes_on(
    checker: httpx.AsyncClient, client: Client, batch: BatchOf
) -> None:
    batch.put(2, applied(Step.WITHDRAW, 0))
    put_back = PutBack()
    async with carried(client, batch.transfers[1], put_back) as workflow, asyncio.timeout(SOON_SECONDS):
        while (await look(checker, batch)).status is not BatchStatus.NEEDS_ATTENTION:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        put_back.is_failing = False
        await workflow.result()
        while (await look(checker, batch)).status is BatchStatus.NEEDS_ATTENTION:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def test_a_batchs_transfers_are_listed_in_their_order_each_with_its_own_status(
    checker: httpx.AsyncClient, batch: BatchOf
) -> None:
    batch.put(1, *completed_rows())
    batch.put(3, applied(Step.WITHDRAW, 0))
    first = await page(checker, batch, limit=2)
    rest = await page(checker, batch, limit=2, cursor=first.next_cursor or "")
    assert [batch_of(view.id) for view in first.items] == [batch.batch_id] * 2
    assert [view.status for view in [*first.items, *rest.items]] == ["completed", "accepted", "running"]
    assert rest.next_cursor is None
    completed = await page(checker, batch, status=TransferStatus.COMPLETED)
    assert [view.id for view in completed.items] == [transfer_id_in(batch.batch_id, 1)]
    running = await page(checker, batch, status=TransferStatus.RUNNING)
    assert [view.id for view in running.items] == [transfer_id_in(batch.batch_id, 3)]


async def test_a_follower_of_a_batch_sees_each_change_once_up_to_the_end(
    checker: httpx.AsyncClient, batch: BatchOf
) -> None:
    views: list[BatchView] = []
    async with (
        asyncio.timeout(SOON_SECONDS),
        checker.stream("GET", f"/transfer-batches/{batch.batch_id}/events") as answer,
    ):
        async for line in answer.aiter_lines():
            views.append(BatchView.model_validate_json(line))
            if len(views) == 1:
                batch.put(1, applied(Step.WITHDRAW, 0))
            else:
                batch.end()
    assert [view.status for view in views] == [BatchStatus.ACCEPTED, BatchStatus.RUNNING, BatchStatus.FINISHED]
    assert len({view.version for view in views}) == len(views)
    assert views[-1] == await look(checker, batch)


async def test_where_the_rows_cannot_be_read_nothing_is_said_of_a_batch(
    checker: httpx.AsyncClient, batch: BatchOf, databases: Databases
) -> None:
    databases.accounts.is_away = True
    assert (await checker.get(f"/transfer-batches/{batch.batch_id}")).status_code == 503


@pytest.mark.parametrize("path", ["", "/transfers", "/events"])
async def test_a_batch_that_nobody_has_asked_for_is_not_found(checker: httpx.AsyncClient, path: str) -> None:
    assert (await checker.get(f"/transfer-batches/{uuid4()}{path}")).status_code == 404
