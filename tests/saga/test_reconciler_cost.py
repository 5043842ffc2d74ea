"""What a run of the reconciler costs: where nothing is wrong, and with many transfers on their way."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from saga.abandoned_transfers import applied
from saga.harness import new_request
from saga.reconciling import Reconciler
from system.figures import Figures
from transfer_contract.reconciler import Search, SearchPosition
from transfer_contract.steps import Step
from workflow_handler.unfinished import EXAMINED

ON_THEIR_WAY: Final = 1_500
RUNS: Final = 10
STARTED_AT_ONCE: Final = 50


@pytest.mark.nightly
@pytest.mark.timeout(900)
async def test_a_search_among_many_transfers_on_their_way_takes_seconds_and_finds_none(
    reconciler: Reconciler, figures: Figures
) -> None:
    async with reconciler.workers():
        began = time.monotonic()
        for _ in range(RUNS):
            assert (await reconciler.reconcile()).taken_over == ()
        figures.milliseconds("a run of the reconciler that finds nothing to look at", (time.monotonic() - began) / RUNS)

    hour_ago, at_once = datetime.now(UTC) - timedelta(hours=1), asyncio.Semaphore(STARTED_AT_ONCE)

    async def on_its_way(number: int) -> None:
        request = new_request().model_copy(update={"created_at": hour_ago + timedelta(milliseconds=number)})
        reconciler.books.put(request, applied(request, Step.WITHDRAW))
        async with at_once:
            await reconciler.start(request)  # no worker: it stays where it is

    await asyncio.gather(*map(on_its_way, range(ON_THEIR_WAY)))
    position, carried, searches, began, cpu = SearchPosition(), 0, 0, time.monotonic(), time.process_time()
    while searches == 0 or position.after is not None:
        findings = await reconciler.search(Search(position=position, grace_seconds=0, limit=200), examined=EXAMINED)
        assert findings.abandoned == ()
        position, carried, searches = findings.position, carried + findings.carried, searches + 1
    assert (carried, searches) == (ON_THEIR_WAY, ON_THEIR_WAY // EXAMINED)
    figures.seconds(f"a search that examines {EXAMINED} of {ON_THEIR_WAY}", (time.monotonic() - began) / searches)
    figures.seconds(
        "of it CPU, with the server of the rows in the same process", (time.process_time() - cpu) / searches
    )
