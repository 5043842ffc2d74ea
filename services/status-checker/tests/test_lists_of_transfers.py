"""GET /transfers on a real Temporal server. Tests keep apart by an account of their own."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest
from checker_databases import Databases
from checker_rows import applied, completed_rows, refused_by_ledger_rows, rejected, request, tombstone
from checker_saga import Activities, start, workers
from checker_views import look, until
from status_checker import running_transfers, transfer_list
from status_checker.final_view import final_view
from status_checker.running_transfers import RunningTransfers
from status_checker.runs import Run, Runs
from temporalio.client import Client
from transfer_contract.http import Page
from transfer_contract.names import FINISH_TRANSFER, TRANSFER_MONEY, finisher_id, workflow_id
from transfer_contract.steps import Compensation, FailureCode, Step
from transfer_contract.transfers import TransferMemo, TransferRequest, TransferView


class Listed:
    """Makes transfers of one account and lists them."""

    def __init__(self, checker: httpx.AsyncClient, databases: Databases, client: Client) -> None:
        self.account = f"a{uuid4().hex}"
        self.checker = checker
        self.databases = databases
        self.client = client
        self.started: list[str] = []

    def new(self, *, seconds: float = 0) -> TransferRequest:
        return request(source=self.account, created_at=datetime.now(UTC) + timedelta(seconds=seconds))

    async def without_row(self, transfer: TransferRequest | None = None) -> TransferRequest:
        """A running workflow that no worker will ever touch."""
        transfer = transfer or self.new()
        await self._start(TRANSFER_MONEY, workflow_id(transfer.transfer_id), transfer)
        return transfer

    async def being_finished(self, transfer: TransferRequest) -> None:
        """By the reconciler: the same of its workflow."""
        await self._start(FINISH_TRANSFER, finisher_id(transfer.transfer_id), transfer)

    async def _start(self, workflow: str, its_id: str, transfer: TransferRequest) -> None:
        memo = TransferMemo(transfer=transfer, fingerprint=transfer.fingerprint)
        await self.client.start_workflow(
            workflow, transfer, id=its_id, task_queue="nobody-listens", memo={TransferMemo.KEY: memo}
        )
        self.started.append(its_id)

    async def visible(self, *transfers: TransferRequest, query: str = "ExecutionStatus = 'Running'") -> None:
        """Visibility is written a moment after the start."""
        await self._until_running({workflow_id(transfer.transfer_id) for transfer in transfers}, query)

    async def all_visible(self) -> None:
        await self._until_running({*self.started}, "ExecutionStatus = 'Running'")

    async def _until_running(self, wanted: set[str], query: str) -> None:
        for _ in range(200):
            running = {run.id async for run in self.client.list_workflows(query)}
            if wanted <= running:
                return
            await asyncio.sleep(0.05)
        pytest.fail("visibility doesn't list what was started")

    async def undoing(self, *transfers: TransferRequest) -> None:
        """So is the search attribute."""
        await self.visible(*transfers, query="TransferStatus = 'compensating'")

    async def page(self, **query: str | int) -> Page[TransferView]:
        answer = await self.checker.get("/transfers", params={"account": self.account, **query})
        assert answer.status_code == 200, answer.text
        return Page[TransferView].model_validate_json(answer.content)

    async def ids(self, **query: str | int) -> list[str]:
        """Of every page, in order."""
        page = await self.page(**query)
        found = [view.id for view in page.items]
        while page.next_cursor is not None:
            page = await self.page(**query, cursor=page.next_cursor)
            found += [view.id for view in page.items]
        return found


@pytest.fixture
async def listed(unobserving_checker: httpx.AsyncClient, databases: Databases, client: Client) -> AsyncIterator[Listed]:
    listed = Listed(unobserving_checker, databases, client)
    yield listed
    for each in listed.started:
        await client.get_workflow_handle(each).terminate()


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_transfers_without_a_row_in_the_reconcilers_hands_are_listed_once_where_they_belong(
    listed: Listed, limit: int
) -> None:
    """Their workflows are much younger than they are; one has its own workflow open, too, and one has rows by now."""
    made = [listed.new(seconds=60 * number - 3600) for number in range(6)]
    for transfer in made[:3]:
        await listed.being_finished(transfer)
    await listed.without_row(made[2])
    listed.databases.put(made[1], applied(Step.WITHDRAW, 0))
    for transfer in made[3:]:
        listed.databases.put(transfer, *completed_rows())
    await listed.all_visible()
    assert await listed.ids(limit=limit) == [transfer.transfer_id for transfer in reversed(made)]


async def test_an_account_without_transfers_has_an_empty_list(listed: Listed) -> None:
    assert await listed.page() == Page(items=[], next_cursor=None)


async def test_final_transfers_come_from_their_rows_newest_first(listed: Listed) -> None:
    first, second, third = (listed.new(seconds=n) for n in range(3))
    listed.databases.put(first, *completed_rows())
    listed.databases.put(second, *refused_by_ledger_rows())
    listed.databases.put(third, rejected(Step.WITHDRAW, 0, FailureCode.INSUFFICIENT_FUNDS))
    page = await listed.page()
    assert page.items == [
        final_view(third, [rejected(Step.WITHDRAW, 0, FailureCode.INSUFFICIENT_FUNDS)]),
        final_view(second, refused_by_ledger_rows()),
        final_view(first, completed_rows()),
    ]
    assert listed.databases.ledger.called["/transfers/query"] == 1
    assert sum(listed.databases.ledger.called.values()) == 1


async def test_running_transfers_without_a_row_stand_between_those_that_have_rows(listed: Listed) -> None:
    oldest = listed.new()
    listed.databases.put(oldest, *completed_rows())
    middle = await listed.without_row()
    newest = listed.new()
    listed.databases.put(newest, applied(Step.WITHDRAW, 0))
    await listed.visible(middle)
    page = await listed.page()
    assert [(view.id, view.status) for view in page.items] == [
        (newest.transfer_id, "running"),
        (middle.transfer_id, "accepted"),
        (oldest.transfer_id, "completed"),
    ]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 100])
async def test_pages_of_any_size_show_every_transfer_once(listed: Listed, limit: int) -> None:
    made: list[TransferRequest] = []
    for number in range(7):
        if number % 2:
            made.append(await listed.without_row())
        else:
            made.append(listed.new())
            listed.databases.put(made[-1], *completed_rows())
    await listed.visible(*made[1::2])
    assert await listed.ids(limit=limit) == [transfer.transfer_id for transfer in reversed(made)]


async def test_transfers_created_in_the_same_instant_are_told_apart_by_their_id(listed: Listed) -> None:
    moment = datetime.now(UTC)
    made = [request(source=listed.account, created_at=moment) for _ in range(6)]
    for transfer in made[:3]:
        listed.databases.put(transfer, *completed_rows())
    for transfer in made[3:]:
        await listed.without_row(transfer)
    await listed.visible(*made[3:])
    expected = sorted((transfer.transfer_id for transfer in made), reverse=True)
    assert await listed.ids(limit=2) == await listed.ids() == expected


@pytest.mark.parametrize("scanned", [2, 4, 1000])
async def test_running_transfers_are_read_page_by_page_and_no_further_than_needed(
    listed: Listed, monkeypatch: pytest.MonkeyPatch, scanned: int
) -> None:
    monkeypatch.setattr(running_transfers, "PAGE_SIZE", 2)
    monkeypatch.setattr(running_transfers, "MAX_SCANNED", scanned)
    monkeypatch.setattr(running_transfers, "CLOCK_DIFFERENCE", timedelta(0))
    monkeypatch.setattr(running_transfers, "START_DELAY", timedelta(milliseconds=5))
    made = []
    for number in range(8):
        if number == 3:
            made.append(listed.new())
            listed.databases.put(made[-1], *completed_rows())
        else:
            made.append(await listed.without_row())
        await asyncio.sleep(0.02)
    await listed.visible(*made[:3], *made[4:])
    assert await listed.ids(limit=3) == [transfer.transfer_id for transfer in reversed(made)]


async def test_no_transfer_is_lost_or_doubled_while_transfers_finish_between_the_pages(
    listed: Listed, client: Client, activities: Activities
) -> None:
    made = [listed.new() for _ in range(12)]
    held = [activities.hold(transfer, Step.WITHDRAW) for transfer in made]
    async with workers(client, activities):
        handles = [await start(client, transfer) for transfer in made]
        await listed.visible(*made)
        found: list[str] = []
        cursor: dict[str, str | int] = {}
        for let_go in [*held[::2], *held[1::2]]:
            page = await listed.page(limit=1, **cursor)
            found += [view.id for view in page.items]
            cursor = {"cursor": page.next_cursor or ""}
            let_go.set()
        await asyncio.gather(*(handle.result() for handle in handles))
    assert found == [transfer.transfer_id for transfer in reversed(made)]


async def test_a_transfer_that_gets_its_first_row_while_it_is_listed_is_there(
    listed: Listed, client: Client, activities: Activities
) -> None:
    made = [listed.new() for _ in range(10)]
    async with workers(client, activities):
        held = [activities.hold(transfer, Step.WITHDRAW) for transfer in made]
        handles = [await start(client, transfer) for transfer in made]
        await listed.visible(*made)
        for let_go in held:
            let_go.set()
        expected = {transfer.transfer_id for transfer in made}
        while len(listed.databases.accounts.rows.keys() & expected) < len(made):
            assert set(await listed.ids()) == expected
        await asyncio.gather(*(handle.result() for handle in handles))
    assert len(await listed.ids()) == len(made)


async def test_a_second_run_of_a_transfer_does_not_list_it_twice(listed: Listed) -> None:
    old = listed.new(seconds=-100)
    listed.databases.put(old, applied(Step.WITHDRAW, 0))
    again = await listed.without_row(old.model_copy(update={"created_at": datetime.now(UTC)}))
    await listed.visible(again)
    assert await listed.ids() == [old.transfer_id]
    assert await listed.ids(limit=1) == [old.transfer_id]


@pytest.mark.parametrize("status", ["completed", "rejected", "compensated"])
async def test_a_final_status_filters_by_rows_alone(listed: Listed, status: str) -> None:
    rows = {
        "completed": completed_rows(),
        "rejected": [rejected(Step.WITHDRAW, 0, FailureCode.INSUFFICIENT_FUNDS)],
        "compensated": refused_by_ledger_rows(),
    }
    made = {name: [listed.new(), listed.new()] for name in rows}
    for name, transfers in made.items():
        for transfer in transfers:
            listed.databases.put(transfer, *rows[name])
    expected = sorted(made[status], key=lambda transfer: transfer.created_at, reverse=True)
    assert await listed.ids(status=status, limit=1) == [transfer.transfer_id for transfer in expected]


async def test_a_status_that_is_not_final_is_derived_for_each_candidate(
    listed: Listed, client: Client, activities: Activities
) -> None:
    accepted = await listed.without_row()
    running, compensating, parked, completed = (listed.new() for _ in range(4))
    listed.databases.put(completed, *completed_rows())
    forgotten = listed.new()
    listed.databases.put(forgotten, applied(Step.WITHDRAW, 0), tombstone(Step.RECORD, 1))
    held = activities.hold(running, Step.DEPOSIT)
    activities.refusals[compensating.transfer_id, Step.RECORD] = FailureCode.LEDGER_REJECTED
    activities.refusals[parked.transfer_id, Step.RECORD] = FailureCode.LEDGER_REJECTED
    undoing = activities.hold(compensating, Compensation.DEPOSIT)
    activities.fail(parked, Compensation.DEPOSIT, "demo_fault")
    async with workers(client, activities):
        handles = [await start(client, transfer) for transfer in (running, compensating, parked)]
        await until(listed.checker, running, lambda view: view.steps[1].status == "running")
        await until(listed.checker, compensating, lambda view: view.status == "compensating")
        await until(listed.checker, parked, lambda view: view.status == "needs_attention")
        await listed.visible(accepted)
        await listed.undoing(compensating, parked)
        assert await listed.ids(status="accepted") == [accepted.transfer_id]
        assert await listed.ids(status="running") == [running.transfer_id]
        assert await listed.ids(status="compensating", limit=1) == [forgotten.transfer_id, compensating.transfer_id]
        assert await listed.ids(status="needs_attention") == [parked.transfer_id]
        activities.before.clear()
        held.set()
        undoing.set()
        await asyncio.gather(*(handle.result() for handle in handles))


async def test_a_sparse_status_hands_out_a_cursor_after_the_last_one_examined(
    listed: Listed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer_list, "MAX_EXAMINED", 2)
    wanted = listed.new(seconds=-10)
    listed.databases.put(wanted, applied(Step.WITHDRAW, 0), tombstone(Step.RECORD, 1))
    for seconds in range(4):
        listed.databases.put(listed.new(seconds=-seconds), applied(Step.WITHDRAW, 0))
    first = await listed.page(status="compensating", limit=1)
    assert first.items == []
    assert first.next_cursor is not None
    assert await listed.ids(status="compensating", limit=1) == [wanted.transfer_id]


async def test_a_sparse_status_takes_one_round_for_a_short_page(
    listed: Listed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer_list, "PAGE_SECONDS", 30)  # rounds are counted here, however busy the machine is
    monkeypatch.setattr(running_transfers, "SCAN_SECONDS", 30)  # and however many other tests' transfers still run
    wanted = listed.new(seconds=-100)
    listed.databases.put(wanted, applied(Step.WITHDRAW, 0), tombstone(Step.RECORD, 1))
    for seconds in range(50):
        listed.databases.put(listed.new(seconds=-seconds), applied(Step.WITHDRAW, 0))
    page = await listed.page(status="compensating", limit=1)
    assert [view.id for view in page.items] == [wanted.transfer_id]
    assert listed.databases.accounts.called["/transfers"] == 1


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The transfers for which Temporal was asked one by one."""
    asked: list[str] = []
    newest = Runs.newest

    async def newest_and_told(runs: Runs, transfer_id: str) -> Run | None:
        asked.append(transfer_id)
        return await newest(runs, transfer_id)

    monkeypatch.setattr(Runs, "newest", newest_and_told)
    return asked


