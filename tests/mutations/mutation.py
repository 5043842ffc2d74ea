"""A planted bug: what it is, what must catch it, and a copy of the source that has it."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mutations.suite_report import PATH, SuiteReport
from mutations.suites import SUITES

ROOT: Final = Path(__file__).parents[2]
PATCHES: Final = sorted((Path(__file__).parent / "patches").glob("*.patch"))
TEST_TIMEOUT_SECONDS: Final = 100
RUN_TIMEOUT_SECONDS: Final = 900
"""A run that takes longer is a failure of this proof, not a bug that was caught."""

_COPIED: Final = ("services", "libs", "tests", "deploy/local", "deploy/demo", "conftest.py", "pyproject.toml")
_LEFT_OUT: Final = shutil.ignore_patterns("__pycache__", "static", "patches", "*.egg-info")
_CAUGHT_BY: Final = "Caught-by: "


@dataclass(frozen=True)
class Mutation:
    """`suites`, each of which must catch it; `files` that the patch changes, relative to the root."""

    name: str
    description: str
    suites: tuple[str, ...]
    files: tuple[str, ...]
    patch: Path

    @classmethod
    def read(cls, patch: Path) -> "Mutation":
        lines = patch.read_text().splitlines()
        [suites] = [line.removeprefix(_CAUGHT_BY) for line in lines if line.startswith(_CAUGHT_BY)]
        return cls(
            name=patch.stem,
            description=lines[0],
            suites=tuple(suites.split(", ")),
            files=tuple(line.removeprefix("+++ b/") for line in lines if line.startswith("+++ b/")),
            patch=patch,
        )


def copy_source(folder: Path, *, only: Iterable[str] = _COPIED) -> Path:
    copy = folder / "source"
    for name in only:
        source, target = ROOT / name, copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=_LEFT_OUT)
        else:
            shutil.copy(source, target)
    return copy


def apply_patch(copy: Path, mutation: Mutation) -> None:
    """Raises AssertionError where the code has moved on."""
    outside = {**os.environ, "GIT_CEILING_DIRECTORIES": str(copy.parent)}  # or git skips what its repository hasn't
    done = subprocess.run(
        ["git", "apply", str(mutation.patch)], cwd=copy, env=outside, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{mutation.name} doesn't apply any more, update the patch:\n{done.stderr}"
    unchanged = [file for file in mutation.files if (copy / file).read_bytes() == (ROOT / file).read_bytes()]
    assert not unchanged, f"{mutation.name} changes nothing in {unchanged}, update the patch"


def run_suites(copy: Path, names: Iterable[str]) -> SuiteReport:
    """On the code of this copy. Raises AssertionError where the run itself went wrong."""
    tests = [test for name in names for test in SUITES[name]]
    report, log = copy.parent / "report.json", copy.parent / "log"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "mutations.suite_report",
        "-p",
        "no:cacheprovider",
        "-m",
        "not nightly",
        "--durations=12",
    ]
    command += ["-p", "no:unraisableexception"]  # what a test that failed has left behind is not the next one's failure
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "-o", f"timeout={TEST_TIMEOUT_SECONDS}", *tests],
            cwd=copy,
            env=_environment(copy, report),
            stdout=output,
            stderr=output,
        )
        try:
            process.wait(RUN_TIMEOUT_SECONDS)
        finally:
            _stop(process)
    told = log.read_text()[-3000:]
    assert report.exists(), told
    answer = SuiteReport.model_validate_json(report.read_text())
    assert not answer.not_collected, answer.not_collected
    elsewhere = [file for file in answer.files if not Path(file).is_relative_to(copy)]
    assert not elsewhere, f"other code than the copy's has run: {elsewhere}"
    return answer


def _environment(copy: Path, report: Path) -> dict[str, str]:
    """The copy's packages come before the installed ones. Of pytest's variables: those that share out the ports."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PYTEST_") or name.startswith("PYTEST_XDIST_WORKER")
    }
    kept.pop("PYTHONDONTWRITEBYTECODE", None)  # or each run compiles all that is installed: half of its time
    packages = [*sorted(copy.glob("libs/*/src")), *sorted(copy.glob("services/*/src")), copy / "tests"]
    return {**kept, "PYTHONPATH": os.pathsep.join(map(str, packages)), PATH: str(report)}


def _stop(process: subprocess.Popen[bytes]) -> None:
    """By an interrupt: then it stops its servers itself."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
