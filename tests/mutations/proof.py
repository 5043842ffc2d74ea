"""`.local/proof/mutations.json`: which planted bug was caught by what; `docs/proof.md` is made of it."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from mutations.mutation import PATCHES
from proof_parts import PARTS, kept

PROOF: Final = PARTS / "mutations.json"


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
    names = [patch.stem for patch in PATCHES]
    with kept(path) as part:
        rows = {each["name"]: each for each in part.get("rows", [])} | {row.name: asdict(row)}
        part |= {"bugs": len(names), "rows": [rows[name] for name in names if name in rows]}
