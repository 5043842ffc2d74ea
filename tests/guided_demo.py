"""`make demo` as a newcomer runs it, and what must have been seen of it."""

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
_COMMAND: Final = re.compile(r"^  (?:curl|make|docker) .*(?:\n {4,}.*)*", re.MULTILINE)
_BODY: Final = re.compile(r"-d '(.*)'$", re.DOTALL)
_SCENARIOS: Final = [None, "ledger_rejects", "slow_compensation", "slow", "compensation_fails"]


def run_demo(environment: Mapping[str, str], *, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = ["make", "demo", "DEMO_ARGS=--no-pause"]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def check_demo(done: subprocess.CompletedProcess[str], *, gateway_port: str, kill: str, start: str) -> None:
    """All five chapters, each with its real commands and its links, readable on a plain narrow terminal."""
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\x1b" not in done.stdout
    commands = _COMMAND.findall(done.stdout)
    bodies = [json.loads(body) for command in commands for body in _BODY.findall(command)]
    assert [body.get("scenario") for body in bodies] == _SCENARIOS
    assert all(f"http://localhost:{gateway_port}/" in command for command in commands if "curl" in command)
    told = [" ".join(command.split()) for command in commands]
    ours = ("/cancel", "/retry", kill, start, "/reconciliation")
    assert [sum(ending in command for command in told) for ending in ours] == [1, 1, 1, 1, 5]
    assert len(re.findall(rf"http://localhost:{gateway_port}/#transfer=\S+", done.stdout)) == 5
    assert len(re.findall(r"http://localhost:\d+/namespaces/default/workflows/transfer-\S+", done.stdout)) == 5
    prose = [line for line in done.stdout.splitlines() if "http://" not in line and "LOCAL_DIR=" not in line]
    assert max(map(len, prose)) <= 80, max(prose, key=len)
