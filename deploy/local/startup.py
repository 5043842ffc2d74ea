"""Brings a stack up: everything that doesn't wait for something else at once, each as soon as what it needs is there.

PostgreSQL → databases → migrations → the processes that use them; Temporal and the others beside that; then demo data.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import databases
import embedded_postgres
from death_watch import DeathWatch
from errors import StackError
from processes import DATABASE_OF, MIGRATION_OF, POSTGRES, SERVICES, TEMPORAL, database_url, url
from readiness import Readiness
from state import DATABASES, State
from supervisor_client import Supervisor
from transfer_contract.names import Process

READY_SECONDS = 120.0
"""Far above what a slow machine needs."""
_LOOK_SECONDS = 0.4
"""Looking costs the time of the processes that are starting, too."""


class Startup:
    def __init__(
        self, local_dir: Path, state: State, programs: Path, *, environment: Mapping[str, str],
        report: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._local_dir = local_dir
        self._state = state
        self._programs = programs
        self._environment = environment
        self._report = report
        self._supervisor = Supervisor(state)
        self._readiness = Readiness(local_dir, state)
        self._death_watch = DeathWatch(local_dir / "logs")

    async def run(self, *, demo_data: bool) -> None:
        """Returns when everything is ready. Raises StackError for the first thing that goes wrong."""
        try:
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(self._watch())
                await self._start_all()
                if demo_data:
                    await self._run_once("demo-data", {"GATEWAY_URL": url(self._state, Process.GATEWAY)})
                    self._report("demo data")
                watch.cancel()
        except ExceptionGroup as several:
            raise _first(several) from several

    async def _start_all(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._start_temporal())
            group.create_task(self._start_databases())
            for name in SERVICES:
                if Process(name) not in DATABASE_OF:
                    group.create_task(self._start(name))
        self._report("the eight processes")

    async def _start_temporal(self) -> None:
        await self._start(TEMPORAL)
        self._report("Temporal")

    async def _start_databases(self) -> None:
        data = self._local_dir / POSTGRES
        await asyncio.to_thread(embedded_postgres.create_cluster, data)
        embedded_postgres.forget_dead_server(data)
        await self._start(POSTGRES)
        self._report("PostgreSQL")
        passwords = {name: self._state.passwords[name] for name in DATABASES}
        await asyncio.to_thread(databases.ensure_databases, self._readiness.admin_url, passwords)
        async with asyncio.TaskGroup() as group:
            for database in DATABASES:
                group.create_task(self._start_users_of(database))

    async def _start_users_of(self, database: str) -> None:
        await self._run_once(MIGRATION_OF[database], {"DATABASE_URL": database_url(self._state, database)})
        self._report(f"schema of {database}")
        async with asyncio.TaskGroup() as group:
            for process, used in DATABASE_OF.items():
                if used == database:
                    group.create_task(self._start(process.value))

    async def _start(self, name: str) -> None:
        await asyncio.to_thread(self._supervisor.start, name)
        deadline = time.monotonic() + READY_SECONDS
        while (missing := await asyncio.to_thread(self._readiness.missing, name)) is not None:
            if time.monotonic() > deadline:
                raise StackError(f"{name} isn't ready after {READY_SECONDS:.0f} s ({missing})", log=self._log(name))
            await asyncio.sleep(_LOOK_SECONDS)

    async def _run_once(self, program: str, variables: Mapping[str, str]) -> None:
        """A program that ends by itself; killed where the start is given up meanwhile."""
        log = self._log(program)
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                self._programs / program, env=dict(self._environment) | dict(variables),
                stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
            try:
                code = await process.wait()
            except asyncio.CancelledError:
                process.kill()
                await process.wait()
                raise
        if code != 0:
            raise StackError(f"{program} failed", log=log)

    async def _watch(self) -> None:
        while True:
            for process in await asyncio.to_thread(self._supervisor.processes):
                self._death_watch.check(process)
            await asyncio.sleep(_LOOK_SECONDS)

    def _log(self, name: str) -> Path:
        return self._local_dir / "logs" / f"{name}.log"


def _first(error: Exception) -> Exception:
    return _first(error.exceptions[0]) if isinstance(error, ExceptionGroup) else error
