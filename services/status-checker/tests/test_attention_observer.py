"""What needs an operator, observed on a real Temporal server by descriptions, visibility and rows."""

import asyncio
from datetime import UTC, datetime

import pytest
from checker_databases import Databases
from checker_observing import BALANCED, SOON_SECONDS, Observing, transfer_of
from checker_proxy import proxy_to
from checker_rows import applied
from checker_saga import DEFECTIVE, Activities, start, take_over
from lost_histories import without_histories
from service_runtime.internal_client import InternalClient
from service_runtime.problems import Problem, unavailable
from status_checker import attention_observer
from status_checker.live_workers import LiveWorkers
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RetryConfig
from transfer_contract.attention import AttentionKind
from transfer_contract.http import CurrencyTotals, Discrepancy, ProblemCode, Reconciliation
from transfer_contract.names import PARKED_AFTER_ATTEMPTS, Process
from transfer_contract.steps import Compensation, FailureCode, Step


@pytest.mark.usefixtures("saga_workers")
async def test_a_compensation_that_keeps_failing_is_told_with_its_error_and_since_when(
    observing: Observing, client: Client, activities: Activities
) -> None:
    transfer = transfer_of()
    activities.refusals[transfer.transfer_id, Step.DEPOSIT] = FailureCode.ACCOUNT_CLOSED
    activities.fail(transfer, Compensation.WITHDRAW, "database_error")
    before = datetime.now(UTC)
    handle = await start(client, transfer)
    item = await observing.until_item(transfer, AttentionKind.PARKED)
    assert (item.step, item.runbook) == (Compensation.WITHDRAW, "docs/runbook.md#parked")
    assert item.failures is not None
    assert item.failures >= PARKED_AFTER_ATTEMPTS
    assert item.error is not None
    assert (item.error.code, item.detail.endswith("times in a row: not today.")) == ("database_error", True)
    assert item.since is not None
    assert before <= item.since <= datetime.now(UTC)
    assert observing.metric("attention_items", kind="parked") >= 1
    assert observing.metric("oldest_compensation_age_seconds") > 0
    assert observing.metric("oldest_unfinished_transfer_age_seconds") > 0
    del activities.before[transfer.transfer_id, Compensation.WITHDRAW]
    await handle.result()
    assert await observing.items_of(transfer) == []


@pytest.mark.usefixtures("saga_workers")
async def test_a_release_that_keeps_failing_is_found_by_its_rows(
    observing: Observing, client: Client, activities: Activities
) -> None:
    """Nobody has told visibility: this workflow doesn't listen to what a worker signals."""
    transfer = transfer_of()
    activities.fail(transfer, Step.RELEASE, "database_error")
    handle = await start(client, transfer)
    item = await observing.until_item(transfer, AttentionKind.PARKED)
    assert item.step is Step.RELEASE
    del activities.before[transfer.transfer_id, Step.RELEASE]
    await handle.result()


@pytest.mark.usefixtures("saga_workers")
async def test_a_workflow_whose_tasks_fail_in_a_row_is_told_with_the_failures_message(
    observing: Observing, client: Client
) -> None:
    transfer = transfer_of(DEFECTIVE)
    handle = await start(client, transfer)
    item = await observing.until_item(transfer, AttentionKind.STUCK)
    assert item.failures is not None
    assert item.failures >= 3
    assert "a defect that fails the workflow task" in item.detail
    assert item.since is not None
    assert observing.metric("attention_items", kind="stuck") == 1
    assert observing.metric("workflow_task_failures_in_a_row") == item.failures
    await handle.terminate()
    abandoned = await observing.until_item(transfer, AttentionKind.ABANDONED)
    assert "found terminated" in abandoned.detail
    assert abandoned.since is not None
    assert observing.metric("workflow_task_failures_in_a_row") == 0


@pytest.mark.usefixtures("saga_workers")
async def test_a_transfer_that_nobody_knows_a_workflow_of_is_abandoned(
    observing: Observing, databases: Databases
) -> None:
    transfer = transfer_of()
    databases.put(transfer, applied(Step.WITHDRAW, 0))
    [item] = await observing.items_of(transfer)
    assert (item.kind, item.since) == (AttentionKind.ABANDONED, None)
    assert observing.metric("attention_items", kind="abandoned") == 1


@pytest.mark.usefixtures("saga_workers")
async def test_a_compensation_that_takes_long_is_told_with_what_it_waits_for(
    observing: Observing, client: Client, activities: Activities
) -> None:
    transfer = transfer_of()
    activities.refusals[transfer.transfer_id, Step.RECORD] = FailureCode.LEDGER_REJECTED
    let_go = activities.hold(transfer, Compensation.DEPOSIT)
    handle = await start(client, transfer)
    await observing.until_item(transfer, AttentionKind.COMPENSATING_LONG, detail="deposit_compensation")
    assert observing.metric("oldest_compensation_age_seconds") >= 1
    let_go.set()
    await handle.result()
    assert await observing.items_of(transfer) == []


@pytest.mark.usefixtures("saga_workers")
async def test_a_transfer_in_the_reconcilers_hands_is_told_until_it_is_done(
    observing: Observing, client: Client, activities: Activities, databases: Databases
) -> None:
    transfer = transfer_of()
    databases.put(transfer, applied(Step.WITHDRAW, 0))
    let_go = activities.hold(transfer, Compensation.RECORD)
    handle = await take_over(client, transfer)
    await observing.until_item(transfer, AttentionKind.FINISHING, detail="record_compensation")
    let_go.set()
    await handle.result()
    assert await observing.items_of(transfer) == []


