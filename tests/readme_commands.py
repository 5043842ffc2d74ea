"""The README's own commands, extracted to be run as they stand."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
_BLOCK: Final = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PUBLISHED: Final = "localhost:8080"
_WITH_DOCKER: Final = {
    "make kill SERVICE=": "docker compose kill ",
    "make start SERVICE=": "docker compose up -d ",
}


def journey(*, gateway_port: int, docker: bool) -> str:
    """Start, first transfer, killing a worker: one script for one of the two worlds, on the given port."""
    text = (ROOT / "README.md").read_text()
    journey_text = text[text.index("## Start") : text.index("## How it works")]
    start, *blocks = _BLOCK.findall(journey_text)
    [docker_start] = [block for block in blocks if block.startswith("docker compose")]
    blocks.remove(docker_start)
    script = "".join([docker_start if docker else start, *blocks])
    if docker:
        for without, with_docker in _WITH_DOCKER.items():
            assert f"`{with_docker}account-worker`" in journey_text
            script = script.replace(without, with_docker)
    return script.replace(_PUBLISHED, f"localhost:{gateway_port}")


def fresh_copy(folder: Path) -> Path:
    """What a clone of this working tree would hold."""
    listing = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, text=True)
    for name in filter(None, listing.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def run_journey(script: str, *, folder: Path, environment: dict[str, str]) -> str:
    """What it printed. Fails where any command does."""
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def check_journey(printed: str) -> None:
    """What the README says that a reader sees."""
    assert '"status":"completed"' in printed
    assert '"waiting_for":"account-worker"' in printed
    assert '"status":"compensated"' in printed
    assert '"balanced":true' in printed