@pytest.mark.parametrize("status", ["compensating", "needs_attention"])
async def test_what_runs_and_has_not_begun_to_abort_is_not_looked_at(
    listed: Listed, looked_at: list[str], status: str
) -> None:
    with_row, undone_before = await listed.without_row(), await listed.without_row()
    listed.databases.put(with_row, applied(Step.WITHDRAW, 0))
    listed.databases.put(undone_before, applied(Step.WITHDRAW, 0), tombstone(Step.DEPOSIT, 1))
    await listed.visible(with_row, undone_before, await listed.without_row())
    found = await listed.ids(status=status)
    assert found == ([undone_before.transfer_id] if status == "compensating" else [])
    assert looked_at == [undone_before.transfer_id]


async def test_what_has_a_row_is_not_asked_whether_it_is_only_accepted(listed: Listed, looked_at: list[str]) -> None:
    listed.databases.put(listed.new(), applied(Step.WITHDRAW, 0))
    accepted = await listed.without_row()
    await listed.visible(accepted)
    assert await listed.ids(status="accepted") == looked_at == [accepted.transfer_id]


async def test_transfers_without_a_row_are_asked_for_together(listed: Listed) -> None:
    made = [await listed.without_row() for _ in range(5)]
    await listed.visible(*made)
    assert len(await listed.ids()) == 5
    assert listed.databases.accounts.called == {"/transfers": 1, "/transfers/known": 1}
    assert sum(listed.databases.ledger.called.values()) == 0


