"""The newest transfers as they change, over lists and looks written by hand."""

from datetime import UTC, datetime, timedelta

import pytest
from checker_rows import request
from service_runtime.problems import Problem, unavailable
from status_checker.latest_transfers import MAX_EARLIER, NEWEST, SHOWN_AFTER_THE_END, LatestTransfers
from status_checker.live_view import live_view
from status_checker.status import StatusChecker
from status_checker.timeline import Timeline
from status_checker.transfer_list import ListQuery, TransferList
from transfer_contract.http import Page
from transfer_contract.names import Process
from transfer_contract.transfers import TransferStatus, TransferView


class FakeTransfers(TransferList, StatusChecker):
    """All transfers, in the order in which they were made."""

    def __init__(self) -> None:
        self.views: dict[str, TransferView] = {}
        self.looked_at: list[str] = []
        self.is_away = False

    def make(self, count: int = 1, status: TransferStatus = TransferStatus.RUNNING) -> list[str]:
        made = [live_view(request(), [], Timeline()) for _ in range(count)]
        self.views |= {view.id: view.model_copy(update={"status": status}) for view in made}
        return [view.id for view in made]

    def end(self, transfer_id: str, *, ago: timedelta = timedelta()) -> None:
        final = {"status": TransferStatus.COMPLETED, "finished_at": datetime.now(UTC) - ago}
        self.views[transfer_id] = self.views[transfer_id].model_copy(update=final)

    async def page(self, query: ListQuery) -> Page[TransferView]:
        if self.is_away:
            raise unavailable(Process.ACCOUNT_API)
        return Page(items=[*reversed(self.views.values())][: query.limit])

    async def look(self, transfer_id: str) -> TransferView:
        self.looked_at.append(transfer_id)
        if self.is_away:
            raise unavailable("Temporal")
        return self.views[transfer_id]


@pytest.fixture
def transfers() -> FakeTransfers:
    return FakeTransfers()


@pytest.fixture
def latest(transfers: FakeTransfers) -> LatestTransfers:
    return LatestTransfers(transfers, transfers)


async def shown(latest: LatestTransfers) -> list[str]:
    return [view.id for view in (await latest.look()).items]


async def test_the_newest_are_shown_newest_first(latest: LatestTransfers, transfers: FakeTransfers) -> None:
    made = transfers.make(NEWEST + 5)
    assert await shown(latest) == made[: -NEWEST - 1 : -1]
    assert transfers.looked_at == []


async def test_one_that_newer_ones_push_out_stays_until_it_is_final_and_a_little_longer(
    latest: LatestTransfers, transfers: FakeTransfers
) -> None:
    (old,) = transfers.make()
    await latest.look()
    newer = transfers.make(NEWEST)
    assert await shown(latest) == [*reversed(newer), old]
    transfers.end(old)
    view = (await latest.look()).items[-1]
    assert (view.id, view.status) == (old, "completed")
    looked = len(transfers.looked_at)
    assert await shown(latest) == [*reversed(newer), old]
    assert len(transfers.looked_at) == looked


async def test_one_that_has_been_final_for_a_while_goes(latest: LatestTransfers, transfers: FakeTransfers) -> None:
    (old,) = transfers.make()
    await latest.look()
    transfers.make(NEWEST)
    transfers.end(old, ago=2 * SHOWN_AFTER_THE_END)
    assert old in await shown(latest)
    assert old not in await shown(latest)


async def test_what_was_never_shown_does_not_appear_later(latest: LatestTransfers, transfers: FakeTransfers) -> None:
    (hidden, *_) = transfers.make(NEWEST + 1)
    assert hidden not in await shown(latest)


async def test_one_that_cant_be_looked_at_stays_as_it_was(latest: LatestTransfers, transfers: FakeTransfers) -> None:
    (old,) = transfers.make()
    await latest.look()
    transfers.make(NEWEST)
    del transfers.views[old]

    async def look(transfer_id: str) -> TransferView:
        raise unavailable("Temporal")

    transfers.look = look  # type: ignore[method-assign]
    assert (await shown(latest))[-1] == old


async def test_only_so_many_of_those_pushed_out_are_kept(latest: LatestTransfers, transfers: FakeTransfers) -> None:
    for _ in range(5):
        made = transfers.make(NEWEST)
        await latest.look()
    assert await shown(latest) == [*transfers.views][: -NEWEST - MAX_EARLIER - 1 : -1]
    assert made[0] in transfers.views


async def test_a_list_that_cant_be_told_is_a_problem_and_forgets_nothing(
    latest: LatestTransfers, transfers: FakeTransfers
) -> None:
    (old,) = transfers.make()
    await latest.look()
    transfers.is_away = True
    with pytest.raises(Problem):
        await latest.look()
    transfers.is_away = False
    transfers.make(NEWEST)
    assert old in await shown(latest)
