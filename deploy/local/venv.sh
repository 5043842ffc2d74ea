#!/bin/sh
# Makes .venv what uv.lock says: `deploy/local/venv.sh <options of uv sync>`. Quick and silent where it is that already.
set -eu
cd "$(dirname "$0")/../.."

# A copied or moved clone brings along an environment that runs the code of the other folder.
place=$(pwd -P)/.venv
if [ -d .venv ] && [ "$(cat .venv/place 2>/dev/null)" != "$place" ] && ! grep -qsF "$place" .venv/bin/activate; then
    rm -rf .venv
fi

sync() { deploy/local/uv.sh sync --frozen --inexact --compile-bytecode "$@"; }

if ! { [ -d .venv ] && sync --quiet --check "$@" 2>/dev/null; }; then
    echo "Installing the Python packages …"
    started=$(date +%s)
    sync "$@" || {
        echo "error: the Python packages couldn't be installed: mend what is said above and try again" >&2
        exit 1
    }
    echo "Python packages: $(($(date +%s) - started)) s"
fi
[ -f .venv/place ] || echo "$place" >.venv/place
