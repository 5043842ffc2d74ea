"""The participants' databases: each with a role of its own, which can reach no other."""

from collections.abc import Mapping

import psycopg
from errors import StackError
from psycopg import sql


def answers(admin_url: str) -> bool:
    try:
        with psycopg.connect(admin_url, connect_timeout=2):
            return True
    except psycopg.OperationalError:
        return False


def ensure_databases(admin_url: str, passwords: Mapping[str, str]) -> None:
    """One for each name, with the role of that name. Safe to run again; a role's password becomes the given one."""
    try:
        with psycopg.connect(admin_url, autocommit=True) as connection:
            for shared in ("postgres", "template1"):
                _close_to_others(connection, shared)
            for name, password in passwords.items():
                _ensure_role(connection, name, password)
                _ensure_database(connection, name)
    except psycopg.Error as error:
        raise StackError(f"the databases can't be made: {error}") from error


def _ensure_role(connection: psycopg.Connection, name: str, password: str) -> None:
    known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)).fetchone()
    verb = sql.SQL("ALTER" if known else "CREATE")
    statement = sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(verb, sql.Identifier(name), sql.Literal(password))
    connection.execute(statement)


def _ensure_database(connection: psycopg.Connection, name: str) -> None:
    if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone():
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(name)))
    _close_to_others(connection, name)


def _close_to_others(connection: psycopg.Connection, database: str) -> None:
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database)))