@pytest.mark.usefixtures("saga_workers")
async def test_a_history_that_has_not_grown_is_not_read_again(
    observing: Observing, client: Client, activities: Activities
) -> None:
    transfer = transfer_of()
    activities.refusals[transfer.transfer_id, Step.RECORD] = FailureCode.LEDGER_REJECTED
    activities.hold(transfer, Compensation.DEPOSIT)
    handle = await start(client, transfer)
    await observing.until_item(transfer, AttentionKind.COMPENSATING_LONG)
    histories = observing.metric("temporal_requests_total", call="history")
    described = observing.metric("temporal_requests_total", call="describe")
    await observing.attention()
    assert observing.metric("temporal_requests_total", call="history") == histories
    assert observing.metric("temporal_requests_total", call="describe") > described
    await handle.terminate()


@pytest.mark.usefixtures("saga_workers")
async def test_while_the_history_of_an_open_run_is_not_found_it_is_not_said_that_all_is_well(
    observing: Observing, client: Client, activities: Activities
) -> None:
    transfer = transfer_of()
    activities.refusals[transfer.transfer_id, Step.RECORD] = FailureCode.LEDGER_REJECTED
    activities.hold(transfer, Compensation.DEPOSIT)
    handle = await start(client, transfer)
    await observing.until_item(transfer, AttentionKind.COMPENSATING_LONG)
    blind = observing.through(without_histories(client))
    with pytest.raises(Problem) as unknown:
        await blind.attention()
    assert unknown.value.code is ProblemCode.UNAVAILABLE
    await handle.terminate()


@pytest.mark.usefixtures("saga_workers")
async def test_where_all_is_well_nothing_is_told_and_two_requests_are_enough(observing: Observing) -> None:
    attention = await observing.attention()
    assert (attention.items, attention.counts, attention.unexamined) == ([], {}, 0)
    assert observing.requests() == 0  # of descriptions and histories
    assert {kind: observing.metric("attention_items", kind=kind) for kind in AttentionKind} == dict.fromkeys(
        AttentionKind, 0
    )
    assert observing.metric("oldest_compensation_age_seconds") == 0
    assert observing.metric("attention_observed_timestamp_seconds") == attention.observed_at.timestamp()


async def test_books_that_do_not_add_up_are_told_first_and_since_when(
    observing: Observing, monkeypatch: pytest.MonkeyPatch
) -> None:
    observing.books = Reconciliation(
        balanced=False,
        currencies=[CurrencyTotals(currency="EUR", balances_minor=-1, held_minor=0, in_transit_minor=0, sum_minor=-1)],
        discrepancies=[Discrepancy(kind="sum_not_zero", detail="a cent is missing")],
    )
    await observing.observer.reconcile()
    first = (await observing.attention()).items[0]
    assert first.kind is AttentionKind.UNBALANCED
    assert "EUR adds up to -1 minor units" in first.detail
    assert "a cent is missing" in first.detail
    assert observing.metric("reconciliation_balanced") == 0
    await observing.observer.reconcile()
    assert (await observing.attention()).items[0].since == first.since
    observing.books = unavailable("ledger-api")
    await observing.observer.reconcile()
    assert AttentionKind.UNOBSERVED not in (await observing.attention()).counts  # it may be back in a moment
    monkeypatch.setattr(attention_observer, "UNRECONCILED_SECONDS", 0)
    kinds = {item.kind for item in (await observing.attention()).items}
    assert {AttentionKind.UNBALANCED, AttentionKind.UNOBSERVED} <= kinds
    observing.books = BALANCED
    await observing.observer.reconcile()
    kinds = {item.kind for item in (await observing.attention()).items}
    assert not {AttentionKind.UNBALANCED, AttentionKind.UNOBSERVED} & kinds
    assert observing.metric("reconciliation_balanced") == 1


async def test_what_can_not_be_observed_any_more_is_unavailable_and_never_nothing(
    observing: Observing, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Problem, match="isn't known"):
        await observing.observer.attention()
    await observing.attention()
    databases.accounts.is_away = True
    await observing.attention()  # a moment ago it was known
    monkeypatch.setattr(attention_observer, "STALE_SECONDS", 0)
    with pytest.raises(Problem, match="account-api"):
        await observing.attention()
    assert observing.metric("temporal_reachable") == 1
    databases.accounts.is_away = False
    monkeypatch.undo()
    await observing.attention()


async def test_without_temporal_it_is_unavailable_and_says_that_temporal_is_away(
    temporal_server: str, apis: tuple[str, str], live_workers: LiveWorkers, databases: Databases
) -> None:
    databases.clear()
    async with (
        proxy_to(temporal_server) as proxy,
        InternalClient(Process.ACCOUNT_API, apis[0], timeout_seconds=2) as accounts,
        InternalClient(Process.LEDGER_API, apis[1], timeout_seconds=2) as ledger,
    ):
        retrying = RetryConfig(max_elapsed_time_millis=100, max_retries=1)
        client = await Client.connect(proxy.address, data_converter=pydantic_data_converter, retry_config=retrying)
        observing = Observing(client, (accounts, ledger), live_workers)
        await observing.attention()
        assert observing.metric("temporal_reachable") == 1
        observed_at = observing.metric("attention_observed_timestamp_seconds")
        async with proxy.cut():
            await observing.observer.observe()
            assert observing.metric("temporal_reachable") == 0
            assert observing.metric("attention_observed_timestamp_seconds") == observed_at
        async with asyncio.timeout(SOON_SECONDS):
            while observing.metric("temporal_reachable") == 0:
                await observing.observer.observe()
        assert observing.metric("attention_observed_timestamp_seconds") > observed_at
