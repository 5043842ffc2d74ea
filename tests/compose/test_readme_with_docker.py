"""The README's quick start and its journey of killing a worker, run with Docker as they stand in a fresh copy."""

import os
import subprocess
from pathlib import Path
from uuid import uuid4

import pytest
from compose.stack import why_docker_is_missing
from free_port import free_port
from readme_commands import check_journey, fresh_copy, journey, run_journey

pytestmark = [pytest.mark.compose, pytest.mark.timeout(600)]


def test_the_readmes_commands_do_what_it_says_with_docker(tmp_path: Path) -> None:
    if reason := why_docker_is_missing():
        pytest.skip(reason)
    port = free_port()
    environment = os.environ | {
        "COMPOSE_PROJECT_NAME": f"saga-readme-{uuid4().hex[:8]}",
        "GATEWAY_PORT": str(port),
        "TEMPORAL_UI_PORT": str(free_port()),
    }
    clone = fresh_copy(tmp_path / "clone")
    try:
        printed = run_journey(journey(gateway_port=port, docker=True), folder=clone, environment=environment)
    finally:
        down = ["docker", "compose", "down", "--volumes", "--rmi", "local", "--timeout", "5"]
        subprocess.run(down, cwd=clone, env=environment, capture_output=True, check=False)
    check_journey(printed)