@pytest.mark.parametrize("query", [{}, {"status": "running"}, {"status": "running", "limit": 4}])
async def test_a_page_that_takes_too_long_ends_before_what_holds_it_up(
    listed: Listed, monkeypatch: pytest.MonkeyPatch, query: dict[str, str | int]
) -> None:
    made = [listed.new(seconds=-seconds) for seconds in range(5)]
    for transfer in made:
        listed.databases.put(transfer, applied(Step.WITHDRAW, 0))
    with monkeypatch.context() as slow:
        slow.setattr(transfer_list, "PAGE_SECONDS", 0.5)
        _hang(slow, made[2])
        first = await listed.page(**query)
    assert [view.id for view in first.items] == [transfer.transfer_id for transfer in made[:2]]
    assert first.next_cursor is not None
    rest = await listed.page(**query, cursor=first.next_cursor)
    assert [view.id for view in rest.items] == [transfer.transfer_id for transfer in made[2:]]


async def test_a_page_for_which_nothing_could_be_looked_at_in_time_is_unavailable(
    listed: Listed, monkeypatch: pytest.MonkeyPatch
) -> None:
    only = listed.new()
    listed.databases.put(only, applied(Step.WITHDRAW, 0))
    monkeypatch.setattr(transfer_list, "PAGE_SECONDS", 0.5)
    _hang(monkeypatch, only)
    answer = await listed.checker.get("/transfers", params={"account": listed.account})
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


