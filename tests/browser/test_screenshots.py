"""The program behind `make screenshots`, on the system that runs for these tests."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from PIL import Image
from stack import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("browser")]

PICTURES: Final = {
    "compensated.png": (1920, 1200),
    "compensated-dark.png": (1920, 1200),
    "waiting-for-a-worker.png": (1920, 1200),
    "phone.png": (720, 1560),
}


def take(local_dir: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tests/browser/screenshots.py"), str(folder)]
    environment = os.environ | {"LOCAL_DIR": str(local_dir)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def sizes_in(folder: Path) -> dict[str, tuple[int, int]]:
    sizes = {}
    for path in folder.iterdir():
        with Image.open(path) as picture:
            sizes[path.name] = picture.size
    return sizes


@pytest.mark.usefixtures("all_alive_afterwards")
async def test_each_picture_is_taken_from_what_runs(local_dir: Path, tmp_path: Path) -> None:
    done = await asyncio.to_thread(take, local_dir, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert sizes_in(tmp_path) == PICTURES


async def test_where_nothing_runs_it_says_what_to_start(tmp_path: Path) -> None:
    done = await asyncio.to_thread(take, tmp_path / "nothing", tmp_path)
    assert done.returncode != 0
    assert done.stderr == "error: nothing is running: `make up`, then `make screenshots`\n"
