"""`make` with a stack of its own, as its user calls it."""

import os
import subprocess
from pathlib import Path

from free_port import free_port
from published_ports import PublishedPorts
from stack import ROOT, Stack


class Make:
    def __init__(self, local_dir: Path) -> None:
        self.ports = PublishedPorts(free_port(), free_port())
        self.stack = Stack(local_dir, ports=self.ports)
        outer = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        self.environment = outer | {
            "LOCAL_DIR": str(local_dir),
            "GATEWAY_PORT": str(self.ports.gateway),
            "TEMPORAL_UI_PORT": str(self.ports.temporal_ui),
        }

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", *arguments], cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False
        )
