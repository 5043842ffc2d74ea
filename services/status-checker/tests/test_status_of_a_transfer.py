"""GET /transfers/{id} on a real Temporal server."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from checker_databases import Databases
from checker_rows import applied, compensated, completed_rows, failure, refused_by_ledger_rows, request, tombstone
from checker_saga import Activities, start, take_over
from checker_views import look, until
from service_runtime.worker_identity import worker_identity
from status_checker.final_view import final_view
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from transfer_contract.names import Process, workflow_id
from transfer_contract.steps import Compensation, FailureCode, Step
from transfer_contract.transfers import TransferRequest

pytestmark = pytest.mark.usefixtures("saga_workers")


async def test_an_unknown_transfer_is_not_found(checker: httpx.AsyncClient) -> None:
    answer = await checker.get("/transfers/nobody-knows-it")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/transfers/UPPER", "transfer_id"),
        (f"/transfers/{'x' * 65}", "transfer_id"),
        ("/transfers/x?wait=31", "wait"),
        ("/transfers/x?wait=-1", "wait"),
        ("/transfers/x?until=doomsday", "until"),
        ("/transfers?limit=0", "limit"),
        ("/transfers?limit=101", "limit"),
        ("/transfers?status=gone", "status"),
        ("/transfers?cursor=nonsense", "cursor"),
    ],
)
async def test_a_bad_request_names_its_field(checker: httpx.AsyncClient, path: str, field: str) -> None:
    answer = await checker.get(path)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_final_rows_are_the_answer_although_temporal_never_heard_of_the_transfer(
    checker: httpx.AsyncClient, databases: Databases, transfer: TransferRequest
) -> None:
    databases.put(transfer, *refused_by_ledger_rows())
    assert await look(checker, transfer) == final_view(transfer, refused_by_ledger_rows())


async def test_a_transfer_shows_each_step_as_it_is_and_its_final_rows_in_the_end(
    checker: httpx.AsyncClient,
    databases: Databases,
    client: Client,
    activities: Activities,
    transfer: TransferRequest,
) -> None:
    held = activities.hold(transfer, Step.DEPOSIT)
    handle = await start(client, transfer)
    live = await until(checker, transfer, lambda view: view.steps[1].status == "running")
    assert (live.status, live.finished_at) == ("running", None)
    assert [step.status for step in live.steps] == ["done", "running", "pending", "pending"]
    held.set()
    result = await handle.result()
    final = await look(checker, transfer)
    assert (final.status, final.steps[0]) == ("completed", live.steps[0])
    assert final == final_view(transfer, result.rows)


async def test_a_retried_step_shows_its_attempts_and_last_error(
    checker: httpx.AsyncClient, client: Client, activities: Activities, transfer: TransferRequest
) -> None:
    held = asyncio.Event()
    attempts = iter(range(1, 3))

    async def fail_once_then_wait() -> None:
        if next(attempts) == 1:
            raise ApplicationError("the ledger stumbles", type="demo_fault")
        await held.wait()

    activities.before[transfer.transfer_id, Step.RECORD] = fail_once_then_wait
    handle = await start(client, transfer)
    view = await until(
        checker, transfer, lambda view: view.steps[2].attempts == 2 and not view.steps[2].next_attempt_at
    )
    record = view.steps[2]
    assert (view.status, record.status, record.finished_at) == ("running", "retrying", None)
    assert record.worker == worker_identity(Process.LEDGER_WORKER)
    assert record.error is not None
    assert (record.error.code, record.error.detail) == ("demo_fault", "the ledger stumbles")
    held.set()
    await handle.result()


async def test_a_step_between_two_attempts_shows_when_the_next_one_is(
    checker: httpx.AsyncClient, client: Client, activities: Activities, transfer: TransferRequest
) -> None:
    pause = timedelta(seconds=3)

    async def fail() -> None:
        del activities.before[transfer.transfer_id, Step.RECORD]
        raise ApplicationError("the ledger stumbles", next_retry_delay=pause)

    activities.before[transfer.transfer_id, Step.RECORD] = fail
    before = datetime.now(UTC)
    handle = await start(client, transfer)
    record = (await until(checker, transfer, lambda view: view.steps[2].next_attempt_at is not None)).steps[2]
    assert (record.status, record.attempts) == ("retrying", 2)
    assert record.worker == worker_identity(Process.LEDGER_WORKER)
    assert record.next_attempt_at is not None
    assert before + pause < record.next_attempt_at < datetime.now(UTC) + pause
    await handle.result()
    final = (await look(checker, transfer)).steps[2]
    assert (final.attempts, final.next_attempt_at) == (2, None)


async def test_a_parked_compensation_needs_attention_until_it_succeeds(
    checker: httpx.AsyncClient, client: Client, activities: Activities, transfer: TransferRequest
) -> None:
    activities.refusals[transfer.transfer_id, Step.RECORD] = FailureCode.LEDGER_REJECTED
    activities.fail(transfer, Compensation.WITHDRAW, "demo_fault")
    handle = await start(client, transfer)
    parked = await until(checker, transfer, lambda view: view.status == "needs_attention")
    assert parked.failure is not None
    assert (parked.failure.code, parked.failure.step) == ("ledger_rejected", "record")
    withdraw = parked.steps[-1]
    assert (withdraw.name, withdraw.status, withdraw.attempts > 5) == (Compensation.WITHDRAW, "retrying", True)
    assert withdraw.error is not None
    assert withdraw.error.detail == "not today"
    del activities.before[transfer.transfer_id, Compensation.WITHDRAW]
    result = await handle.result()
    final = await look(checker, transfer)
    assert (final.status, final.failure) == ("compensated", parked.failure)
    assert [step.name for step in final.steps[4:]] == [Compensation.DEPOSIT, Compensation.WITHDRAW]
    assert final.steps[:5] == parked.steps[:5]
    assert final == final_view(transfer, result.rows)


async def test_a_cancelled_transfer_shows_the_step_that_was_cut_short(
    checker: httpx.AsyncClient, client: Client, activities: Activities, transfer: TransferRequest
) -> None:
    late = activities.hold(transfer, Step.DEPOSIT)
    held = activities.hold(transfer, Compensation.RECORD)
    handle = await start(client, transfer)
    await until(checker, transfer, lambda view: view.steps[1].status == "running")
    await handle.cancel()
    live = await until(checker, transfer, lambda view: view.status == "compensating")
    assert (live.steps[1].status, live.steps[1].error and live.steps[1].error.code) == ("failed", "cancelled")
    assert live.failure is not None
    assert live.failure.code == "cancelled"
    held.set()
    await handle.result()
    final = await look(checker, transfer)
    late.set()
    assert (final.status, final.steps[1], final.failure) == ("compensated", live.steps[1], live.failure)
    assert [step.name for step in final.steps[4:]] == list(Compensation)


async def test_with_the_rows_unreadable_a_closed_run_gives_the_same_bytes(
    checker: httpx.AsyncClient,
    databases: Databases,
    client: Client,
    activities: Activities,
    transfer: TransferRequest,
) -> None:
    activities.refusals[transfer.transfer_id, Step.RECORD] = FailureCode.LEDGER_REJECTED
    await (await start(client, transfer)).result()
    by_rows = (await checker.get(f"/transfers/{transfer.transfer_id}")).content
    for away in (databases.accounts, databases.ledger):
        away.is_away = True
        assert (await checker.get(f"/transfers/{transfer.transfer_id}")).content == by_rows
        away.is_away = False


async def test_with_the_rows_unreadable_a_run_that_did_not_hear_them_all_is_not_believed(
    checker: httpx.AsyncClient,
    databases: Databases,
    client: Client,
    activities: Activities,
    transfer: TransferRequest,
) -> None:
    databases.put(transfer, *completed_rows()[:3])
    held = activities.hold(transfer, Step.WITHDRAW)
    handle = await start(client, transfer)
    await until(checker, transfer, lambda view: view.steps[0].status == "running")
    await handle.cancel()
    result = await handle.result()
    held.set()
    assert (result.status, [row.step for row in result.rows]) == ("completed", [Step.RECORD, Step.RELEASE])
    assert (await look(checker, transfer)).status == "completed"
    databases.accounts.is_away = True
    answer = await checker.get(f"/transfers/{transfer.transfer_id}")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


@pytest.mark.parametrize("whose", ["accounts", "ledger"])
async def test_with_the_rows_unreadable_and_no_closed_run_it_does_not_guess(
    checker: httpx.AsyncClient, databases: Databases, transfer: TransferRequest, whose: str
) -> None:
    databases.put(transfer, *completed_rows())
    getattr(databases, whose).is_away = True
    answer = await checker.get(f"/transfers/{transfer.transfer_id}")
    assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (503, "unavailable", "1")


async def test_a_running_transfer_does_not_need_the_ledger_api(
    checker: httpx.AsyncClient,
    databases: Databases,
    client: Client,
    activities: Activities,
    transfer: TransferRequest,
) -> None:
    held = activities.hold(transfer, Step.RECORD)
    handle = await start(client, transfer)
    databases.ledger.is_away = True
    view = await until(checker, transfer, lambda view: view.steps[2].status == "running")
    assert view.status == "running"
    held.set()
    await handle.result()


async def test_a_running_transfer_whose_rows_are_unreadable_is_unavailable(
    checker: httpx.AsyncClient, databases: Databases, client: Client, activities: Activities, transfer: TransferRequest
) -> None:
    held = activities.hold(transfer, Step.WITHDRAW)
    handle = await start(client, transfer)
    databases.accounts.is_away = True
    assert (await checker.get(f"/transfers/{transfer.transfer_id}")).status_code == 503
    held.set()
    await handle.result()


@pytest.mark.parametrize(
    ("rows", "status"),
    [
        ([applied(Step.WITHDRAW, 0), applied(Step.DEPOSIT, 1)], "running"),
        ([applied(Step.WITHDRAW, 0), compensated(Step.DEPOSIT, 1, 3), tombstone(Step.RECORD, 2)], "compensating"),
    ],
)
async def test_a_transfer_that_temporal_has_forgotten_before_its_end_is_told_by_its_rows(
    checker: httpx.AsyncClient, databases: Databases, transfer: TransferRequest, rows: list[object], status: str
) -> None:
    databases.put(transfer, *rows)  # type: ignore[arg-type]
    view = await look(checker, transfer)
    assert (view.status, view.waiting_for, view.steps[0].status) == (status, None, "done")


async def test_a_terminated_transfer_is_told_by_its_rows(
    checker: httpx.AsyncClient, client: Client, activities: Activities, transfer: TransferRequest
) -> None:
    held = activities.hold(transfer, Step.DEPOSIT)
    handle = await start(client, transfer)
    await until(checker, transfer, lambda view: view.steps[1].status == "running")
    await handle.terminate()
    held.set()
    view = await until(checker, transfer, lambda view: view.steps[1].status == "done")
    assert (view.status, view.waiting_for) == ("running", None)


async def test_a_terminated_transfer_that_the_reconciler_undoes_is_told_by_the_reconcilers_run(
    checker: httpx.AsyncClient, client: Client, activities: Activities, transfer: TransferRequest
) -> None:
    held = activities.hold(transfer, Step.RECORD)
    handle = await start(client, transfer)
    await until(checker, transfer, lambda view: view.steps[2].status == "running")
    await handle.terminate()
    activities.fail(transfer, Compensation.WITHDRAW, "no_luck")
    finishing = await take_over(client, transfer)
    parked = await until(checker, transfer, lambda view: view.status == "needs_attention")
    assert parked.failure is not None
    assert (parked.failure.code, parked.failure.step) == (FailureCode.INTERRUPTED, None)
    assert [step.name for step in parked.steps[4:]] == [*Compensation]
    del activities.before[transfer.transfer_id, Compensation.WITHDRAW]
    changed = await look(checker, transfer, wait=10, known=parked.version, until="final")
    await finishing.result()
    assert (changed.status, changed.failure) == ("compensated", parked.failure)
    held.set()


async def test_a_transfer_terminated_before_its_first_row_is_told_by_its_history(
    checker: httpx.AsyncClient, client: Client, transfer: TransferRequest
) -> None:
    handle = await client.start_workflow(
        "TransferMoney",
        transfer,
        id=workflow_id(transfer.transfer_id),
        task_queue="nobody-listens",
        memo={"transfer": {"transfer": transfer, "fingerprint": transfer.fingerprint}},
    )
    await handle.terminate()
    view = await look(checker, transfer)
    assert (view.id, view.status, view.waiting_for) == (transfer.transfer_id, "accepted", None)


async def test_a_run_that_found_its_key_reused_changes_nothing_of_the_transfer_that_had_it_first(
    checker: httpx.AsyncClient,
    databases: Databases,
    client: Client,
    activities: Activities,
    transfer: TransferRequest,
) -> None:
    databases.put(transfer, applied(Step.WITHDRAW, 0))
    before = await look(checker, transfer)
    activities.fail(transfer, Step.WITHDRAW, "idempotency_key_reused", for_good=True)
    other = transfer.model_copy(update={"amount_minor": 1})
    assert (await (await start(client, other)).result()).status is None
    assert await look(checker, transfer) == before
    databases.put(transfer, *completed_rows())
    assert await look(checker, transfer) == final_view(transfer, completed_rows())


async def test_a_run_of_another_request_is_not_shown_while_it_runs(
    checker: httpx.AsyncClient,
    databases: Databases,
    client: Client,
    activities: Activities,
    transfer: TransferRequest,
) -> None:
    databases.put(transfer, applied(Step.WITHDRAW, 0))
    before = await look(checker, transfer)
    held = activities.hold(transfer, Step.WITHDRAW)
    handle = await start(client, transfer.model_copy(update={"amount_minor": 1}))
    await asyncio.sleep(0.2)
    assert await look(checker, transfer) == before
    held.set()
    await handle.terminate()


async def test_final_rows_win_over_a_later_run(
    checker: httpx.AsyncClient, databases: Databases, client: Client, activities: Activities, transfer: TransferRequest
) -> None:
    databases.put(transfer, *completed_rows())
    held = activities.hold(transfer, Step.WITHDRAW)
    handle = await start(client, transfer)
    assert (await look(checker, transfer)).status == "completed"
    held.set()
    await handle.result()


async def test_a_workflow_that_is_no_transfer_is_not_found(checker: httpx.AsyncClient, client: Client) -> None:
    stranger = await client.start_workflow("Stranger", id=workflow_id("stranger"), task_queue="nobody-listens")
    assert (await checker.get("/transfers/stranger")).status_code == 404
    await stranger.terminate()


async def test_a_transfer_that_ends_between_the_two_databases_answers_is_told_whole(
    unobserving_checker: httpx.AsyncClient, databases: Databases, transfer: TransferRequest
) -> None:
    """The ledger has answered before the record, the accounts after the release."""
    path = f"/transfers/{transfer.transfer_id}"
    databases.put(transfer, *completed_rows()[:2])
    databases.accounts.may_answer.clear()
    asking = asyncio.create_task(unobserving_checker.get(path))
    await asyncio.sleep(0.5)
    assert databases.ledger.called[path] == 1
    databases.put(transfer, *completed_rows())
    databases.accounts.may_answer.set()
    told = await asking
    assert told.json()["status"] == "completed"
    assert told.content == (await unobserving_checker.get(path)).content


async def test_rows_that_only_the_ledger_has_are_told_too(checker: httpx.AsyncClient, databases: Databases) -> None:
    """A reconciler shut the door and was killed before it had undone anything."""
    transfer = request(created_at=datetime.now(UTC) - timedelta(days=400))
    databases.put(transfer, tombstone(Step.RECORD, 1, failure(FailureCode.INTERRUPTED, None)))
    assert (await look(checker, transfer)).status == "compensating"


async def test_it_answers_with_every_worker_dead(
    checker: httpx.AsyncClient, client: Client, transfer: TransferRequest
) -> None:
    handle = await client.start_workflow(
        "TransferMoney",
        transfer,
        id=workflow_id(transfer.transfer_id),
        task_queue="nobody-listens",
        memo={"transfer": {"transfer": transfer, "fingerprint": transfer.fingerprint}},
    )
    view = await look(checker, transfer)
    assert (view.status, view.created_at) == ("accepted", transfer.created_at)
    await handle.terminate()
