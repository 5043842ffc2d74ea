"""The runbook's own commands, section by section, extracted to be run as they stand."""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from readme_commands import ROOT

_BLOCK: Final = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SECTION: Final = re.compile(r"^## (.*)$", re.MULTILINE)
_SECONDS: Final = 120
SET_UP: Final = 0
SET_UP_WITH_DOCKER: Final = 1
FIRST_LOOK: Final = 2
"""Of the blocks before the first section."""


def sections() -> dict[str, list[str]]:
    """The blocks of commands by the section's heading; those before the first section by an empty one."""
    first, *rest = _SECTION.split((ROOT / "docs" / "runbook.md").read_text())
    texts = {"": first} | dict(zip(rest[::2], rest[1::2], strict=True))
    return {heading: _BLOCK.findall(text) for heading, text in texts.items()}


@dataclass(frozen=True)
class Runbook:
    """For one running stack. What has been run is noted, so that nothing is left out.

    `environment`: how the commands find the stack. `docker`: they are those of `docker compose`.
    """

    gateway_port: int
    environment: Mapping[str, str]
    run_blocks: set[tuple[str, int]] = field(default_factory=set)
    docker: bool = False

    @cached_property
    def _set_up(self) -> str:
        """Done once, as the runbook says: the functions and variables that it leaves behind."""
        commands = self._commands("", SET_UP_WITH_DOCKER if self.docker else SET_UP)
        return self._bash(commands + "declare -f\nexport -p\n")

    def run(self, section: str, *numbers: int) -> str:
        """What these blocks of a section print, the first one being 0. Fails where the last command of a pipe does."""
        return self._bash(self._commands(section, *numbers), before=self._set_up)

    def _commands(self, section: str, *numbers: int) -> str:
        self.run_blocks.update((section, number) for number in numbers)
        blocks = sections()[section]
        commands = "".join(blocks[number] for number in numbers)
        commands = commands.replace("localhost:8080", f"127.0.0.1:{self.gateway_port}")
        return re.sub(r"\.local\b", self.environment.get("LOCAL_DIR", ".local"), commands)

    def _bash(self, commands: str, *, before: str = "") -> str:
        done = subprocess.run(
            ["bash", "-eu", "-c", before + commands],
            cwd=ROOT,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
        return done.stdout
