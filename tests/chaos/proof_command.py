"""`make proof`: writes docs/proof.md, and doesn't when the page would lose what was measured elsewhere."""

import json
import os.path
import sys
from pathlib import Path
from typing import Final

from chaos.report import SECTIONS, commits, lost, proof
from proof_parts import PAGE, PARTS

_FORCE: Final = "--force"


def write_page(folder: Path = PARTS, page: Path = PAGE, *, force: bool = False) -> int:
    """0 where it is written; 1 where there is nothing to write, or, unless forced, where figures would be lost."""
    files = {name: folder / f"{name}.json" for name in SECTIONS}
    parts = {name: json.loads(file.read_text()) for name, file in files.items() if file.exists()}
    if not parts:
        return _refused("nothing in .local/proof: run `make chaos` first")
    gone = [] if force or not page.exists() else lost(page.read_text(), parts)
    if gone:
        return _refused(
            f"{page.name} has figures of what has not been run here, and would lose them: {', '.join(gone)}\n"
            "run it here, or write the page without it: make proof FORCE=yes"
        )
    page.write_text(proof(parts))
    print(os.path.relpath(page))  # noqa: T201 - a command
    for name, of in commits(parts).items():
        print(f"  {name:<12} {of}")  # noqa: T201
    if len({*commits(parts).values()}) > 1:
        print("!!! THESE PARTS ARE OF DIFFERENT COMMITS: run again those that are older", file=sys.stderr)  # noqa: T201
    return 0


def _refused(why: str) -> int:
    print(why, file=sys.stderr)  # noqa: T201
    return 1


if __name__ == "__main__":
    sys.exit(write_page(force=_FORCE in sys.argv[1:]))
