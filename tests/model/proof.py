"""What the exploration has found, for docs/proof.md: `make test` tells most of it, `make nightly` the large cases."""

from pathlib import Path
from typing import Any, Final

from model.explore import Exploration
from model.rules import Rule
from proof_parts import PARTS, kept

PROOF: Final = PARTS / "model.json"


def tell_explored(case: str, exploration: Exploration, seconds: float, path: Path = PROOF) -> None:
    found = exploration.counterexample
    _tell(
        path,
        "explored",
        {"case": case, "states": exploration.states, "seconds": round(seconds, 1), "wrong": str(found or "nothing")},
    )


def tell_dropped(rule: Rule, exploration: Exploration, seconds: float, path: Path = PROOF) -> None:
    found = exploration.counterexample
    _tell(
        path,
        "rules_dropped",
        {
            "without": rule.value,
            "counterexample": found.wrong if found else "none",
            "moves": len(found.trace) if found else 0,
            "found": found is not None,
            "seconds": round(seconds, 1),
        },
    )


def _tell(path: Path, told: str, row: dict[str, Any]) -> None:
    """In the place of what was told of the same one before; the first field says of what."""
    name = next(iter(row))
    with kept(path) as part:
        rows = {each[name]: each for each in part.get(told, [])} | {row[name]: row}
        part[told] = [*rows.values()]
