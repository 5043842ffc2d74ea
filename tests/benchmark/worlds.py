"""A world that a benchmark runs on, and the first one: the product without Docker, the floor's workers beside it."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import embedded_temporal
from benchmark import lanes
from benchmark.keep_alive_client import KeepAliveClient
from benchmark.lanes import Pairs
from benchmark.load import Transfer
from benchmark.process_cpu import BESIDE_THE_PRODUCT, Pids
from free_port import free_port
from published_ports import PublishedPorts
from real_servers import running
from stack import ROOT, Stack
from system.public_api import PublicApi
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from transfer_contract.names import TaskQueue

LANES: Final = ("floor", "saga", "post", "sample", "kept sample")
"""All there are. The samples have the development server with its defaults: they are measured beside that one only."""

PAIRS: Final = 50
_OPENED_AT_ONCE: Final = 5
_START_SECONDS: Final = 60


@dataclass(frozen=True)
class World:
    name: str
    lanes: Mapping[str, Transfer]
    pids: Pids
    gateway: KeepAliveClient
    pairs: Pairs


@dataclass(frozen=True)
class EmbeddedWorld(World):
    """What can be done only where the product's parts are at hand: `--growth`."""

    client: Client
    stack: Stack

    @property
    def product(self) -> Pids:
        return {name: pid for name, pid in self.pids.items() if not name.startswith(BESIDE_THE_PRODUCT)}

    def database_url(self, name: str) -> str:
        """Of `accounts` or `ledger`, as the administrator (`postgresql://…`)."""
        return f"{self.stack.postgres_admin_url.rpartition('/')[0]}/{name}"


class NotHere(Exception):  # noqa: N818 - nothing is wrong: a machine has a world or it hasn't
    """Why a world can't be measured on this machine, in one line."""


@asynccontextmanager
async def embedded_world(folder: Path) -> AsyncIterator[EmbeddedWorld]:
    """Starts everything and ends it; `folder` keeps data and logs."""
    stack = Stack(folder / "product", ports=PublishedPorts(free_port(), free_port()))
    await asyncio.to_thread(stack.up, demo_data=False, demo_faults=False)
    try:
        with _floor(stack.temporal_address, folder) as floor_pids:
            async with (
                _sample(folder, "sample") as (sample, sample_pids),
                _sample(folder, "kept sample", "--db-filename", str(folder / "sample.db")) as (kept, kept_pids),
                gateway_client(stack.gateway_url) as gateway,
            ):
                pairs = await open_accounts(stack.gateway_url)
                client = await transfers_client(stack.temporal_address)
                yield EmbeddedWorld(
                    "embedded",
                    lanes={
                        **product_lanes(client, gateway, pairs),
                        "sample": lanes.sample(sample),
                        "kept sample": lanes.sample(kept),
                    },
                    pids=_product(stack) | floor_pids | sample_pids | kept_pids | {"benchmark itself": os.getpid()},
                    gateway=gateway,
                    pairs=pairs,
                    client=client,
                    stack=stack,
                )
    finally:
        await asyncio.to_thread(stack.down)


async def transfers_client(temporal_address: str) -> Client:
    return await Client.connect(temporal_address, data_converter=pydantic_data_converter)


def product_lanes(client: Client, gateway: KeepAliveClient, pairs: Pairs) -> dict[str, Transfer]:
    """Those that every world has."""
    return {"floor": lanes.floor(client), "saga": lanes.saga(client, pairs), "post": lanes.post(gateway, pairs)}


def _product(stack: Stack) -> dict[str, int]:
    return {process.name: process.pid for process in stack.processes() if process.pid is not None}


@contextmanager
def _floor(temporal_address: str, folder: Path) -> Iterator[dict[str, int]]:
    with ExitStack() as workers:
        yield {
            f"floor {queue}": workers.enter_context(
                _module(
                    "benchmark.floor",
                    queue,
                    folder / f"floor-{queue}.log",
                    {"TEMPORAL_ADDRESS": temporal_address, "PORT": str(free_port())},
                )
            ).pid
            for queue in TaskQueue
        }


@asynccontextmanager
async def _sample(folder: Path, name: str, *options: str) -> AsyncIterator[tuple[Client, dict[str, int]]]:
    """All of the server's defaults but the options; its ports are others, for those may be taken."""
    address = f"localhost:{free_port()}"
    ports = ["--port", address.rpartition(":")[2], "--ui-port", str(free_port())]
    command = [embedded_temporal.binary(), "server", "start-dev", *ports, *options]
    with running(command, folder / f"{name}-server.log") as server:
        client = await _connected(address)
        with _module("benchmark.sample", address, folder / f"{name}-worker.log", {}) as worker:
            yield client, {f"{name} temporal": server.pid, f"{name} worker": worker.pid}


@contextmanager
def _module(name: str, argument: str, log: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    path = os.pathsep.join(str(ROOT / folder) for folder in ("tests", "deploy/local"))
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", name, argument],
            env=os.environ | {"PYTHONPATH": path, "TEMPORAL_CONFIG_FILE": "/dev/null"} | environment,
            stdout=output,
            stderr=output,
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=30)


async def _connected(address: str) -> Client:
    async with asyncio.timeout(_START_SECONDS):
        while True:
            try:
                return await Client.connect(address)
            except RuntimeError:
                await asyncio.sleep(0.2)


async def open_accounts(gateway_url: str) -> Pairs:
    """Sources with a million each, destinations without anything."""
    pairs = [(f"source-{number:03}", f"destination-{number:03}") for number in range(PAIRS)]
    at_once = asyncio.Semaphore(_OPENED_AT_ONCE)

    async def open_both(source: str, destination: str) -> None:
        async with at_once:
            await api.open_account("1000000.00", account_id=source)
            await api.open_account(account_id=destination)

    async with PublicApi(gateway_url) as api:
        await asyncio.gather(*(open_both(*pair) for pair in pairs))
    return pairs


@asynccontextmanager
async def gateway_client(url: str) -> AsyncIterator[KeepAliveClient]:
    address = urlsplit(url)
    async with KeepAliveClient(address.hostname or "", address.port or 80) as client:
        yield client
