"""However many transfers are in trouble, one observation looks at a bounded number of them, and counts the others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from checker_observing import SOON_SECONDS, Observing, transfer_of
from status_checker import troubled_transfers
from temporalio.client import Client, WorkflowHandle
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from transfer_contract.attention import Attention, AttentionKind
from transfer_contract.names import TRANSFER_MONEY, TRANSFER_STATUS, workflow_id
from transfer_contract.transfers import TransferMemo, TransferStatus

MANY = 7
EXAMINED = 2
PARKED = TypedSearchAttributes([SearchAttributePair(TRANSFER_STATUS, TransferStatus.NEEDS_ATTENTION)])


async def start_parked(client: Client) -> WorkflowHandle[object, object]:
    """As visibility shows it; no worker ever takes it."""
    transfer = transfer_of()
    return await client.start_workflow(
        TRANSFER_MONEY,
        transfer,
        id=workflow_id(transfer.transfer_id),
        task_queue="nobody",
        memo={TransferMemo.KEY: TransferMemo(transfer=transfer, fingerprint=transfer.fingerprint)},
        search_attributes=PARKED,
    )


@asynccontextmanager
async def many_parked(client: Client) -> AsyncIterator[None]:
    runs = [await start_parked(client) for _ in range(MANY)]
    yield
    await asyncio.gather(*(run.terminate() for run in runs))


@pytest.mark.parametrize("page_size", [200, 4])
async def test_of_very_many_the_first_are_looked_at_and_the_others_counted(
    observing: Observing, client: Client, monkeypatch: pytest.MonkeyPatch, page_size: int
) -> None:
    monkeypatch.setattr(troubled_transfers, "EXAMINED", EXAMINED)
    monkeypatch.setattr(troubled_transfers, "PAGE_SIZE", page_size)
    async with many_parked(client):
        attention = await until_counted(observing)
        before = observing.requests()
        attention = await observing.attention()
        assert observing.requests() - before == EXAMINED  # each is described once, and no history read again
    assert attention.unexamined == MANY - EXAMINED
    assert attention.counts[AttentionKind.PARKED] == MANY - EXAMINED  # those looked at have no step that fails
    assert not any(item.transfer_id for item in attention.items)


async def until_counted(observing: Observing) -> Attention:
    """Visibility is late."""
    async with asyncio.timeout(SOON_SECONDS):
        while (attention := await observing.attention()).unexamined < MANY - EXAMINED:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        return attention
