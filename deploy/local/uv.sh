#!/bin/sh
# Runs uv for this clone on a machine that may have nothing but a Python: `deploy/local/uv.sh lock --check`.
set -eu
cd "$(dirname "$0")/../.."

PINNED=0.13.9
TOOLS=.local/tools

fail() {
    echo "error: $1" >&2
    exit 1
}

is_usable() { # The upper bound: the newest Python that uv.lock has binary packages for.
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null
}

find_python() {
    for name in python3 python3.13 python3.12 python3.11 python3.14; do
        if is_usable "$name"; then
            "$name" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    fail "no Python from 3.11 to 3.14 on the PATH: install one (Debian, Ubuntu: apt install python3 python3-venv)"
}

is_recent() { # An older uv can't build these packages.
    version=$("$1" --version 2>/dev/null) || return 1
    version=${version#uv }
    minor=${version#*.}
    [ "${version%%.*}" -ge 1 ] || [ "${minor%%.*}" -ge 9 ]
}

get_uv() {
    python=$(find_python)
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$python can't make virtual environments: install its venv package (apt install python3-venv), or uv"
    echo "Getting uv $PINNED …" >&2
    mkdir -p "$TOOLS"
    draft=$(mktemp -d "$TOOLS/uv.XXXXXX")
    trap 'rm -rf "$draft"' EXIT
    trap 'exit 130' INT TERM HUP
    "$python" -m venv "$draft" && "$draft/bin/python" -m pip --quiet --no-cache-dir install "uv==$PINNED" >&2 ||
        fail "uv $PINNED couldn't be installed: see above, or install uv yourself"
    mv "$draft/bin/uv" "$TOOLS/uv-$PINNED"
    rm -rf "$draft"
    trap - EXIT INT TERM HUP
}

unset VIRTUAL_ENV PYTHONHOME PYTHONPATH UV_PYTHON UV_PROJECT_ENVIRONMENT
export UV_PYTHON_DOWNLOADS=never
if ! is_usable .venv/bin/python; then
    UV_PYTHON=$(find_python)
    export UV_PYTHON
fi
if ! mkdir -p "${UV_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/uv}" 2>/dev/null; then
    export UV_CACHE_DIR=.local/uv-cache
fi

uv=uv
if ! is_recent uv; then
    uv=$TOOLS/uv-$PINNED
    [ -x "$uv" ] || get_uv
fi
exec "$uv" "$@"
