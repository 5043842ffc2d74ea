"""Every list of transfers is found by an index that has its order: a page costs what a page costs."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from account_worker.main import MIGRATIONS
from account_worker.queries import TransferFilter, transfer_page
from service_runtime.database import create_database_engine, migrate
from sqlalchemy import Connection, text
from transfer_contract.http import TransferCursor
from transfer_contract.steps import FinalStatus

AFTER = TransferCursor(created_at=datetime(2026, 1, 1, 1, tzinfo=UTC), transfer_id="8")
MANY = 20_000


@pytest.fixture(scope="module")
def connection(new_database: Callable[[], str]) -> Iterator[Connection]:
    """Many transfers: nearly all completed, every second one from the same account, every third one to another."""
    url = new_database()
    migrate(url, MIGRATIONS)
    engine = create_database_engine(url, pool_size=1)
    with engine.connect() as connection:
        fill = text("""
            INSERT INTO transfers
            SELECT md5(CAST(i AS text)), 'f', CASE i % 2 WHEN 0 THEN 'payer' ELSE 'a' || i END,
                   CASE i % 3 WHEN 0 THEN 'payee' ELSE 'b' || i END, 1, 'EUR', NULL, NULL,
                   TIMESTAMPTZ '2026-01-01' + i * INTERVAL '1 s',
                   CASE WHEN i % 500 = 0 THEN NULL WHEN i % 500 = 1 THEN 'rejected' ELSE 'completed' END,
                   CASE WHEN i % 500 = 0 THEN NULL ELSE now() END
            FROM generate_series(1, :many) i
        """)
        connection.execute(fill, {"many": MANY})
        connection.execute(text("ANALYZE transfers"))
        yield connection
    engine.dispose()


def plan_nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from plan_nodes(child)


@pytest.mark.parametrize("after", [None, AFTER])
@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"is_final": True},
        {"is_final": False},
        {"is_final": False, "oldest_first": True},
        {"status": FinalStatus.COMPLETED},
        {"status": FinalStatus.REJECTED},
        {"account": "payer"},
        {"account": "payee"},
        {"account": "payer", "is_final": True},
        {"account": "payee", "is_final": False},
        {"account": "payer", "status": FinalStatus.REJECTED},
    ],
)
def test_a_page_reads_little_more_than_its_rows(
    wanted: dict[str, Any], after: TransferCursor | None, connection: Connection
) -> None:
    page = transfer_page(TransferFilter(**wanted, after=after), limit=51)
    compiled = page.compile(connection.engine, compile_kwargs={"literal_binds": True})
    explained = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {compiled}").scalar_one()
    scans = [node for node in plan_nodes(explained[0]["Plan"]) if node.get("Relation Name") == "transfers"]
    assert scans
    for scan in scans:
        assert scan["Node Type"] != "Seq Scan"
        assert scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0) <= 1000, scan
