"""Transactions that PostgreSQL itself ends: deadlocks with a session that locks in the wrong order, and 40001."""

import asyncio
from typing import Any, Final

import psycopg
from chaos.chaos_system import ChaosSystem
from chaos.database_server import DatabaseServer, waiting_for
from chaos.effect import Effect
from chaos.schedule import ScheduledFault
from chaos.waiting import LOOK_SECONDS, until
from psycopg import AsyncConnection

_MEND_SECONDS: Final = 60
_STATISTICS_SECONDS: Final = 1.5
"""A backend tells what it counted at most once a second."""

_BUSIEST: Final = """
    WITH latest AS (SELECT * FROM transfers ORDER BY created_at DESC LIMIT 200),
         used AS (SELECT source_account AS id FROM latest UNION ALL SELECT destination_account FROM latest)
    SELECT id FROM used GROUP BY id ORDER BY count(*) DESC LIMIT 8
"""
_DEADLOCKS: Final = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"

_LATER_LOCKS: Final = {
    "accounts": "SELECT FROM accounts WHERE id = ANY (%s) ORDER BY id DESC FOR UPDATE",
    "ledger": "SELECT FROM ledger_accounts WHERE id = ANY (%s) ORDER BY id DESC FOR UPDATE",
}
"""What a step locks last …"""
_EARLIER_LOCKS: Final = {
    "accounts": "SELECT FROM transfers WHERE final_status IS NULL ORDER BY transfer_id DESC FOR UPDATE",
    "ledger": "SELECT FROM ledger_accounts ORDER BY id DESC FOR UPDATE",
}
"""… and what it has locked before: asked for second here, which closes the circle."""


async def deadlock(system: ChaosSystem, fault: ScheduledFault) -> Effect:
    """Again and again for as long as the fault says. The hostile session is patient, so the worker is the victim."""
    server = system.databases[fault.target]
    async with await server.administrator() as hostile, await server.administrator() as watcher:
        await hostile.execute("SET deadlock_timeout = '60s'")
        before = await _number(watcher, _DEADLOCKS)
        loop = asyncio.get_running_loop()
        end = loop.time() + fault.for_seconds
        while loop.time() < end:
            await _lock_in_reverse(hostile, watcher, server.name)
        await asyncio.sleep(_STATISTICS_SECONDS)
        found = await _number(watcher, _DEADLOCKS) - before
    return Effect(found, f"{server.name}: deadlocks that PostgreSQL has ended (40P01)")


async def _lock_in_reverse(hostile: AsyncConnection[Any], watcher: AsyncConnection[Any], name: str) -> None:
    busiest = sorted(account for [account] in await (await watcher.execute(_BUSIEST)).fetchall())
    if name == "ledger":  # a step locks two accounts there, by their ids: the later one of most pairs
        busiest = busiest[len(busiest) // 2 :]
    try:
        async with hostile.transaction():
            await hostile.execute(_LATER_LOCKS[name].encode(), (busiest,))
            for _ in range(int(2 / LOOK_SECONDS)):
                await asyncio.sleep(LOOK_SECONDS)
                if await waiting_for(hostile, watcher):
                    break
            await hostile.execute(_EARLIER_LOCKS[name].encode())
    except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
        await asyncio.sleep(LOOK_SECONDS)


async def _number(connection: AsyncConnection[Any], query: str, *parameters: object) -> int:
    [number] = await (await connection.execute(query.encode(), parameters)).fetchone() or (0,)
    return int(number)


_CONFLICTS: Final = """
    CREATE SEQUENCE chaos_conflicts;
    CREATE FUNCTION chaos_conflict() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql AS $$
    BEGIN
        IF nextval('chaos_conflicts') % 2 = 1 THEN
            RAISE EXCEPTION 'could not serialize access, says the test' USING ERRCODE = 'serialization_failure';
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER chaos_conflict BEFORE INSERT ON decisions FOR EACH ROW EXECUTE FUNCTION chaos_conflict();
"""
"""A sequence counts what is rolled back too."""
_NO_CONFLICTS: Final = """
    DROP TRIGGER IF EXISTS chaos_conflict ON decisions;
    DROP FUNCTION IF EXISTS chaos_conflict;
    DROP SEQUENCE IF EXISTS chaos_conflicts;
"""


async def serialization_failure(system: ChaosSystem, fault: ScheduledFault) -> Effect:
    """Every second decision row is refused as 40001, the whole transaction with it.

    By a trigger: at READ COMMITTED, where the product works, PostgreSQL finds none by itself.
    """
    server = system.databases[fault.target]
    try:
        async with await server.administrator() as connection:
            await connection.execute(_CONFLICTS.encode())
        await asyncio.sleep(fault.for_seconds)
        async with await server.administrator() as connection:
            raised = await _number(connection, "SELECT (last_value + 1) / 2 FROM chaos_conflicts WHERE is_called")
    finally:
        await until(lambda: _mended(server), f"{server.name} without conflicts", within_seconds=_MEND_SECONDS)
    return Effect(raised, f"{server.name}: serialization failures (40001) in steps")


async def _mended(server: DatabaseServer) -> bool:
    try:
        async with await server.administrator() as connection:
            await connection.execute(_NO_CONFLICTS.encode())
    except psycopg.Error:
        return False
    return True
