"""Holds an account under lock in a participant's database: a worker stands still in the middle of its transaction."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from psycopg import AsyncConnection, sql

_LONGEST_SECONDS: Final = 20
_LOOK_SECONDS: Final = 0.05
_WAITING: Final = "SELECT count(*) FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))"


class RowLock:
    def __init__(self, holder: AsyncConnection, watcher: AsyncConnection) -> None:
        self._holder = holder
        self._watcher = watcher

    async def transactions_that_wait(self) -> int:
        """As the server sees them: whether the process on the other side still lives doesn't matter."""
        cursor = await self._watcher.execute(_WAITING, (self._holder.info.backend_pid,))
        [count] = await cursor.fetchone() or (0,)
        return int(count)

    async def until_a_transaction_waits(self) -> None:
        deadline = time.monotonic() + _LONGEST_SECONDS
        while await self.transactions_that_wait() == 0:
            assert time.monotonic() < deadline, "nobody asks for the locked row"
            await asyncio.sleep(_LOOK_SECONDS)

    async def release(self) -> None:
        await self._holder.rollback()


@asynccontextmanager
async def account_locked(database_url: str, account_id: str) -> AsyncIterator[RowLock]:
    """In either participant's database, at the place where its step locks the account."""
    table = "ledger_accounts" if database_url.endswith("/ledger") else "accounts"
    query = sql.SQL("SELECT FROM {} WHERE id = %s FOR UPDATE").format(sql.Identifier(table))
    async with (
        await AsyncConnection.connect(database_url) as holder,
        await AsyncConnection.connect(database_url, autocommit=True) as watcher,
    ):
        cursor = await holder.execute(query, (account_id,))
        assert cursor.rowcount == 1, f"{account_id} is not in {table}"
        yield RowLock(holder, watcher)
        await holder.rollback()
