"""`python deploy/local up`: the commands of the Makefile, also interrupted while this very program still loads."""

import sys


def main() -> int:
    try:
        import cli  # noqa: PLC0415 - takes half a second, in which Ctrl-C may come

        return cli.main()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
