"""`.local/proof/mutations.json`: which planted bug was caught by what; `docs/proof.md` is made of it."""

import fcntl
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from mutations.mutation import PATCHES, ROOT

PROOF: Final = ROOT / ".local/proof/mutations.json"


@dataclass(frozen=True)
class Row:
    """`caught_by`: for each suite that caught it, `suite: its first test that did`; `told`: what that test said."""

    name: str
    description: str
    caught: bool
    caught_by: list[str]
    told: list[str]
    seconds: float


def keep(row: Row, path: Path = PROOF) -> None:
    """Side by side with others: each test of a run keeps its own row. Rows of patches that are gone go as well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        rows = {each["name"]: each for each in json.loads(file.read() or "[]")} | {row.name: asdict(row)}
        names = [patch.stem for patch in PATCHES]
        file.truncate(0)
        file.write(json.dumps([rows[name] for name in names if name in rows], indent=2) + "\n")
