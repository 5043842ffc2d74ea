"""The second world: the product as `docker compose` brings it up, with Temporal on PostgreSQL, the floor beside it."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
from benchmark.worlds import NotHere, World, gateway_client, open_accounts, product_lanes, transfers_client
from compose.stack import Stack, running_stack, why_docker_is_missing
from free_port import free_port
from transfer_contract.names import Process, TaskQueue

_SERVERS: Final = ("postgres", "temporal")


@asynccontextmanager
async def compose_world(_folder: Path) -> AsyncIterator[World]:
    """Builds and starts everything, and removes it in the end, volumes included. Raises NotHere."""
    if reason := why_docker_is_missing():
        raise NotHere(reason)
    port = free_port()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TEMPORAL_PORT", str(port))
        with running_stack("benchmark", environment) as stack:
            pids = _pids(stack)
            async with gateway_client(stack.gateway_url) as gateway:
                pairs = await open_accounts(stack.gateway_url)
                client = await transfers_client(f"127.0.0.1:{port}")
                yield World(
                    "compose",
                    lanes=product_lanes(client, gateway, pairs),
                    pids=pids | {"benchmark itself": os.getpid()},
                    gateway=gateway,
                    pairs=pairs,
                )


def _pids(stack: Stack) -> dict[str, int]:
    """Of each container its first process, with all of its children: what is measured in the other world, too."""
    floor = {f"floor {queue}": f"floor-{queue}" for queue in TaskQueue}
    services = {name: name for name in (*_SERVERS, *Process)} | floor
    return {name: _first_process(stack, service) for name, service in services.items()}


def _first_process(stack: Stack, service: str) -> int:
    container, pid = stack.inspect(service, "{{.Id}} {{.State.Pid}}").split()
    if not is_in_container(int(pid), container):
        raise NotHere("the engine runs on another machine: its containers' processor time can't be read here")
    return int(pid)


def is_in_container(pid: int, container: str) -> bool:
    """By the kernel's word: an engine in a machine of its own tells numbers of processes that mean others here."""
    try:
        return container in Path(f"/proc/{pid}/cgroup").read_text()
    except FileNotFoundError:
        return False
