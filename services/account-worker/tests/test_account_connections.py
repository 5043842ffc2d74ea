"""The connections that steps and reads run on."""

from collections.abc import Callable, Iterator

import psycopg
import pytest
from service_runtime.database import create_database_engine, without_transaction
from sqlalchemy import Engine, text

BACKEND = text("SELECT pg_backend_pid()")


@pytest.fixture
def own_engine(new_database: Callable[[], str]) -> Iterator[Engine]:
    engine = create_database_engine(new_database(), pool_size=2, by_key=True)
    yield engine
    engine.dispose()


@pytest.mark.parametrize(
    ("setting", "value"),
    [("enable_seqscan", "off"), ("enable_hashjoin", "off"), ("jit", "off"), ("synchronous_commit", "on")],
)
def test_a_step_looks_up_by_key_and_its_commit_is_on_disk(own_engine: Engine, setting: str, value: str) -> None:
    with own_engine.connect() as connection:
        assert connection.scalar(text(f"SHOW {setting}")) == value


def test_connections_that_the_server_has_closed_are_replaced_before_they_are_used(
    own_engine: Engine, postgres_server: str
) -> None:
    with own_engine.connect() as one, own_engine.connect() as other:
        closed = {one.scalar(BACKEND), other.scalar(BACKEND)}
    with psycopg.connect(postgres_server, autocommit=True) as administrator:
        for pid in closed:
            administrator.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    with own_engine.connect() as one, own_engine.connect() as other:
        assert not closed & {one.scalar(BACKEND), other.scalar(BACKEND)}


def test_a_single_read_leaves_no_transaction_behind_and_the_next_step_has_one(own_engine: Engine) -> None:
    clock = text("SELECT now() = statement_timestamp()")
    with without_transaction(own_engine).connect() as connection:
        assert [connection.scalar(clock) for _ in range(2)] == [True, True]
    with own_engine.connect() as connection:
        assert [connection.scalar(clock) for _ in range(2)] == [False, False]
