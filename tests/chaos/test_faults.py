"""Each kind of fault, alone, on a running system under a little traffic: it has its effect, then all is well again."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Final

import pytest
from chaos import topology, version_faults
from chaos.chaos_cli import docker_works
from chaos.chaos_system import ChaosSystem
from chaos.faults import KINDS
from chaos.schedule import FaultKind
from chaos.single_faults import inject, inject_and_heal
from chaos.traffic import Traffic, traffic
from chaos.waiting import until
from money_books import read_books
from money_checks import check_everything_is_final, check_money
from transfer_contract.names import TRANSFER_BATCH, TRANSFER_MONEY

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

K: Final = FaultKind
_CLIENTS_LINK: Final = topology.link(topology.CLIENTS, "gateway")
_DATABASE_LINK: Final = topology.link("account-worker-1", "accounts")
_TEMPORALS_LINK: Final = topology.link(topology.TEMPORAL, topology.TEMPORAL_DATABASE)
FAULTS: Final = (
    (K.PROCESS_KILL, "account-worker-1", 0),
    (K.PROCESS_KILL, "gateway", 0),
    (K.PROCESS_FREEZE, "workflow-worker-2", 4),
    (K.PROCESS_TERMINATE, "ledger-worker-2", 0),
    (K.SERVER_KILL, "accounts", 0),
    (K.SERVER_KILL, "temporal", 0),
    (K.SERVER_FREEZE, "temporal", 3),
    (K.SERVER_RESTART, "ledger", 0),
    (K.SERVER_RESTART, "temporal", 0),
    (K.LINK_CUT, _CLIENTS_LINK, 2),
    (K.LINK_SLOW, _DATABASE_LINK, 3),
    (K.LINK_STALL_REQUESTS, topology.link("gateway", "workflow-handler"), 4),
    (K.LINK_STALL_ANSWERS, topology.link("ledger-worker-1", "temporal"), 4),
    (K.LINK_DROP_ANSWERS, _DATABASE_LINK, 5),
    (K.DISK_FULL, "accounts", 6),
    (K.DATABASE_READ_ONLY, "ledger", 4),
    (K.POOL_STARVATION, "accounts", 5),
    (K.CLOCK_STEP, "account-worker-2", 5),
    (K.DEADLOCK, "accounts", 8),
    (K.DEADLOCK, "ledger", 8),
    (K.SERIALIZATION_FAILURE, "accounts", 5),
    (K.DUPLICATE_DELIVERY, "accounts", 0),
    (K.DUPLICATE_DELIVERY, "ledger", 0),
    (K.WORKFLOW_TERMINATED, "transfers", 20),
    (K.WORKFLOW_RESET, "transfers", 20),
    (K.WORKFLOW_DELETED, "transfers", 20),
    (K.WORKER_DEPLOYMENT, "transfers", 6),
)
OF_TEMPORALS_DATABASE: Final = (
    (K.SERVER_FREEZE, topology.TEMPORAL_DATABASE, 3),
    (K.SERVER_KILL, topology.TEMPORAL_DATABASE, 0),
    (K.LINK_CUT, _TEMPORALS_LINK, 2),
    (K.LINK_DROP_ANSWERS, _TEMPORALS_LINK, 5),
    (K.DISK_FULL, topology.TEMPORAL_DATABASE, 5),
    (K.DATABASE_READ_ONLY, topology.TEMPORAL_DATABASE, 3),
)


@pytest.fixture(scope="module")
async def load(system: ChaosSystem) -> AsyncIterator[Traffic]:
    async with traffic(system) as running:
        yield running


def test_every_kind_is_there() -> None:
    assert {kind for kind, _target, _seconds in FAULTS} == {*KINDS} == {*FaultKind}


@pytest.mark.parametrize(("kind", "target", "seconds"), FAULTS, ids=str)
async def test_a_fault_has_its_effect_and_afterwards_a_transfer_completes(
    system: ChaosSystem, load: Traffic, kind: FaultKind, target: str, seconds: float
) -> None:
    await inject_and_heal(system, load, kind, target, seconds)


@pytest.mark.skipif(not docker_works(), reason="no Docker engine answers: Temporal has no database of its own")
@pytest.mark.parametrize(("kind", "target", "seconds"), OF_TEMPORALS_DATABASE, ids=str)
async def test_a_fault_of_temporals_database_has_its_effect_and_afterwards_a_transfer_completes(
    system: ChaosSystem, load: Traffic, kind: FaultKind, target: str, seconds: float
) -> None:
    await inject_and_heal(system, load, kind, target, seconds)


async def test_while_a_database_can_only_be_read_no_transfer_ends_and_every_later_one_does(
    system: ChaosSystem, load: Traffic
) -> None:
    before = await finals(system)
    injecting = asyncio.create_task(inject(system, K.DATABASE_READ_ONLY, "accounts", 6))
    await asyncio.sleep(3)
    during = await finals(system)
    await asyncio.sleep(2)
    assert await finals(system) == during >= before
    await injecting
    await system.heal()
    await load.until_completed()


async def test_transfers_and_batches_take_the_changed_code_of_the_new_build(system: ChaosSystem, load: Traffic) -> None:
    await inject(system, K.WORKER_DEPLOYMENT, "transfers", 2)
    client = await system.temporal_client()

    async def seen(workflow: str) -> bool:
        change = version_faults.change_of(system.build)
        query = f"WorkflowType = '{workflow}' AND TemporalChangeVersion = '{change}'"
        return (await client.count_workflows(query)).count > 0

    await load.until_completed()
    await load.until_a_batch_is_finished()
    for workflow in (TRANSFER_MONEY, TRANSFER_BATCH):
        await until(partial(seen, workflow), f"a {workflow} with the change's marker", within_seconds=30)


async def test_after_all_of_it_every_transfer_ends_and_the_money_is_right(system: ChaosSystem, load: Traffic) -> None:
    await load.stop()
    await system.heal()

    async def nothing_is_open() -> bool:
        books = await asyncio.to_thread(read_books, system.accounts_url, system.ledger_url)
        return all(transfer.final_status for transfer in books.transfers.values())

    await until(nothing_is_open, "every transfer is final", within_seconds=120)
    check_everything_is_final(await asyncio.to_thread(check_money, system.accounts_url, system.ledger_url))
    assert 0 < load.answers.count(200) < len(load.answers)


async def finals(system: ChaosSystem) -> int:
    async with await system.databases["accounts"].administrator() as connection:
        row = await (
            await connection.execute("SELECT count(*) FROM transfers WHERE final_status IS NOT NULL")
        ).fetchone()
    assert row is not None
    return int(row[0])
