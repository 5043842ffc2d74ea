"""A participant's own PostgreSQL database: the engine, one transaction for one unit of work, the migrations."""

import random
import select
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import psycopg
import structlog
from psycopg.errors import DeadlockDetected, ReadOnlySqlTransaction, SerializationFailure
from pydantic_core import to_json
from sqlalchemy import Connection, Engine, Row, create_engine, event, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import InterfaceError, InternalError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as NoFreeConnection

Result = TypeVar("Result")

DATABASE_AWAY: Final = (OperationalError, InterfaceError, NoFreeConnection)
"""What SQLAlchemy raises where the server is gone, slow, or has no connection left: it says nothing of an outcome."""

DATABASE_UNABLE: Final = (*DATABASE_AWAY, InternalError)
"""Or where it is there and can't do its work, being read-only, for instance."""

CONFLICT_ATTEMPTS: Final = 10
"""A deadlock or serialization failure rolled everything back, so the same work is simply done again."""

POOL_TIMEOUT_SECONDS: Final = 2
CONNECT_TIMEOUT_SECONDS: Final = 2
STATEMENT_TIMEOUT: Final = "30s"
"""Far above any statement here, and below an activity's start-to-close minute: a stuck lock frees its attempt."""

BY_KEY: Final = (
    " -c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off"
    " -c jit=off"
)
"""For connections that run steps: what a step needs it finds by key, one row or ten thousand, however large the tables.

Left to itself the planner reads a whole table for a list, as long as it believes the table small: it was, when it was
looked at last. Measured behind 30,000 transfers: four steps of a chunk took it 0.30 ms a transfer, and so 0.23.
"""


class Statement:
    """SQL that PostgreSQL gets as it stands, with `%(name)s` for its parameters.

    For the steps: as SQLAlchemy's expressions their statements took twice the processor time (measured). A list goes
    as JSON, whatever is in it: psycopg writes an array in Python, value by value.
    """

    def __init__(self, sql: str) -> None:
        self._sql = sql

    def run(self, connection: Connection, **parameters: object) -> Sequence[Row[*tuple[Any, ...]]]:
        """Its rows, none where it answers none."""
        given = {
            name: to_json(value).decode() if isinstance(value, list) else value for name, value in parameters.items()
        }
        result = connection.exec_driver_sql(self._sql, given)
        return result.all() if result.returns_rows else []


def create_database_engine(url: str, *, pool_size: int, by_key: bool = False) -> Engine:
    """`pool_size` connections and no more. A connection that the server lost is replaced before it is used.

    `by_key` for a worker's steps: see `BY_KEY`.
    """
    options = f"-c statement_timeout={STATEMENT_TIMEOUT} -c synchronous_commit=on -c timezone=UTC"
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_SECONDS,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "options": options + BY_KEY if by_key else options,
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "tcp_user_timeout": 10_000,
        },
    )
    event.listen(engine, "checkout", _replace_what_the_server_closed)
    event.listen(engine, "handle_error", _leave_what_is_read_only)
    return engine


def without_transaction(engine: Engine) -> Engine:
    """The same connections for whoever reads with a single statement: it takes a third of the time (measured)."""
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def _replace_what_the_server_closed(connection: psycopg.Connection, *_: object) -> None:
    """PostgreSQL says nothing unasked: what can be read from an unused connection is its end.

    SQLAlchemy's `pool_pre_ping` asks the server instead, which costs each step a round trip.
    """
    said = select.poll()
    said.register(connection.fileno(), select.POLLIN)
    if said.poll(0):
        raise InvalidatePoolError


def _leave_what_is_read_only(context: ExceptionContext) -> None:
    """A session that may not write, as after a failover, would stay so when the database no longer is."""
    if isinstance(context.original_exception, ReadOnlySqlTransaction):
        context.is_disconnect = True


def in_transaction(engine: Engine, work: Callable[[Connection], Result]) -> Result:
    """Runs `work` in one transaction and commits it: every step goes through here (rule 1).

    Done again where PostgreSQL found a deadlock or a serialization failure. Raises what `work` and SQLAlchemy raise;
    an error from the commit itself says nothing about whether it happened.
    """
    for attempt in range(1, CONFLICT_ATTEMPTS + 1):
        try:
            with engine.begin() as connection:
                return work(connection)
        except OperationalError as error:
            if not isinstance(error.orig, DeadlockDetected | SerializationFailure) or attempt == CONFLICT_ATTEMPTS:
                raise
            structlog.get_logger().info("transaction conflict, doing it again", attempt=attempt)
            time.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311 - spreads contenders, keeps no secret
    raise AssertionError("unreachable")


def database_answers(engine: Engine) -> bool:
    """A readiness check, for a thread."""
    try:
        with engine.connect() as connection:
            return bool(connection.scalar(text("SELECT 1")))
    except Exception:  # noqa: BLE001 - whatever is wrong, the answer is no
        return False


def migrate(url: str, migrations: Path) -> None:
    """Brings the schema to the newest revision. Safe to run again, and beside another run."""
    from alembic import command  # noqa: PLC0415 - a third of a second that only this one needs
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.attributes["url"] = url
    command.upgrade(config, "head")
