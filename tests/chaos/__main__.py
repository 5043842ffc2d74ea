"""`python tests/chaos [--seed N] [--minutes N] [--faults kill,cut] [--docker auto|yes|no]`; `make chaos` calls it."""

import sys
from pathlib import Path


def main() -> int:
    here = Path(__file__).resolve().parent
    sys.path[:] = [path for path in sys.path if Path(path).resolve() != here]
    sys.path += [str(here.parent), str(here.parents[1] / "deploy" / "local")]
    from chaos.chaos_cli import main as run  # noqa: PLC0415 - found only by now

    return run()


if __name__ == "__main__":
    sys.exit(main())
