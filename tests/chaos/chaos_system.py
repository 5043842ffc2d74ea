"""The whole system for the tests of its faults: two of each worker, a fault proxy on every link, and what keeps it up.

async with running_chaos_system(folder, docker=False) as system:
    await inject(system, fault)
    await system.heal()
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import httpx
import leftovers
from chaos import topology, worker_versions
from chaos.database_server import DatabaseServer
from chaos.fault_proxy import FaultProxies, fault_proxies
from chaos.service_programs import migration, service
from chaos.strikes import Strikes
from chaos.supervised import Supervised
from chaos.temporal_server import TemporalServer, temporal_database
from free_port import free_port
from temporalio.client import Client

READY_SECONDS: Final = 240.0
_LOOK_SECONDS: Final = 0.3
_INHERITED: Final = ("PATH", "HOME", "LANG", "TMPDIR", "DOCKER_HOST")
"""Of this process's environment: all else could lead the processes elsewhere."""


class ChaosSystem:
    """`processes` by name, as `topology` has them; `databases` too: accounts, ledger and, with Docker, Temporal's."""

    def __init__(self, folder: Path, proxies: FaultProxies, probe: httpx.AsyncClient, *, docker: bool) -> None:
        self.folder = folder.absolute()
        self.logs = self.folder / "logs"
        self.docker = docker
        self.proxies = proxies
        self.temporal = TemporalServer(self.folder)
        self.databases = {name: DatabaseServer(name, self.folder, owners=[name]) for name in topology.DATABASES}
        if docker:
            self.databases[topology.TEMPORAL_DATABASE] = temporal_database(self.folder)
        self.processes: dict[str, Supervised] = {}
        self.ports = {name: free_port() for name in topology.PROCESSES}
        self.build = 1
        """Of workflow-worker: the one that runs."""
        self.deployment = asyncio.Lock()
        self.strikes = Strikes()
        self._probe = probe

    @property
    def gateway_url(self) -> str:
        """Through a proxy, as everything: a client loses answers too."""
        return f"http://127.0.0.1:{self.proxies.ports[topology.link(topology.CLIENTS, 'gateway')]}"

    @property
    def accounts_url(self) -> str:
        """`postgresql://`, past the proxies."""
        return self.databases["accounts"].url("accounts")

    @property
    def ledger_url(self) -> str:
        return self.databases["ledger"].url("ledger")

    @property
    def temporal_address(self) -> str:
        """Past the proxies."""
        return self.temporal.address

    async def temporal_client(self) -> Client:
        return await self.temporal.client()

    def links(self) -> tuple[str, ...]:
        return topology.links(docker=self.docker)

    def server(self, name: str) -> Supervised:
        process = self.temporal.process if name == topology.TEMPORAL else self.databases[name].process
        assert process is not None, f"{name} has not been started"
        return process

    async def heal(self, *, within_seconds: float = READY_SECONDS) -> None:
        """Every process runs, every link passes. Returns when all is ready; raises TimeoutError with what isn't."""
        for process in (*map(self.server, topology.servers(docker=self.docker)), *self.processes.values()):
            process.start()
        await self.proxies.heal()
        deadline = time.monotonic() + within_seconds
        while missing := await self.missing():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not ready after {within_seconds:.0f} s: {missing}")
            await asyncio.sleep(_LOOK_SECONDS)
        await worker_versions.make_current(await self.temporal_client(), str(self.build), within_seconds=within_seconds)

    async def missing(self) -> list[str]:
        """The names of what isn't ready."""
        names = (*self.databases, topology.TEMPORAL, *self.processes)
        answers = await asyncio.gather(*map(self.is_ready, names))
        return [name for name, ready in zip(names, answers, strict=True) if not ready]

    async def is_ready(self, name: str) -> bool:
        if name in self.databases:
            return await self.databases[name].answers()
        if name == topology.TEMPORAL:
            return await self.temporal.answers()
        try:
            return (await self._probe.get(f"http://127.0.0.1:{self.ports[name]}/readyz")).is_success
        except httpx.TransportError:
            return False

    async def start(self) -> None:
        self.logs.mkdir(parents=True, exist_ok=True)
        for name in topology.PROCESSES:
            await self._link(name)
        await self.proxies.add(topology.link(topology.CLIENTS, "gateway"), ("127.0.0.1", self.ports["gateway"]))
        async with asyncio.TaskGroup() as group:
            group.create_task(self._start_temporal())
            for name in topology.DATABASES:
                group.create_task(self._start_database(name))
        for name in topology.PROCESSES:
            self.processes[name] = Supervised(service(self, name), self.logs / f"{name}.log")
            self.processes[name].start()
        await self.heal()

    async def stop(self) -> None:
        await asyncio.gather(*(process.stop() for process in self.processes.values()))
        await self.temporal.stop()
        await asyncio.gather(*(server.stop() for server in self.databases.values()))
        await asyncio.to_thread(leftovers.stop, self.folder)

    def replace(self, name: str, process: Supervised, *, port: int) -> Supervised:
        """Answers the one that had this name."""
        old, self.processes[name], self.ports[name] = self.processes[name], process, port
        return old

    def clock(self, name: str) -> Path:
        """The file that a process of `topology.STEPPED` reads its clock from."""
        return self.folder / "clocks" / name

    def environment(self) -> Mapping[str, str]:
        """Of every process; the mark is what `leftovers` finds it by."""
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        return inherited | {leftovers.MARK: str(self.folder)}

    def proxied(self, asker: str, asked: str) -> int:
        return self.proxies.ports[topology.link(asker, asked)]

    async def _link(self, asker: str) -> None:
        for asked in topology.asked_by(asker):
            await self.proxies.add(topology.link(asker, asked), ("127.0.0.1", self._port(asked)))

    def _port(self, asked: str) -> int:
        if asked == topology.TEMPORAL:
            return self.temporal.port
        return self.databases[asked].port if asked in self.databases else self.ports[asked]

    async def _start_database(self, name: str) -> None:
        await self.databases[name].start(self.environment())
        await migration(self, name)

    async def _start_temporal(self) -> None:
        if not self.docker:
            await self.temporal.start(self.environment())
            return
        database = self.databases[topology.TEMPORAL_DATABASE]
        await database.start(self.environment())
        link = topology.link(topology.TEMPORAL, topology.TEMPORAL_DATABASE)
        port = await self.proxies.add(link, ("127.0.0.1", database.port))
        await self.temporal.start_on(database, self.environment(), port=port)


@asynccontextmanager
async def running_chaos_system(folder: Path, *, docker: bool) -> AsyncIterator[ChaosSystem]:
    """Demo faults on, no accounts. Logs stay in the folder; what runs ends with the block."""
    async with AsyncExitStack() as stack:
        proxies = await stack.enter_async_context(fault_proxies())
        probe = await stack.enter_async_context(httpx.AsyncClient(timeout=3, trust_env=False))
        system = ChaosSystem(folder, proxies, probe, docker=docker)
        stack.push_async_callback(system.stop)
        await system.start()
        yield system
