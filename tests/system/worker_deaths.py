"""Each worker killed by SIGKILL in the middle of a transfer, and what a client sees from then until it goes on.

account-worker and ledger-worker die with a transaction open, the former in the middle of a slow compensation as well;
then workflow-worker, while a step is at work that it would have to go on after.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from system.public_api import Json, PublicApi, new_transfer, step_is
from system.row_locks import account_locked
from system.running_system import RunningSystem

STAYS_DEAD_SECONDS: Final = 2.0
_LOOK_SECONDS: Final = 0.2
_PATIENCE_SECONDS: Final = 30


@dataclass
class Death:
    """Of one worker, as the client of one transfer saw it."""

    worker: str
    accounts: tuple[str, str]
    transfer_id: str
    goes_on: Callable[[Json], bool]
    named_after_seconds: float = 0
    while_dead: list[Json] = field(default_factory=list)
    workers_while_dead: Json = field(default_factory=dict)
    went_on_after_seconds: float = 0


async def kill_the_participants(system: RunningSystem) -> list[Death]:
    api = system.api
    withdrawing, recording, undoing = await asyncio.gather(*(api.open_pair() for _ in range(3)))
    async with (
        account_locked(system.accounts_url, withdrawing[0]) as account,
        account_locked(system.ledger_url, recording[0]) as ledger_account,
    ):
        deaths = [
            await _start(api, "account-worker", withdrawing, step_is("withdraw", "done")),
            await _start(api, "ledger-worker", recording, step_is("record", "done")),
            await _start(api, "account-worker", undoing, _waits_for_nobody, scenario="slow_compensation"),
        ]
        await api.until(deaths[2].transfer_id, step_is("deposit_compensation", "running"))
        await asyncio.gather(account.until_a_transaction_waits(), ledger_account.until_a_transaction_waits())
        await _kill(system, deaths)
        assert await account.transactions_that_wait() == await ledger_account.transactions_that_wait() == 1
    await _revive(system, deaths)
    return deaths


async def kill_the_workflow_worker(system: RunningSystem) -> list[Death]:
    accounts = await system.api.open_pair()
    async with account_locked(system.accounts_url, accounts[0]) as account:
        death = await _start(system.api, "workflow-worker", accounts, lambda t: not step_is("deposit", "pending")(t))
        await account.until_a_transaction_waits()
        await asyncio.gather(_kill(system, [death]), account.release())
    await _revive(system, [death])
    return [death]


async def _start(
    api: PublicApi, worker: str, accounts: tuple[str, str], goes_on: Callable[[Json], bool], **fields: str
) -> Death:
    response = await api.post_transfer(new_transfer(*accounts, **fields))
    return Death(worker, accounts, response.json()["id"], goes_on)


def _waits_for_nobody(transfer: Json) -> bool:
    return transfer["waiting_for"] is None


async def _kill(system: RunningSystem, deaths: Sequence[Death]) -> None:
    killed_at = time.monotonic()
    await asyncio.gather(
        *(system.kill(worker) for worker in {death.worker for death in deaths}),
        *(_until_named(system.api, death, killed_at) for death in deaths),
    )
    await asyncio.gather(*(_watch_while_dead(system.api, death) for death in deaths))


async def _until_named(api: PublicApi, death: Death, killed_at: float) -> None:
    while (await api.transfer(death.transfer_id))["waiting_for"] != death.worker:
        assert time.monotonic() < killed_at + _PATIENCE_SECONDS, f"{death.worker} is not named"
        await asyncio.sleep(_LOOK_SECONDS)
    death.named_after_seconds = time.monotonic() - killed_at


async def _watch_while_dead(api: PublicApi, death: Death) -> None:
    """Here nothing is repeated: each look has to be answered."""
    until = time.monotonic() + STAYS_DEAD_SECONDS
    while time.monotonic() < until:
        response = await api.http.get(f"/transfers/{death.transfer_id}")
        assert response.status_code == 200, response.text
        death.while_dead.append(response.json())
        await asyncio.sleep(_LOOK_SECONDS)
    death.workers_while_dead = await api.get("/workers")


async def _revive(system: RunningSystem, deaths: Sequence[Death]) -> None:
    started_at = time.monotonic()
    await asyncio.gather(
        *(system.start(worker) for worker in {death.worker for death in deaths}),
        *(_until_it_goes_on(system.api, death, started_at) for death in deaths),
    )


async def _until_it_goes_on(api: PublicApi, death: Death, started_at: float) -> None:
    await api.until(death.transfer_id, death.goes_on)
    death.went_on_after_seconds = time.monotonic() - started_at
