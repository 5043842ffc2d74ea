"""The runbook's own commands, section by section, extracted to be run as they stand."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from readme_commands import ROOT

_BLOCK: Final = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SECTION: Final = re.compile(r"^## (.*)$", re.MULTILINE)
_SECONDS: Final = 120


def sections() -> dict[str, list[str]]:
    """The blocks of commands by the section's heading; those before the first section by an empty one."""
    first, *rest = _SECTION.split((ROOT / "docs" / "runbook.md").read_text())
    texts = {"": first} | dict(zip(rest[::2], rest[1::2], strict=True))
    return {heading: _BLOCK.findall(text) for heading, text in texts.items()}


@dataclass(frozen=True)
class Runbook:
    """For one running stack. What has been run is noted, so that nothing is left out."""

    gateway_port: int
    local_dir: Path
    run_blocks: set[tuple[str, int]]

    def run(self, section: str, *numbers: int) -> str:
        """What these blocks of a section print, the first one being 0. Fails where the last command of a pipe does."""
        blocks = sections()[section]
        self.run_blocks.update((section, number) for number in numbers)
        setting_up, *_ = sections()[""]
        script = "".join([setting_up, *(blocks[number] for number in numbers)])
        script = script.replace("localhost:8080", f"127.0.0.1:{self.gateway_port}")
        script = re.sub(r"\.local\b", str(self.local_dir), script)
        environment = {**os.environ, "LOCAL_DIR": str(self.local_dir), "GATEWAY_PORT": str(self.gateway_port)}
        done = subprocess.run(
            ["bash", "-eu", "-c", script],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout
