"""The system as `docker compose up` runs it, under a project name and on ports of its own."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx
import pytest
from free_port import free_port
from testcontainers.compose import DockerCompose

ROOT: Final = Path(__file__).parents[2]
FILES: Final = {
    "postgres": ["docker-compose.yml"],
    "mysql": ["docker-compose.yml", "deploy/temporal/mysql.yml"],
    "benchmark": ["docker-compose.yml", "tests/benchmark/compose.yml"],
}
Transfer = dict[str, Any]


class Stack:
    def __init__(self, compose: DockerCompose, gateway_url: str) -> None:
        self._compose = compose
        self.gateway_url = gateway_url
        self.http = httpx.Client(base_url=gateway_url, timeout=40)

    def docker_compose(self, *arguments: str) -> str:
        command = [*self._compose.docker_compose_command(), *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
        return done.stdout

    def inspect(self, service: str, field: str) -> str:
        """`field` is a Go template, as `docker inspect` takes it."""
        container = self.docker_compose("ps", "--all", "--quiet", service).strip()
        return subprocess.check_output(["docker", "inspect", "--format", field, container], text=True).strip()

    def state(self, service: str) -> str:
        return self.inspect(service, "{{.State.Status}}")

    def published_ports(self) -> dict[str, list[str]]:
        """Service → the addresses of this machine that it is published on."""
        addresses: dict[str, list[str]] = {}
        for container in self._compose.get_containers(include_all=True):
            for port in container.Publishers or ():
                if port.PublishedPort:
                    addresses.setdefault(str(container.Service), []).append(f"{port.URL}:{port.PublishedPort}")
        return addresses

    def wait_until_ready(self) -> None:
        """Until the gateway and what it needs are ready: cheaper than `up --wait`, which runs the jobs again."""
        deadline = time.monotonic() + 60
        while not self._is_ready():
            if time.monotonic() > deadline:
                pytest.fail("not ready within a minute")
            time.sleep(0.5)

    def _is_ready(self) -> bool:
        try:
            return self.http.get("/readyz").is_success
        except httpx.HTTPError:
            return False

    def post_transfer(
        self, *, wait_seconds: int = 0, scenario: str | None = None, patience_seconds: float = 0
    ) -> Transfer:
        """A 503 is repeated for `patience_seconds` with the same key, as a client would."""
        body = {"source_account": "alice", "destination_account": "bob", "amount": "1.00", "currency": "EUR"}
        headers = {"Idempotency-Key": uuid4().hex, "Prefer": f"wait={wait_seconds}"}
        deadline = time.monotonic() + patience_seconds
        while True:
            response = self.http.post(
                "/transfers", json=body | ({"scenario": scenario} if scenario else {}), headers=headers
            )
            if response.status_code != 503 or time.monotonic() > deadline:
                break
            time.sleep(1)
        assert response.is_success, response.text
        transfer: Transfer = response.json()
        return transfer

    def get(self, path: str) -> dict[str, Any]:
        response = self.http.get(path)
        assert response.is_success, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def transfer_until(
        self, transfer_id: str, condition: Callable[[Transfer], bool], *, within_seconds: float
    ) -> Transfer:
        """The transfer as soon as it fulfils the condition; it is polled, as a client would."""
        deadline = time.monotonic() + within_seconds
        while not condition(transfer := self.get(f"/transfers/{transfer_id}")):
            if time.monotonic() > deadline:
                pytest.fail(f"not within {within_seconds} s: {transfer}")
            time.sleep(0.25)
        return transfer

    def balances(self) -> dict[str, str]:
        return {account["id"]: account["balance"] for account in self.get("/accounts")["items"]}


@contextmanager
def running_stack(variant: str, environment: pytest.MonkeyPatch) -> Iterator[Stack]:
    """Builds the image, starts everything, and removes in the end what it started, image and volumes included."""
    project, gateway_port = f"saga-test-{uuid4().hex[:8]}", free_port()
    environment.setenv("COMPOSE_PROJECT_NAME", project)
    environment.setenv("GATEWAY_PORT", str(gateway_port))
    environment.setenv("TEMPORAL_UI_PORT", str(free_port()))
    # Without an env file, a developer's own .env would be read.
    compose = DockerCompose(ROOT, FILES[variant], build=True, env_file=os.devnull)
    stack = Stack(compose, f"http://127.0.0.1:{gateway_port}")
    try:
        _start(compose, stack)
        yield stack
    finally:
        stack.http.close()
        compose.stop()
        subprocess.run(["docker", "image", "rm", f"{project}-services"], capture_output=True, check=False)


def _start(compose: DockerCompose, stack: Stack) -> None:
    try:
        compose.start()
    except subprocess.CalledProcessError as error:
        logs = stack.docker_compose("logs", "--tail", "15")
        pytest.fail(f"docker compose up --wait: {error.stderr.decode()[-1500:]}\n{logs[-8000:]}")


def why_docker_is_missing() -> str | None:
    """The reason to skip, or None where `docker compose` works and an engine answers."""
    for command in (["docker", "compose", "version"], ["docker", "info"]):
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
        except (FileNotFoundError, subprocess.TimeoutExpired) as error:
            return f"no Docker here: {error}"
        if done.returncode != 0:
            return f"no Docker here: `{' '.join(command)}`: {done.stderr.strip()[:200]}"
    return None
