"""Where the product runs, `make up` or `docker compose up`, and the commands that kill and start a process there."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from demo_errors import DemoError
from published_ports import GATEWAY_VARIABLE
from stack import ROOT, Stack

_LOCAL_DIR_VARIABLE = "LOCAL_DIR"
_COMPOSE_SECONDS = 20.0
_COMMAND_SECONDS = 120.0
_START_FIRST = "start it by `make up` or by `docker compose up -d --wait`, then `make demo`"


@dataclass(frozen=True)
class World:
    """`kill` and `start` are what a reader would type in this folder, before the name of a process."""

    name: str
    gateway_port: int
    temporal_ui_port: int
    kill: str
    start: str
    suffix: str = ""

    @property
    def gateway_url(self) -> str:
        return f"http://localhost:{self.gateway_port}"

    @property
    def temporal_ui_url(self) -> str:
        return f"http://localhost:{self.temporal_ui_port}"

    def kill_command(self, process: str) -> str:
        return f"{self.kill}{process}{self.suffix}"

    def start_command(self, process: str) -> str:
        return f"{self.start}{process}{self.suffix}"


def find_world(environment: Mapping[str, str]) -> World:
    """The one on GATEWAY_PORT where that is set, else `make up`'s before Docker's. Raises DemoError without one."""
    asked = environment.get(GATEWAY_VARIABLE)
    others = []
    for look in (_local_world, _compose_world):
        world = look(environment)
        if world is not None and asked in (None, "", str(world.gateway_port)):
            return world
        others += [world] if world else []
    if others:
        there = ", ".join(f"{world.name} on port {world.gateway_port}" for world in others)
        raise DemoError(f"nothing of this folder runs on {GATEWAY_VARIABLE}={asked}, but {there}")
    raise DemoError(f"nothing is running: {_START_FIRST}")


def run_command(line: str) -> None:
    """As its reader would: in this folder, without what the surrounding `make` has set. Its output only counts if it
    fails. A Ctrl-C in the terminal doesn't reach it: half a kill or half a start would be left.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        ["sh", "-c", line],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_COMMAND_SECONDS,
        check=False,
        start_new_session=True,
    )
    if done.returncode != 0:
        raise DemoError(f"`{line}` failed: {(done.stderr or done.stdout).strip()}")


def _local_world(environment: Mapping[str, str]) -> World | None:
    folder = environment.get(_LOCAL_DIR_VARIABLE)
    stack = Stack(Path(folder or ROOT / ".local"))
    if not stack.processes():
        return None
    return World(
        name="`make up`",
        gateway_port=_port(stack.gateway_url),
        temporal_ui_port=_port(stack.temporal_ui_url),
        kill="make kill SERVICE=",
        start="make start SERVICE=",
        suffix=f" {_LOCAL_DIR_VARIABLE}={shlex.quote(folder)}" if folder else "",
    )


def _compose_world(_environment: Mapping[str, str]) -> World | None:
    gateway = _published_port("gateway")
    if gateway is None:
        return None
    return World(
        name="`docker compose up`",
        gateway_port=gateway,
        temporal_ui_port=_published_port("temporal-ui") or 8233,
        kill="docker compose kill ",
        # Without the dependencies: those run, and on MySQL the plain compose file would put others in their place.
        start="docker compose up -d --no-deps ",
    )


def _published_port(service: str) -> int | None:
    """None where the service isn't up, or there is no Docker."""
    if shutil.which("docker") is None:
        return None
    command = ["docker", "compose", "port", service, "8080"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=_COMPOSE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return None
    port = done.stdout.strip().rpartition(":")[2]
    return int(port) if done.returncode == 0 and port.isdecimal() and port != "0" else None


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])
