"""How long a page of `GET /transfers` takes, anywhere in each list, for one reader."""

import asyncio
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

import psycopg
from benchmark.growth_results import Page
from benchmark.keep_alive_client import KeepAliveClient
from benchmark.worlds import EmbeddedWorld
from transfer_contract.http import TransferCursor

USUAL: Final = 20
LARGEST: Final = 100

_CURSORS: Final = """
    SELECT created_at, transfer_id FROM transfers
    WHERE (%(status)s::text IS NULL OR final_status = %(status)s)
      AND (%(account)s::text IS NULL OR %(account)s IN (source_account, destination_account))
    ORDER BY created_at DESC, transfer_id DESC
"""

Query = Mapping[str, str | int]


async def measure_pages(world: EmbeddedWorld, *, count: int) -> list[Page]:
    """So many of each list and place, of a system at rest. The account is one of those that all benchmarks pay from."""
    account = {"account": world.pairs[0][0]}
    lists: dict[str, Query] = {
        "all": {},
        f"all, {LARGEST} a page": {"limit": LARGEST},
        "completed": {"status": "completed"},
        "rejected": {"status": "rejected"},
        "compensated": {"status": "compensated"},
        "running": {"status": "running"},
        "of one account": account,
        "of one account, completed": {**account, "status": "completed"},
    }
    measured = []
    for name, query in lists.items():
        cursors = await asyncio.to_thread(_cursors, world.database_url("accounts"), query)
        for place, after in places(cursors, limit=int(query.get("limit", USUAL)), count=count).items():
            queries = [{**query, **({"cursor": cursor} if cursor else {})} for cursor in after]
            measured.append(await _measured(world.gateway, name, place, queries))
    return measured


def places(cursors: Sequence[str], *, limit: int, count: int) -> dict[str, list[str | None]]:
    """The cursors of `count` pages each: of the first one, from the first to the last, of the last one that is full.

    `cursors` are those after each transfer, newest first.
    """
    found: dict[str, list[str | None]] = {"newest": [None] * count}
    last = len(cursors) - limit - 1
    if last > 0:
        found["anywhere"] = [cursors[number * last // count] for number in range(count)]
        found["oldest"] = [cursors[last]] * count
    return found


def _cursors(accounts_url: str, query: Query) -> list[str]:
    asked: dict[str, Any] = {"status": None, "account": None, **query}
    with psycopg.connect(accounts_url) as connection:
        rows = connection.execute(_CURSORS, asked).fetchall()
    return [TransferCursor(created_at=created_at, transfer_id=transfer_id).encode() for created_at, transfer_id in rows]


async def _measured(gateway: KeepAliveClient, name: str, place: str, queries: Sequence[Query]) -> Page:
    durations, items = [], []
    for query in queries:
        began = time.perf_counter()
        status, body = await gateway.request("GET", f"/transfers?{urlencode(query)}")
        durations.append((time.perf_counter() - began) * 1000)
        assert status == 200, body
        items.append(len(json.loads(body)["items"]))
    p95_ms = statistics.quantiles(durations, n=20, method="inclusive")[18]
    return Page(name, place, min(items), len(queries), statistics.median(durations), p95_ms)
