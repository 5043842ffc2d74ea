"""What needs an operator of a batch's transfers: it is their batch that carries them."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from checker_batch_saga import PutBack, carried
from checker_databases import Databases
from checker_observing import Observing
from checker_rows import NOON, applied, request
from status_checker.troubled_transfers import EXAMINED
from temporalio.client import Client
from transfer_contract.attention import AttentionKind
from transfer_contract.batches import batch_of, transfer_id_in
from transfer_contract.steps import Compensation, Step
from transfer_contract.transfers import TransferRequest

pytestmark = pytest.mark.usefixtures("saga_workers")


@pytest.fixture
def transfer(databases: Databases) -> TransferRequest:
    """The second of its batch, whose money has been taken."""
    transfer = request(created_at=datetime.now(UTC)).model_copy(update={"transfer_id": transfer_id_in(str(uuid4()), 2)})
    databases.put(transfer, applied(Step.WITHDRAW, 0))
    return transfer


async def test_a_parked_step_of_a_batch_is_told_of_the_transfers_that_it_is_about(
    observing: Observing, client: Client, transfer: TransferRequest, databases: Databases
) -> None:
    other = transfer.model_copy(update={"transfer_id": transfer.transfer_id[:-1] + "3"})
    databases.put(other, applied(Step.WITHDRAW, 0))
    put_back = PutBack()
    async with carried(client, transfer, put_back) as batch:
        item = await observing.until_item(transfer, AttentionKind.PARKED)
        assert (item.step, item.error.code if item.error else None) == (Compensation.WITHDRAW, "database_error")
        assert await observing.items_of(other) == []
        put_back.is_failing = False
        await batch.result()


async def test_a_transfer_between_those_that_a_parked_step_is_about_is_not_parked(
    observing: Observing, client: Client, transfer: TransferRequest, databases: Databases
) -> None:
    between, behind = (
        transfer.model_copy(update={"transfer_id": transfer_id_in(batch_of(transfer.transfer_id) or "", position)})
        for position in (3, 4)
    )
    for other in (between, behind):
        databases.put(other, applied(Step.WITHDRAW, 0))
    async with carried(client, transfer, PutBack(), ranges="2-2,4-5") as batch:
        await observing.until_item(behind, AttentionKind.PARKED)
        assert await observing.items_of(between) == []
        assert (await observing.attention()).counts == {AttentionKind.PARKED: 2}
        await batch.terminate()


async def test_a_failing_batch_is_found_however_many_older_transfers_are_on_their_way(
    observing: Observing, client: Client, transfer: TransferRequest, databases: Databases
) -> None:
    for _ in range(EXAMINED + 10):
        databases.put(request(created_at=NOON), applied(Step.WITHDRAW, 0))
    async with carried(client, transfer, PutBack()) as batch:
        assert (await observing.until_item(transfer, AttentionKind.PARKED)).step == Compensation.WITHDRAW
        await batch.terminate()


async def test_what_a_batch_keeps_failing_is_counted_beyond_what_is_examined(
    observing: Observing, client: Client, transfer: TransferRequest, databases: Databases
) -> None:
    for position in range(3, EXAMINED + 30):
        other = transfer_id_in(batch_of(transfer.transfer_id) or "", position)
        databases.put(transfer.model_copy(update={"transfer_id": other}), applied(Step.WITHDRAW, 0))
    async with carried(client, transfer, PutBack(), ranges=f"1-{EXAMINED + 20}") as batch:
        await observing.until_item(transfer, AttentionKind.PARKED)
        told = await observing.attention()
        assert told.counts[AttentionKind.PARKED] == EXAMINED + 19
        assert told.unexamined == 19
        await batch.terminate()


async def test_a_transfer_whose_batch_was_ended_is_abandoned(
    observing: Observing, client: Client, transfer: TransferRequest
) -> None:
    async with carried(client, transfer, PutBack()) as batch:
        await observing.until_item(transfer, AttentionKind.PARKED)
        await batch.terminate()
        await observing.until_item(transfer, AttentionKind.ABANDONED)
