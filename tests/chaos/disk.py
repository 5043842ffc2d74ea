"""A small file system of its own for a server's data, so that its disk can be full, for real, and nobody else's."""

import contextlib
import os
import subprocess
from pathlib import Path
from typing import Final

_MEGABYTES: Final = 8192
"""A limit, not a reservation: tmpfs takes the memory of what is written."""

_SPARE_BYTES: Final = 2**20


class Disk:
    """In memory: what is written survives the death of any process, not of the machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problem = ""
        """Why it is no file system of its own."""

    def mount(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() != 0:
            self.problem = "only root may mount a file system"
            return
        size = f"size={_MEGABYTES}m,mode=0755"
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", size, "transfer-saga-chaos", str(self.folder)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            self.problem = f"no file system can be mounted here: {done.stderr.strip()}"

    def unmount(self) -> None:
        if self.folder.is_mount():
            subprocess.run(["umount", "--lazy", str(self.folder)], check=True)

    def fill(self) -> None:
        """From now on it is as large as what is on it, but for a megabyte that may be written meanwhile.

        Where more was written it is looked at once more: no file system gets smaller than what is on it.
        """
        for spare_bytes in (_SPARE_BYTES * 2**doubled for doubled in range(6)):
            found = os.statvfs(self.folder)
            used = (found.f_blocks - found.f_bfree) * found.f_frsize
            with contextlib.suppress(subprocess.CalledProcessError):
                self._resize(str(used + spare_bytes))
                return
        raise TimeoutError(f"{self.folder} fills faster than it can be made smaller")

    def free(self) -> None:
        self._resize(f"{_MEGABYTES}m")

    def _resize(self, size: str) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", str(self.folder)], check=True, capture_output=True)
