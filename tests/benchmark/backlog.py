"""Transfers that pile up while account-worker is down, and what happens when it is there again."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Final

import psycopg
from benchmark import lanes
from benchmark.growth_results import Attempts, Backlog
from benchmark.load import run_all
from benchmark.worlds import EmbeddedWorld
from money_books import read_books
from money_checks import violations
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from transfer_contract.names import Process, workflow_id

_AT_ONCE: Final = 50
_READ_AT_ONCE: Final = 20
_LOOK_SECONDS: Final = 0.5
_GIVE_UP_SECONDS: Final = 120
"""After the last transfer that became final: what isn't by then is told as not final."""

_ENDS: Final = """
    SELECT count(final_status), count(*) FILTER (WHERE final_status = 'completed')
    FROM transfers WHERE transfer_id = ANY(%s)
"""


async def measure_backlog(world: EmbeddedWorld, *, transfers: int, saturated_per_second: float) -> Backlog:
    accepted: list[str] = []
    await asyncio.to_thread(world.stack.kill, Process.ACCOUNT_WORKER)
    await run_all(lanes.order(world.gateway, world.pairs, accepted), transfers, at_once=_AT_ONCE)
    began = time.perf_counter()
    await asyncio.to_thread(world.stack.start, Process.ACCOUNT_WORKER)
    final, completed, ended = await _drained(world.database_url("accounts"), accepted)
    return Backlog(
        transfers=transfers,
        completed=completed,
        unfinished=transfers - final,
        drained_seconds=ended - began,
        saturated_per_second=saturated_per_second,
        attempts=await _attempts(world.client, accepted),
        violations=len(await asyncio.to_thread(_wrong, world)),
    )


async def _drained(accounts_url: str, transfer_ids: Sequence[str]) -> tuple[int, int, float]:
    """How many became final, how many of these completed, and when the last one had, by `time.perf_counter`."""
    final, completed, moved_at = 0, 0, time.perf_counter()
    while final < len(transfer_ids) and time.perf_counter() - moved_at < _GIVE_UP_SECONDS:
        await asyncio.sleep(_LOOK_SECONDS)
        now, completed = await asyncio.to_thread(_ends, accounts_url, transfer_ids)
        if now > final:
            final, moved_at = now, time.perf_counter()
    return final, completed, moved_at


def _ends(accounts_url: str, transfer_ids: Sequence[str]) -> tuple[int, int]:
    with psycopg.connect(accounts_url) as connection:
        final, completed = connection.execute(_ENDS, ([*transfer_ids],)).fetchone() or (0, 0)
    return final, completed


async def _attempts(client: Client, transfer_ids: Sequence[str]) -> Attempts:
    found: list[Attempts] = []

    async def read(number: int) -> None:
        history = await client.get_workflow_handle(workflow_id(transfer_ids[number])).fetch_history()
        found.append(attempts(history.events))

    await run_all(read, len(transfer_ids), at_once=_READ_AT_ONCE)
    return sum(found, Attempts())


def attempts(events: Iterable[HistoryEvent]) -> Attempts:
    """Of one run. An event tells only the last failure: where that is a timeout, all attempts before count as such."""
    found = Attempts()
    for event in events:
        match event.event_type:
            case EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
                started = event.activity_task_started_event_attributes
                before = started.attempt - 1
                timed_out = before if started.last_failure.HasField("timeout_failure_info") else 0
                found += Attempts(steps=1, repeated=before, timed_out=timed_out)
            case EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
                found += Attempts(timed_out=1)
            case EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED:
                found += Attempts(tasks=1)
            case EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT:
                found += Attempts(tasks_timed_out=1)
    return found


def _wrong(world: EmbeddedWorld) -> list[str]:
    return violations(read_books(world.database_url("accounts"), world.database_url("ledger")))
