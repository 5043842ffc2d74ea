"""The product's demo, each worker in turn: kill it in the middle of a saga, start it again, watch the saga go on."""

import signal

import pytest
from system.figures import Figures
from system.public_api import Json, PublicApi, step, step_is
from system.row_locks import account_locked
from system.running_system import WORKERS, RunningSystem
from system.worker_deaths import Death, kill_the_participants, kill_the_workflow_worker

pytestmark = pytest.mark.system

NAMED_WITHIN_SECONDS = 5.0
PARTICIPANTS = ("account-worker", "ledger-worker")
STEP_IN_TRANSACTION = {"account-worker": "withdraw", "ledger-worker": "record"}


class Deaths:
    def __init__(self, deaths: list[Death]) -> None:
        self._deaths = deaths

    def of(self, worker: str) -> Death:
        """Seen by a transfer that goes on to complete."""
        return next(death for death in self._deaths if death.worker == worker)

    @property
    def while_undoing(self) -> Death:
        return [death for death in self._deaths if death.worker == "account-worker"][1]


@pytest.fixture(scope="module")
async def deaths(system: RunningSystem) -> Deaths:
    return Deaths([*await kill_the_participants(system), *await kill_the_workflow_worker(system)])


@pytest.mark.parametrize("worker", WORKERS)
async def test_a_client_is_told_within_five_seconds_whom_its_transfer_waits_for(
    deaths: Deaths, figures: Figures, worker: str
) -> None:
    death = deaths.of(worker)
    figures.seconds(f"{worker}, SIGKILL until the status names it", death.named_after_seconds)
    figures.seconds(f"{worker}, started again until its transfer goes on", death.went_on_after_seconds)
    assert death.named_after_seconds <= NAMED_WITHIN_SECONDS


@pytest.mark.parametrize("worker", WORKERS)
async def test_the_status_keeps_answering_as_long_as_the_worker_is_dead(deaths: Deaths, worker: str) -> None:
    told = [(transfer["waiting_for"], transfer["status"]) for transfer in deaths.of(worker).while_dead]
    assert set(told) == {(worker, "running")}
    assert len(told) > 3


@pytest.mark.parametrize("worker", WORKERS)
async def test_the_dead_worker_is_missing_from_the_list_of_workers(deaths: Deaths, worker: str) -> None:
    groups = {group["process"]: group for group in deaths.of(worker).workers_while_dead["items"]}
    assert groups[worker]["workers"] == []
    assert groups[worker]["gone_since"] is not None


@pytest.mark.parametrize("worker", WORKERS)
async def test_its_transfer_completes_when_the_worker_is_back(api: PublicApi, deaths: Deaths, worker: str) -> None:
    transfer = await api.final(deaths.of(worker).transfer_id)
    assert (transfer["status"], transfer["waiting_for"]) == ("completed", None)
    attempts = {step["name"]: step["attempts"] for step in transfer["steps"]}
    repeated = {STEP_IN_TRANSACTION[worker]: 2} if worker in PARTICIPANTS else {}
    assert attempts == dict.fromkeys(attempts, 1) | repeated


@pytest.mark.parametrize("worker", PARTICIPANTS)
async def test_a_worker_that_dies_in_its_transaction_moves_the_money_once(
    api: PublicApi, deaths: Deaths, worker: str
) -> None:
    death = deaths.of(worker)
    source, destination = death.accounts
    await api.final(death.transfer_id)
    assert [await api.money(account) for account in death.accounts] == [("99.00", "0.00"), ("1.00", "0.00")]
    for account, amount in ((source, "-1.00"), (destination, "1.00")):
        assert _amounts(await api.all_items(f"/accounts/{account}/entries"), death.transfer_id) == [amount]


async def test_a_worker_that_is_told_to_stop_finishes_the_step_at_hand(system: RunningSystem) -> None:
    """SIGTERM; the process manager starts it again, and the next step is the new one's."""
    api = system.api
    source, destination = await api.open_pair()
    transfer_id = await api.start_transfer(source, destination, scenario="slow")
    await api.until(transfer_id, step_is("withdraw", "running"))
    pid = await system.signal("account-worker", signal.SIGTERM)
    withdrawn = await api.until(transfer_id, step_is("withdraw", "done"))
    assert step(withdrawn, "withdraw")["attempts"] == 1
    await system.until_started_again("account-worker", instead_of=pid)
    on_the_new_one = await api.until(transfer_id, step_is("deposit", "running"))
    assert step(on_the_new_one, "deposit")["attempts"] == 1
    assert (await api.http.post(f"/transfers/{transfer_id}/cancel")).status_code == 202
    transfer = await api.final(transfer_id)
    assert (transfer["status"], transfer["failure"]["code"]) == ("compensated", "cancelled")
    assert await api.money(source) == ("100.00", "0.00")


async def test_a_worker_that_crashes_on_request_comes_back_and_its_step_is_made_anew(system: RunningSystem) -> None:
    """The page's way to kill one: in the middle of a transaction, and the process manager starts it again."""
    api = system.api
    source, destination = await api.open_pair()
    pid = (await system.pids())["ledger-worker"]
    async with account_locked(system.ledger_url, source) as account:
        transfer_id = await api.start_transfer(source, destination)
        await account.until_a_transaction_waits()
        recording = await api.transfer(transfer_id)
        assert (await api.http.post("/workers/ledger-worker/crash")).status_code == 202
        await system.until_started_again("ledger-worker", instead_of=pid)
    transfer = await api.final(transfer_id)
    assert (transfer["status"], step(transfer, "record")["attempts"]) == ("completed", 2)
    made_by = [step(seen, "record")["worker"].rpartition(":")[2] for seen in (recording, transfer)]
    assert made_by == [str(pid), str((await system.pids())["ledger-worker"])]
    groups = {group["process"]: group for group in (await api.get("/workers"))["items"]}
    assert groups["ledger-worker"]["last_gap"]["began_at"] < groups["ledger-worker"]["last_gap"]["ended_at"]
    assert await api.money(source) == ("99.00", "0.00")


async def test_a_compensation_survives_its_worker(api: PublicApi, deaths: Deaths) -> None:
    """Last, because it takes 20 s; the worker that stopped meanwhile had it at hand as well."""
    death = deaths.while_undoing
    assert {(seen["waiting_for"], seen["status"]) for seen in death.while_dead} == {("account-worker", "compensating")}
    transfer = await api.final(death.transfer_id)
    assert (transfer["status"], transfer["failure"]["code"]) == ("compensated", "ledger_rejected")
    assert step(transfer, "deposit_compensation")["attempts"] == 2
    assert step(transfer, "withdraw_compensation")["attempts"] == 1
    assert [await api.money(account) for account in death.accounts] == [("100.00", "0.00"), ("0.00", "0.00")]


def _amounts(entries: list[Json], transfer_id: str) -> list[str]:
    return [entry["amount"] for entry in entries if entry["transfer_id"] == transfer_id]
