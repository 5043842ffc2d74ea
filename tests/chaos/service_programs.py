"""How the processes of the product are started for chaos: each has links of its own to all that it asks."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from chaos import clocks, topology
from chaos.database_server import DatabaseServer
from chaos.supervised import Program
from processes import MIGRATION_OF, PROGRAMS

_SETTINGS: Final = {
    "HOST": "127.0.0.1",
    "LOG_FORMAT": "json",
    "PYTHONUNBUFFERED": "1",
    "DEMO_FAULTS": "true",
    "TEMPORAL_NAMESPACE": "default",
    "TEMPORAL_CONFIG_FILE": "/dev/null",
}


class System(Protocol):
    """What a program has to know of the running system."""

    logs: Path
    databases: dict[str, DatabaseServer]
    ports: dict[str, int]
    build: int

    def environment(self) -> Mapping[str, str]: ...

    def clock(self, name: str) -> Path: ...

    def proxied(self, asker: str, asked: str) -> int: ...


def service(system: System, name: str) -> Program:
    kind = topology.kind_of(name)
    variables = {"PORT": str(system.ports[name]), "PGAPPNAME": name}
    for asked in topology.asked_by(name):
        variables |= _reaching(system, asked, port=system.proxied(name, asked))
    if kind == "workflow-worker":
        variables["WORKER_BUILD_ID"] = str(system.build)
    if name in topology.STEPPED:
        variables |= clocks.environment(system.clock(name))
    return Program(name, [str(PROGRAMS / kind)], {**system.environment(), **_SETTINGS, **variables})


def with_variables(program: Program, variables: Mapping[str, str]) -> Program:
    return replace(program, environment={**program.environment, **variables})


async def migration(system: System, database: str) -> None:
    """Past the proxies. Returns when the schema is the newest."""
    variables = _reaching(system, database, port=system.databases[database].port)
    with (system.logs / f"{MIGRATION_OF[database]}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            PROGRAMS / MIGRATION_OF[database], env={**system.environment(), **_SETTINGS, **variables},
            stdout=log, stderr=log,
        )  # fmt: skip
        code = await process.wait()
    assert code == 0, f"{MIGRATION_OF[database]} failed: see {log.name}"


def _reaching(system: System, asked: str, *, port: int) -> dict[str, str]:
    if asked == topology.TEMPORAL:
        return {"TEMPORAL_ADDRESS": f"127.0.0.1:{port}"}
    if asked in system.databases:
        url = system.databases[asked].url(asked, port=port)
        return {"DATABASE_URL": url.replace("postgresql://", "postgresql+psycopg://")}
    return {f"{asked.upper().replace('-', '_')}_URL": f"http://127.0.0.1:{port}"}
