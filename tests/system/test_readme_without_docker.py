"""The README's quick start and its journey of killing a worker, run as they stand in a fresh copy."""

import os
import subprocess
from pathlib import Path

import pytest
from free_port import free_port
from readme_commands import check_journey, fresh_copy, journey, run_journey

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


def test_the_readmes_commands_do_what_it_says(tmp_path: Path) -> None:
    port = free_port()
    environment = {**os.environ, "GATEWAY_PORT": str(port), "TEMPORAL_UI_PORT": str(free_port())}
    environment.pop("VIRTUAL_ENV", None)
    clone = fresh_copy(tmp_path / "clone")
    try:
        printed = run_journey(journey(gateway_port=port, docker=False), folder=clone, environment=environment)
    finally:
        subprocess.run(["make", "down"], cwd=clone, env=environment, check=False)
    check_journey(printed)
