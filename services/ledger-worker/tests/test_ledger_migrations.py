"""`ledger-migrate`: again, side by side, and the tables that the queries name."""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from ledger_worker.main import MIGRATIONS
from ledger_worker.models import metadata
from service_runtime.database import migrate
from sqlalchemy import NullPool, create_engine, inspect, text


def start_migration(url: str) -> subprocess.Popen[str]:
    """The program itself, in a process of its own, as it is installed."""
    program = [sys.executable, "-c", "from ledger_worker.main import migrate; migrate()"]
    environment = {**os.environ, "DATABASE_URL": url, "LOG_FORMAT": "json"}
    return subprocess.Popen(program, env=environment, stderr=subprocess.PIPE, text=True)


def outcome(migration: subprocess.Popen[str]) -> tuple[int, str]:
    _, errors = migration.communicate(timeout=60)
    return migration.returncode, errors


def test_migrations_run_side_by_side_and_again(new_database: Callable[[], str]) -> None:
    url = new_database()

    assert [outcome(migration) for migration in [start_migration(url) for _ in range(2)]] == [(0, "")] * 2
    migrate(url, MIGRATIONS)

    engine = create_engine(url, poolclass=NullPool)
    tables = {"alembic_version", "decisions", "entries", "ledger_accounts", "transfers"}
    assert set(inspect(engine).get_table_names()) == tables
    with engine.connect() as connection:
        assert connection.scalars(text("SELECT version_num FROM alembic_version")).all() == ["0003"]


def test_the_tables_are_as_the_queries_name_them(new_database: Callable[[], str]) -> None:
    url = new_database()
    migrate(url, MIGRATIONS)

    def tables_and_columns(_object: Any, _name: str | None, kind: str, *_others: Any) -> bool:
        return kind in ("table", "column")

    options = {"include_object": tables_and_columns, "compare_type": True, "compare_server_default": True}
    with create_engine(url, poolclass=NullPool).connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    assert [difference for difference in differences if "comment" not in str(difference[0])] == []
