"""account-api while its database is away: 503 soon, nothing lost, and recovery without a restart."""

import time
from collections.abc import Callable, Iterator
from uuid import uuid4

import httpx
import psycopg
import pytest
from account_worker.activities import AccountStepActivities
from account_worker.batch_activities import AccountBatchStepActivities
from account_worker.batches import store_batch
from account_worker.demo_faults import DemoFaults
from account_worker.main import MIGRATIONS
from prometheus_client import CollectorRegistry
from psycopg import sql
from service_runtime.database import create_database_engine, in_transaction, migrate
from sqlalchemy import Engine, make_url
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from transfer_contract.batches import BatchItem, BatchItems, BatchOrder
from transfer_contract.steps import Decision

NEW = {"id": "zoe", "owner": "Zoe", "currency": "CHF"}
SOON_SECONDS = 3


@pytest.fixture
def small_engine(new_database: Callable[[], str]) -> Iterator[Engine]:
    url = new_database()
    migrate(url, MIGRATIONS)
    engine = create_database_engine(url, pool_size=1)
    yield engine
    engine.dispose()


def allow_connections(postgres_server: str, database: str, *, allowed: bool) -> None:
    name = sql.Identifier(database)
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format(name, sql.Literal(allowed)))
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database])


def assert_unavailable_soon(ask: Callable[[], httpx.Response]) -> None:
    started = time.monotonic()
    answer = ask()
    assert time.monotonic() - started < SOON_SECONDS
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "1"


def test_a_database_that_is_away_is_a_503_until_it_is_back(
    postgres_server: str, small_engine: Engine, serve_api: Callable[[Engine], httpx.Client]
) -> None:
    api = serve_api(small_engine)
    database = make_url(str(small_engine.url)).database or ""
    assert api.post("/accounts", json=NEW).status_code == 201
    allow_connections(postgres_server, database, allowed=False)
    for _ in range(2):
        assert_unavailable_soon(lambda: api.get("/accounts/zoe"))
        assert_unavailable_soon(lambda: api.post("/accounts", json=NEW))
        assert_unavailable_soon(lambda: api.get("/reconciliation"))
    allow_connections(postgres_server, database, allowed=True)
    assert api.get("/accounts/zoe").status_code == 200
    assert api.post("/accounts", json=NEW).status_code == 200


def test_a_server_that_may_not_write_is_a_503_and_its_connection_isnt_kept(
    postgres_server: str, small_engine: Engine, serve_api: Callable[[Engine], httpx.Client]
) -> None:
    """As after a failover: the connection stays read-only when the database no longer is."""
    api = serve_api(small_engine)
    database = sql.Identifier(make_url(str(small_engine.url)).database or "")
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(database))
        assert_unavailable_soon(lambda: api.post("/accounts", json=NEW))
        assert api.get("/accounts/zoe").status_code == 404
        connection.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = off").format(database))
    assert_unavailable_soon(lambda: api.post("/accounts", json=NEW))
    assert api.post("/accounts", json=NEW).status_code == 201


def test_a_server_that_may_not_write_fails_a_whole_list_and_its_connection_isnt_kept(
    postgres_server: str, small_engine: Engine
) -> None:
    """Nothing is said of a single transfer of the batch, and the next attempt finds the server as it is then."""
    item = BatchItem(source_account="zoe", destination_account="ben", amount_minor=100, currency="CHF")
    order = BatchOrder(batch_id=str(uuid4()), transfers=[item] * 3)
    in_transaction(small_engine, lambda connection: store_batch(connection, order))
    small_engine.dispose()
    single = AccountStepActivities(small_engine, DemoFaults(small_engine), CollectorRegistry())
    many = AccountBatchStepActivities(small_engine, DemoFaults(small_engine), single.guards)
    items = BatchItems(batch_id=order.batch_id, positions=((1, 3),))
    database = sql.Identifier(make_url(str(small_engine.url)).database or "")
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(database))
        with pytest.raises(ApplicationError) as refused:
            ActivityEnvironment().run(many.withdraw_many, items)
        assert refused.value.type == "database_unavailable"
        connection.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = off").format(database))
    [decided] = ActivityEnvironment().run(many.withdraw_many, items).decided
    assert (decided.decision, decided.positions) == (Decision.REJECTED, ((1, 3),))  # nobody has these accounts


def test_lost_connections_are_replaced_before_they_are_used(
    postgres_server: str, small_engine: Engine, serve_api: Callable[[Engine], httpx.Client]
) -> None:
    api = serve_api(small_engine)
    assert api.get("/accounts").status_code == 200
    allow_connections(postgres_server, make_url(str(small_engine.url)).database or "", allowed=True)
    assert api.get("/accounts").status_code == 200


def test_no_free_connection_is_a_503(small_engine: Engine, serve_api: Callable[[Engine], httpx.Client]) -> None:
    api = serve_api(small_engine)
    with small_engine.connect():
        assert_unavailable_soon(lambda: api.get("/accounts"))
    assert api.get("/accounts").status_code == 200
