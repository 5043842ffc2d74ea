"""A participant's database, or Temporal's, that can't write, may not write, or has no connection left."""

import asyncio
from typing import Final

import psycopg
from chaos.chaos_system import ChaosSystem
from chaos.database_server import DatabaseServer
from chaos.effect import Effect
from chaos.schedule import ScheduledFault
from chaos.waiting import LOOK_SECONDS, until

_BACK_WITHIN_SECONDS: Final = 60
_END_SESSIONS: Final = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ANY (%s)"
_WAITING: Final = "SELECT count(*) FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))"


async def disk_full(system: ChaosSystem, fault: ScheduledFault) -> Effect:
    """Its file system has no space left. PostgreSQL ends itself when it can't write its log, and is started again.

    Over when it answers: with space again it recovers.
    """
    server = system.databases[fault.target]
    if server.disk.problem:
        return Effect(0, server.disk.problem)
    await asyncio.to_thread(server.disk.fill)
    try:
        refused = await _write_until_refused(server, fault.for_seconds)
    finally:
        await asyncio.to_thread(server.disk.free)
        await until(server.answers, f"{server.name} answers", within_seconds=_BACK_WITHIN_SECONDS)
    return Effect(refused, f"{server.name}: writes refused or cut off, its disk was full")


async def _write_until_refused(server: DatabaseServer, seconds: float) -> int:
    """A new segment of the log needs space that isn't there. Answers how many of its writes failed."""
    loop = asyncio.get_running_loop()
    until_ = loop.time() + seconds
    refused = 0
    while loop.time() < until_:
        try:
            async with await server.administrator() as connection:
                await connection.execute("SELECT pg_switch_wal()")
                await connection.execute("CREATE TABLE chaos_ballast AS SELECT generate_series(1, 100000)")
                await connection.execute("DROP TABLE chaos_ballast")
        except psycopg.Error:
            refused += 1
        await asyncio.sleep(LOOK_SECONDS)
    return refused


async def read_only(system: ChaosSystem, fault: ScheduledFault) -> Effect:
    """Every new transaction, and every session is new: what a replica would answer after a bad failover."""
    server = system.databases[fault.target]
    try:
        ended = await _restart_sessions(server, "ALTER SYSTEM SET default_transaction_read_only = on")
        await asyncio.sleep(fault.for_seconds)
    finally:
        await _persistently(server, "ALTER SYSTEM RESET default_transaction_read_only")
    return Effect(ended, f"{server.name}: sessions that could only read afterwards")


async def _restart_sessions(server: DatabaseServer, setting: str) -> int:
    async with await server.administrator() as connection:
        await connection.execute(setting.encode())
        await connection.execute("SELECT pg_reload_conf()")
        await asyncio.sleep(LOOK_SECONDS)  # until every process of the server has read it
        return (await connection.execute(_END_SESSIONS, ([*server.passwords],))).rowcount


async def _persistently(server: DatabaseServer, setting: str) -> None:
    async def done() -> bool:
        try:
            await _restart_sessions(server, setting)
        except psycopg.Error:
            return False
        return True

    await until(done, f"{server.name}: {setting}", within_seconds=_BACK_WITHIN_SECONDS)


async def pool_starvation(system: ChaosSystem, fault: ScheduledFault) -> Effect:
    """Somebody locks the table that each request needs: request after request takes a connection of the pool and keeps
    it, until there is none left for those that come."""
    server = system.databases[fault.target]
    waiting = 0
    async with await server.administrator() as holder, await server.administrator() as watcher, holder.transaction():
        try:
            await holder.execute("LOCK TABLE transfers IN ACCESS EXCLUSIVE MODE")
        except psycopg.errors.LockNotAvailable:
            return Effect(0, f"{server.name}: its table was always locked")
        for _ in range(int(fault.for_seconds / LOOK_SECONDS)):
            await asyncio.sleep(LOOK_SECONDS)
            [now] = await (await watcher.execute(_WAITING, (holder.info.backend_pid,))).fetchone() or (0,)
            waiting = max(waiting, int(now))
    return Effect(waiting, f"{server.name}: connections held at once by requests that waited for a lock")
