"""The parts of docs/proof.md, `.local/proof/*.json`: what each kind of run has measured, and of which commit."""

import fcntl
import hashlib
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
PARTS: Final = ROOT / ".local" / "proof"
PAGE: Final = ROOT / "docs" / "proof.md"
IS_OVER: Final = "is_over"
"""False in a part whose run has begun: so it stays where the run breaks off."""

Json = Any


@cache
def commit() -> str:
    """As it was when first asked for: a run may take an hour. Empty where there is no git.

    A `+` and the changes' own digest where the work tree has any that no commit holds; the page that is written from
    the parts is none.
    """
    try:
        head = _git("rev-parse", "--short=12", "HEAD").strip()
        changes = _git("diff", "HEAD", "--", ".", f":!{PAGE.relative_to(ROOT)}")
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head + (f"+{hashlib.sha256(changes.encode()).hexdigest()[:6]}" if changes else "")


def begin(path: Path, **fields: Json) -> None:
    """Instead of what the last run has measured: of this one nothing is known until it is over."""
    write(path, **fields, **{IS_OVER: False})


def write(path: Path, **fields: Json) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_text({"commit": commit(), **fields}))


@contextmanager
def kept(path: Path) -> Iterator[dict[str, Json]]:
    """The part, to be changed beside others who do so. It begins anew where it is of another commit."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        told = json.loads(file.read() or "{}")
        part = told if isinstance(told, dict) and told.get("commit") == commit() else {"commit": commit()}
        yield part
        file.truncate(0)
        file.write(_text(part))


def _text(part: dict[str, Json]) -> str:
    return json.dumps(part, indent=2, default=str) + "\n"


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout
