"""The Temporal server of the system under chaos: embedded, or from its image on a PostgreSQL of its own."""

import asyncio
import subprocess
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import uuid4

import embedded_temporal
from chaos import topology
from chaos.database_server import ContainerDatabaseServer, DatabaseServer
from chaos.supervised import Program, Supervised
from chaos.waiting import until
from free_port import free_port
from stack import ROOT
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError

_DEPLOYMENT: Final = ROOT / "deploy" / "temporal"
_SERVER_IMAGE: Final = "temporalio/server:1.32.1"
_TOOLS_IMAGE: Final = "temporalio/admin-tools:1.32.1"
_STORES: Final = ("temporal", "temporal_visibility")
_PORTS: Final = tuple(
    f"{role}_{port}_PORT" for role in ("FRONTEND", "HISTORY", "MATCHING", "WORKER") for port in ("GRPC", "MEMBERSHIP")
)
_START_SECONDS: Final = 60
_SHORT: Final = timedelta(seconds=2)


class TemporalServer:
    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.process: Supervised | None = None
        self._folder = folder

    async def start(self, environment: Mapping[str, str]) -> None:
        """Its state in a file. Returns when it answers."""
        command = embedded_temporal.server_command(self._folder / "temporal.db", port=self.port, ui_port=None)
        await self._run(Program(topology.TEMPORAL, command, environment))

    async def start_on(self, database: DatabaseServer, environment: Mapping[str, str], *, port: int) -> None:
        """In a container, its state in this server's databases, which it reaches by `port`."""
        await asyncio.to_thread(_migrate, database)
        await self._run(_container(self.port, database, environment, port=port))
        await asyncio.to_thread(_in_tools, {"TEMPORAL_ADDRESS": self.address}, "namespace.sh")

    async def stop(self) -> None:
        if self.process is not None:
            await self.process.stop()

    async def client(self) -> Client:
        """Past the proxies. Raises ConnectionError where it doesn't answer."""
        try:
            return await Client.connect(self.address, data_converter=pydantic_data_converter)
        except RuntimeError as error:
            raise ConnectionError(f"Temporal: {error}") from error

    async def answers(self) -> bool:
        try:
            client = await Client.connect(self.address, lazy=True, connect_timeout=_SHORT)
            return await client.service_client.check_health(timeout=_SHORT)
        except (RPCError, RuntimeError):
            return False

    async def _run(self, program: Program) -> None:
        self.process = Supervised(program, self._folder / "logs" / "temporal.log")
        self.process.start()
        await until(self.answers, "Temporal answers", within_seconds=_START_SECONDS)


def _container(own_port: int, database: DatabaseServer, environment: Mapping[str, str], *, port: int) -> Program:
    """On the host's network, so that it reaches the proxies on loopback and listens nowhere else."""
    name = f"chaos-temporal-{uuid4().hex[:12]}"
    taken = {own_port, port}
    settings = {"FRONTEND_GRPC_PORT": str(own_port)}
    for variable in (variable for variable in (*_PORTS, "FRONTEND_HTTP_PORT") if variable not in settings):
        taken.add(chosen := free_port(besides=taken))
        settings[variable] = str(chosen)
    settings |= {
        "DB": "postgres12", "DB_PORT": str(port), "VISIBILITY_DB_PORT": str(port), "POSTGRES_SEEDS": "127.0.0.1",
        "POSTGRES_USER": _STORES[0], "POSTGRES_PWD": database.passwords[_STORES[0]],
        "VISIBILITY_POSTGRES_USER": _STORES[1], "VISIBILITY_POSTGRES_PWD": database.passwords[_STORES[1]],
        "BIND_ON_IP": "127.0.0.1", "TEMPORAL_BROADCAST_ADDRESS": "127.0.0.1",
        "DYNAMIC_CONFIG_FILE_PATH": "/temporal/dynamic-config.yaml", "LOG_LEVEL": "warn",
    }  # fmt: skip
    command = ["docker", "run", "--rm", "--name", name, *_with(settings), _SERVER_IMAGE]
    return Program(topology.TEMPORAL, command, environment, container=name)


def _migrate(database: DatabaseServer) -> None:
    settings = {
        "SQL_PLUGIN": "postgres12", "SQL_SCHEMA": "postgresql/v12",
        "SQL_HOST": "127.0.0.1", "SQL_PORT": str(database.port),
        "TEMPORAL_DB_PASSWORD": database.passwords[_STORES[0]],
        "TEMPORAL_VISIBILITY_DB_PASSWORD": database.passwords[_STORES[1]],
    }  # fmt: skip
    _in_tools(settings, "schema.sh")


def _in_tools(settings: Mapping[str, str], script: str) -> None:
    command = ["docker", "run", "--rm", *_with(settings), _TOOLS_IMAGE, "sh", f"/temporal/{script}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, f"{script}: {done.stdout[-1000:]}{done.stderr[-1000:]}"


def _with(settings: Mapping[str, str]) -> Sequence[str]:
    variables = [word for name, value in settings.items() for word in ("--env", f"{name}={value}")]
    return ["--network", "host", "--volume", f"{_DEPLOYMENT}:/temporal:ro", *variables]


def temporal_database(folder: Path) -> DatabaseServer:
    return ContainerDatabaseServer(topology.TEMPORAL_DATABASE, folder, owners=_STORES)
