"""A participant's database, or Temporal's, that can't write, may not write, or has no connection left."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

import httpx
import psycopg
from account_worker.settings import ApiSettings
from chaos.chaos_system import ChaosSystem
from chaos.database_server import DatabaseServer, waiting_for
from chaos.effect import Effect
from chaos.schedule import ScheduledFault
from chaos.waiting import LOOK_SECONDS, until

_BACK_WITHIN_SECONDS: Final = 60
_FULL_WITHIN_SECONDS: Final = 30
"""Segments of the log that PostgreSQL has in store are used up first."""
_END_SESSIONS: Final = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ANY (%s)"
_NO_SPACE: Final = "No space left|is in recovery mode|is starting up|is not yet accepting|is shutting down"
"""As PostgreSQL says it: the disk is full, or it starts again because of that."""
_READ_ONLY: Final = "in a read-only transaction"
_API_OF: Final = {"accounts": "account-api", "ledger": "ledger-api"}
_POOL: Final = int(ApiSettings.model_fields["database_pool_size"].default)
"""Connections of each API's, and of each worker's; none beyond."""


async def disk_full(system: ChaosSystem, fault: ScheduledFault) -> Effect:
    """Its file system has no space left, until the product has met that. PostgreSQL ends itself when it can't write its
    log, and is started again.

    Over when it answers: with space again it recovers.
    """
    server = system.databases[fault.target]
    if server.disk.problem:
        return Effect(0, server.disk.problem)
    logged = server.logged()
    await asyncio.to_thread(server.disk.fill)
    try:
        await _use_up_the_rest(server, fault.for_seconds)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FULL_WITHIN_SECONDS):
                while not server.refused(_NO_SPACE, since=logged):
                    await _use_up_the_rest(server, LOOK_SECONDS)
    finally:
        await asyncio.to_thread(server.disk.free)
        await until(server.answers, f"{server.name} answers", within_seconds=_BACK_WITHIN_SECONDS)
    refused = server.refused(_NO_SPACE, since=logged)
    return Effect(refused, f"{server.name}: the product's statements and sessions refused, for its disk was full")


async def _use_up_the_rest(server: DatabaseServer, seconds: float) -> None:
    """A new segment of the log needs space that isn't there, and so does a new table."""
    loop = asyncio.get_running_loop()
    until_ = loop.time() + seconds
    while loop.time() < until_:
        with contextlib.suppress(psycopg.Error):
            async with await server.administrator() as connection:
                await connection.execute("SELECT pg_switch_wal()")
                await connection.execute("CREATE TABLE chaos_ballast AS SELECT generate_series(1, 100000)")
                await connection.execute("DROP TABLE chaos_ballast")
        await asyncio.sleep(LOOK_SECONDS)


async def read_only(system: ChaosSystem, fault: ScheduledFault) -> Effect:
    """Every new transaction, and every session is new: what a replica would answer after a bad failover."""
    server = system.databases[fault.target]
    logged = server.logged()
    try:
        await _restart_sessions(server, "ALTER SYSTEM SET default_transaction_read_only = on")
        await asyncio.sleep(fault.for_seconds)
    finally:
        await _persistently(server, "ALTER SYSTEM RESET default_transaction_read_only")
    return Effect(server.refused(_READ_ONLY, since=logged), f"{server.name}: the product's writes refused as read-only")


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
    it, until there is none left for those that come. With little traffic the reads that this needs are its own."""
    server = system.databases[fault.target]
    exhausted: set[str] = set()
    async with await server.administrator() as holder, await server.administrator() as watcher, holder.transaction():
        try:
            await holder.execute("LOCK TABLE transfers IN ACCESS EXCLUSIVE MODE")
        except psycopg.errors.LockNotAvailable:
            return Effect(0, f"{server.name}: its table was always locked")
        async with _many_reads(system.ports[_API_OF[server.name]]):
            for _ in range(int(fault.for_seconds / LOOK_SECONDS)):
                await asyncio.sleep(LOOK_SECONDS)
                waiting = await waiting_for(holder, watcher)
                exhausted |= {name for name, connections in waiting.items() if connections >= _POOL}
    return Effect(len(exhausted), f"{server.name}: pools without a free connection: {', '.join(sorted(exhausted))}")


@contextlib.asynccontextmanager
async def _many_reads(port: int) -> AsyncIterator[None]:
    """As many as the API has connections, and some more."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as http:
        reads = [asyncio.create_task(http.get("/transfers/nobody")) for _ in range(_POOL + 5)]
        try:
            yield
        finally:
            for read in reads:
                read.cancel()
            await asyncio.gather(*reads, return_exceptions=True)
