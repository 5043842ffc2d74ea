"""The workflows of a batch, its own and the reconciler's, are looked at as those of a transfer are."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from chaos.closed_workflows import ClosedWorkflows
from chaos.findings import Findings
from chaos.planted_books import PlantedBooks
from chaos.planted_workflows import found_of, listed
from chaos.schedule import FaultKind
from chaos.strikes import Strikes
from temporalio.client import Client
from transfer_contract.batches import transfer_id_in
from transfer_contract.names import FINISH_BATCH, TRANSFER_BATCH, batch_finisher_id, batch_workflow_id

BATCH_RUNS = [(TRANSFER_BATCH, batch_workflow_id), (FINISH_BATCH, batch_finisher_id)]


@pytest.mark.parametrize("run", BATCH_RUNS)
async def test_a_batch_that_closes_before_all_of_its_rows_are_final_is_said(
    temporal_client: Client, queue: str, workflows: ClosedWorkflows, books: PlantedBooks, findings: Findings,
    run: tuple[str, Callable[[str], str]],
) -> None:  # fmt: skip
    done, early = str(uuid4()), str(uuid4())
    books.order(transfer_id_in(early, 2))
    for batch_id in (done, early):
        await listed(temporal_client, queue, (run[0], run[1](batch_id)), "completed")
    assert await found_of(done, workflows, findings) == []
    assert await found_of(early, workflows, findings) == ["no workflow closes before its rows are final"]


@pytest.mark.parametrize("run", BATCH_RUNS)
async def test_a_batch_that_fails_is_said_whoever_has_struck_it(
    temporal_client: Client, queue: str, books: PlantedBooks, findings: Findings,
    run: tuple[str, Callable[[str], str]],
) -> None:  # fmt: skip
    batch_id, strikes = str(uuid4()), Strikes()
    strikes.trying(FaultKind.WORKFLOW_DELETED, batch_workflow_id(batch_id))
    workflows = ClosedWorkflows(books.urls[0], temporal_client, findings.violations, strikes)
    await listed(temporal_client, queue, (run[0], run[1](batch_id)), "fails")
    assert await found_of(batch_id, workflows, findings) == ["a workflow closes with a result"]


@pytest.mark.parametrize("run", BATCH_RUNS)
@pytest.mark.parametrize("struck", [None, batch_workflow_id, batch_finisher_id])
async def test_a_workflow_of_a_batch_may_be_terminated_only_where_it_was_struck_itself(
    temporal_client: Client, queue: str, books: PlantedBooks, findings: Findings,
    run: tuple[str, Callable[[str], str]], struck: Callable[[str], str] | None,
) -> None:  # fmt: skip
    batch_id, strikes = str(uuid4()), Strikes()
    if struck:
        strikes.trying(FaultKind.WORKFLOW_TERMINATED, struck(batch_id))
    workflows = ClosedWorkflows(books.urls[0], temporal_client, findings.violations, strikes)
    await listed(temporal_client, queue, (run[0], run[1](batch_id)), "waits")
    is_struck = struck is run[1]
    assert await found_of(batch_id, workflows, findings) == ([] if is_struck else ["a workflow closes with a result"])
