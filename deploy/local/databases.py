"""The participants' databases: each with a role of its own, which can reach no other."""

import psycopg
from errors import StackError
from psycopg import sql
from state import DATABASES, State


def answers(admin_url: str) -> bool:
    try:
        with psycopg.connect(admin_url, connect_timeout=2):
            return True
    except psycopg.OperationalError:
        return False


def ensure_databases(admin_url: str, state: State) -> None:
    """Safe to run again; a role's password becomes the one in the state."""
    try:
        with psycopg.connect(admin_url, autocommit=True) as connection:
            for shared in ("postgres", "template1"):
                _close_to_others(connection, shared)
            for name in DATABASES:
                _ensure_role(connection, name, state.passwords[name])
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
