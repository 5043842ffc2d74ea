"""What a deployment of the chaos run changes is another story, and one that runs of the build before can go on in."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from chaos.version_faults import changed_code

ROOT: Final = Path(__file__).parents[2]
REPLAYS: Final = "tests/replay/test_replay.py::test_a_recorded_history_replays"


def replayed(folder: Path) -> subprocess.CompletedProcess[str]:
    """The recorded histories, with the code in this folder."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", REPLAYS],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_runs_of_the_build_before_go_on_in_the_changed_code(tmp_path: Path) -> None:
    answer = replayed(changed_code(tmp_path, 3))
    assert answer.returncode == 0, answer.stdout


@pytest.mark.parametrize(
    ("story", "history"), [("transfer_money.py", "completed"), ("transfer_batch.py", "batch_completed")]
)
def test_without_its_patch_they_could_not(tmp_path: Path, story: str, history: str) -> None:
    folder = changed_code(tmp_path, 2)
    module = folder / "workflow_handler" / story
    code = module.read_text()
    module.write_text(code.replace("if workflow.patched(", "if bool("))
    assert module.read_text() != code
    told = replayed(folder).stdout
    assert f"test_a_recorded_history_replays[{history}]" in told
    assert "NondeterminismError" in told
