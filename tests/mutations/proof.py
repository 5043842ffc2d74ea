"""`.local/proof/mutations.json`: which planted bug was caught by what; `docs/proof.md` is made of it."""

import fcntl
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from mutations.mutation import PATCHES, ROOT

PROOF: Final = ROOT / ".local/proof/mutations.json"


@dataclass(frozen=True)
class Row:
    """`caught`: by each suite that must. `caught_by`: `suite: its first test that did`; `told`: what that test said."""

    name: str
    description: str
    caught: bool = False
    caught_by: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    seconds: float = 0


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
