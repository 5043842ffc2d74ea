#!/bin/sh
# Checks what the containers are made from; says so where a tool for it is missing.
set -eu
cd "$(dirname "$0")/../.."

check_compose() {
    if docker compose version >/dev/null 2>&1; then
        echo "docker compose $* config --quiet"
        docker compose "$@" config --quiet
    else
        echo "docker compose config: skipped, there is no docker compose here"
    fi
}

if [ -f docker-compose.yml ]; then
    check_compose -f docker-compose.yml
    for more in deploy/temporal/mysql.yml tests/benchmark/compose.yml; do
        [ ! -f "$more" ] || check_compose -f docker-compose.yml -f "$more"
    done
fi
if [ -f Dockerfile ]; then
    echo "hadolint Dockerfile"
    .venv/bin/hadolint Dockerfile
fi