def _hang(monkeypatch: pytest.MonkeyPatch, transfer: TransferRequest) -> None:
    newest = Runs.newest

    async def never_for_this_one(runs: Runs, transfer_id: str) -> Run | None:
        if transfer_id == transfer.transfer_id:
            await asyncio.Event().wait()
        return await newest(runs, transfer_id)

    monkeypatch.setattr(Runs, "newest", never_for_this_one)


async def test_a_list_of_many_running_transfers_of_others_is_read_for_a_while_only(
    listed: Listed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running_transfers, "PAGE_SIZE", 2)
    monkeypatch.setattr(running_transfers, "SCAN_SECONDS", 0)
    monkeypatch.setattr(running_transfers, "CLOCK_DIFFERENCE", timedelta(0))
    monkeypatch.setattr(running_transfers, "START_DELAY", timedelta(milliseconds=5))
    mine = await listed.without_row()
    others = []
    for _ in range(4):
        await asyncio.sleep(0.02)
        others.append(await listed.without_row(request(source="somebody-else", created_at=datetime.now(UTC))))
    await listed.visible(mine, *others)
    asked = await RunningTransfers(listed.client, timeout_seconds=5).newest(after=None, account=listed.account, limit=1)
    assert (asked.transfers, asked.horizon is None) == ([], False)
    assert await listed.ids() == [mine.transfer_id]


async def test_a_listed_transfer_is_the_same_as_the_single_one(listed: Listed) -> None:
    transfer = await listed.without_row()
    await listed.visible(transfer)
    assert (await listed.page()).items == [await look(listed.checker, transfer)]
