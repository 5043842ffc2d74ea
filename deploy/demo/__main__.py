"""`python deploy/demo [--no-pause]`: the guided demo, on whichever world runs; `make demo` calls it."""

import sys
from pathlib import Path


def main() -> int:
    sys.path.append(str(Path(__file__).resolve().parents[1] / "local"))
    try:
        import demo_cli  # noqa: PLC0415 - takes half a second, in which Ctrl-C may come

        return demo_cli.main()
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
